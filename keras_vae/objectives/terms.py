"""The two terms that every objective has: the reconstruction and the KL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras import ops

from keras_vae import distributions
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor
from keras_vae.validation.shapes import matches

if TYPE_CHECKING:
    from keras_vae.objectives.forward import Forward


@serializable(old="kl_divergence")
def kl_divergence(posterior, prior, z, log_qz=None) -> Tensor:
    """Returns KL(q(z|x) ‖ p(z)) in nats, summed over latent dimensions.

    In closed form where the two have one, else the Monte-Carlo estimate
    log q(z|x) - log p(z), of the same expectation.

    Args:
        posterior: the posterior of the batch.
        prior: the prior, a `keras_vae.priors.Prior`.
        z: draws of the posterior, `(batch, latent_dim)` or
            `(n_samples, batch, latent_dim)`.
        log_qz: log q(z|x) of these draws, where it is known.

    Returns:
        Shape `(batch,)`, or `(n_samples, batch)` for an estimate of that many draws.
    """
    return distributions.kl_divergence(posterior, prior.distribution(), z, log_qz)


def reconstruction_and_kl(forward: Forward) -> dict:
    """Returns `reconstruction_loss`, -log p(x|z), and `kl_loss`, each of shape `(batch,)`."""
    return {
        "reconstruction_loss": forward.reconstruction_loss(),
        "kl_loss": forward.kl(),
    }


def per_sample(name: str, term, z, event_rank: int = 1) -> Tensor:
    """Returns `term` averaged over draws of z, or says that it is not one value per sample."""
    *samples, batch = z.shape[:-event_rank]
    if not (matches(term.shape, (batch,)) or matches(term.shape, (*samples, batch))):
        raise ValueError(
            f"{name} must hold one value per sample, shape (batch,) = ({batch},); it has shape "
            f"{tuple(term.shape)}. Sum over features in a log-likelihood and over latent "
            "dimensions in a KL."
        )
    return ops.mean(term, axis=0) if len(term.shape) == 2 else term
