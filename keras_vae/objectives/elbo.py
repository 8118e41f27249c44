"""ELBO: the evidence lower bound, with a weight β on the KL."""

import math
from collections.abc import Callable

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from keras_vae.shapes import matches


@keras.saving.register_keras_serializable(package="keras_vae")
def kl_divergence(posterior, prior, z):
    """Returns KL(q(z|x) ‖ p(z)) in nats, summed over latent dimensions.

    In closed form where the posterior has one for the prior, else the
    Monte-Carlo estimate log q(z|x) - log p(z), of the same expectation.

    Args:
        posterior: the posterior of the batch.
        prior: the prior.
        z: draws of the posterior, `(batch, latent_dim)` or
            `(n_samples, batch, latent_dim)`.

    Returns:
        Shape `(batch,)`, or `(n_samples, batch)` for an estimate of that many draws.
    """
    closed_form = posterior.kl_divergence(prior)
    if closed_form is not None:
        return closed_form
    return posterior.log_prob(z) - prior.log_prob(z)


@keras.saving.register_keras_serializable(package="keras_vae")
class ELBO:
    """loss = -E[log p(x|z)] + β·KL(q(z|x) ‖ p(z)), in nats per sample.

    With β = 1 it is the negative evidence lower bound; any other β weighs the
    KL against the reconstruction and is no bound for β < 1.

    Args:
        beta: β, a number, or a `LearningRateSchedule` of the training step.
            A schedule's value is logged as `beta`.
        kl_divergence: a function `(posterior, prior, z)` to the KL per sample,
            of shape `(batch,)`, in place of `keras_vae.objectives.kl_divergence`.

    Raises:
        ValueError: if `beta` is negative or not finite.
        TypeError: if it is neither a number nor a schedule.

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes", 2014, equation 3;
        Higgins et al., "beta-VAE", 2017, equation 4.

    Example:
        >>> warm_up = keras.optimizers.schedules.PolynomialDecay(0.0, 5_000, 4.0)
        >>> objective = ELBO(beta=warm_up)  # from 0 to 4 over 5,000 steps
    """

    def __init__(
        self,
        beta: float | LearningRateSchedule = 1.0,
        kl_divergence: Callable = kl_divergence,
    ):
        self.beta = _check_beta(beta)
        self.kl_divergence = kl_divergence

    @property
    def needs_step(self) -> bool:
        """Whether the loss depends on the training step."""
        return isinstance(self.beta, LearningRateSchedule)

    @property
    def own_terms(self) -> tuple[str, ...]:
        """Names of the terms beyond the loss, the reconstruction and the KL."""
        return ("beta",) if self.needs_step else ()

    def __call__(self, target, params, z, posterior, prior, likelihood, step=None) -> dict:
        """Returns the terms of the loss, one value per sample.

        Args:
            target: shape `(batch, *features)`.
            params: the decoder's output for `z`.
            z: draws of the posterior, `(batch, latent_dim)` or
                `(n_samples, batch, latent_dim)`.
            posterior, prior, likelihood: the three distributions.
            step: the training step, where `needs_step`.

        Returns:
            A dict of `loss`, `reconstruction_loss` and `kl_loss`, each of shape
            `(batch,)`, and the scalar `beta` where it follows a schedule.
        """
        log_prob = likelihood.log_prob(target, params)
        reconstruction_loss = _per_sample("reconstruction_loss", -log_prob, z)
        kl_loss = _per_sample("kl_loss", self.kl_divergence(posterior, prior, z), z)
        beta = ops.cast(self.beta(step), "float32") if self.needs_step else self.beta
        terms = {
            "loss": reconstruction_loss + beta * kl_loss,
            "reconstruction_loss": reconstruction_loss,
            "kl_loss": kl_loss,
        }
        return {**terms, "beta": beta} if self.needs_step else terms

    def get_config(self):
        schedule = self.needs_step
        return {
            "beta": keras.saving.serialize_keras_object(self.beta) if schedule else self.beta,
            "kl_divergence": keras.saving.serialize_keras_object(self.kl_divergence),
        }

    @classmethod
    def from_config(cls, config):
        return cls(**{k: keras.saving.deserialize_keras_object(v) for k, v in config.items()})


def _per_sample(name, term, z):
    """Returns `term` averaged over draws of z, or says that it is not one value per sample."""
    *samples, batch, _ = z.shape
    if not (matches(term.shape, (batch,)) or matches(term.shape, (*samples, batch))):
        raise ValueError(
            f"{name} must hold one value per sample, shape (batch,) = ({batch},); it has shape "
            f"{tuple(term.shape)}. Sum over features in a log-likelihood and over latent "
            "dimensions in a KL."
        )
    return ops.mean(term, axis=0) if len(term.shape) == 2 else term


def _check_beta(beta):
    if isinstance(beta, LearningRateSchedule):
        return beta
    if isinstance(beta, bool) or not hasattr(beta, "__float__"):
        raise TypeError(
            "beta must be a number or a keras.optimizers.schedules.LearningRateSchedule; "
            f"received {beta!r}."
        )
    if not (math.isfinite(beta) and beta >= 0):
        raise ValueError(f"beta must be finite and not negative; received {beta!r}.")
    return float(beta)
