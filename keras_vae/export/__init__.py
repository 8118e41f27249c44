"""Formats to serve a VAE in, one file each."""

from keras_vae.export.saved_model import export_saved_model

__all__ = ["export_saved_model"]
