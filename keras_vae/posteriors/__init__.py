"""Posteriors of the latent code: q(z|x)."""

from keras_vae.posteriors.diagonal_normal import DiagonalNormal

__all__ = ["DiagonalNormal"]
