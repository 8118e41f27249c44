"""Forward: what an objective is computed from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keras_vae.backend import num_replicas
from keras_vae.backend.replicas import rows_of_all
from keras_vae.conditions import NOTHING, Given
from keras_vae.objectives.terms import kl_divergence, per_sample
from keras_vae.typing import Tensor


@dataclass(kw_only=True, frozen=True, eq=False)
class Forward:
    """One forward pass of a batch, and the parts that judge it.

    Attributes:
        x: the data, `(batch, *input_features)`.
        target: what is to be reconstructed, `(batch, *target_features)`.
        params: the decoder's output for `z`.
        z: draws of the posterior, `(batch, latent_dim)` or
            `(n_samples, batch, latent_dim)`.
        posterior, prior, likelihood: the three distributions.
        sample_weight: shape `(batch,)`, summing to 1.
        decode: the decoder once more, from codes shaped as `z` to params.
        log_qz: log q(z|x) of these draws, `(batch,)` or `(n_samples, batch)`, where
            the posterior gives it with a draw.
        step: the training step, where the objective `needs_step`.
        data_size: number of samples in the data set, where it `needs_data_size`.
        training: the mode in which the step's layers run: whoever calls one says it.
        given: what a condition gives.
        decoder_weights: gives the decoder's trainable weights, for a penalty on them.
        labels: the class of each row, -1 where it is unknown, `(batch,)`; or `None`.
    """

    x: Any
    target: Any
    params: Any
    z: Any
    posterior: Any
    prior: Any
    likelihood: Any
    sample_weight: Any
    decode: Callable
    log_qz: Any = None
    step: Any = None
    data_size: Any = None
    training: bool = False
    given: Given = NOTHING
    labels: Any = None
    decoder_weights: Callable = list

    def log_posterior(self) -> Tensor:
        """Returns log q(z|x) of the draws in nats, `(batch,)` or `(n_samples, batch)`."""
        return self.posterior.log_prob(self.z) if self.log_qz is None else self.log_qz

    def posterior_of_all(self) -> Any:
        """Returns q(z|x) of the whole batch, which devices or processes may share."""
        return self.posterior if num_replicas() == 1 else self.posterior.map(rows_of_all)

    def kl(self) -> Tensor:
        """Returns KL(q(z|x) ‖ p(z)) in nats, `(batch,)`: in closed form or by the draws."""
        kl = kl_divergence(self.posterior, self.prior, self.z, self.log_qz)
        return self.per_sample("kl_loss", kl)

    def reconstruction_loss(self) -> Tensor:
        """Returns -log p(x|z) in nats, `(batch,)`, the mean over the draws."""
        log_prob = self.likelihood.log_prob(self.target, self.params)
        return self.per_sample("reconstruction_loss", -log_prob)

    def per_sample(self, name: str, term) -> Tensor:
        """Returns a term averaged over the draws of z, `(batch,)`.

        Args:
            name: what the term is called in errors.
            term: shape `(batch,)` or `(n_samples, batch)`.

        Raises:
            ValueError: if it has another shape.
        """
        return per_sample(name, term, self.z, len(self.posterior.event_shape))
