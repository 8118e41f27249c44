"""Judging: how usual a trained VAE finds data, and what its code says of it."""

import numpy as np

from keras_vae import distributions, encoders, evaluation
from keras_vae.conditions import NOTHING, Given
from keras_vae.evaluation.anomaly_scores import by_batches
from keras_vae.model.flow import Flow
from keras_vae.typing import Tensor
from keras_vae.validation.arrays import check_target_shape


class Judging(Flow):
    """The methods of a `VAE` that give numbers of data: scores, log p(x) and the code in use."""

    @property
    def has_density(self) -> bool:
        """Whether q(z|x) is a density, of which there are a KL, an ELBO and scores."""
        return encoders.get(self.encoder).posterior_class.has_density

    def check_has_density(self, action: str) -> None:
        """Raises a ValueError if q(z|x) is a point mass, of which there is no KL."""
        if not self.has_density:
            raise ValueError(
                f"Cannot {action}: the posterior is a point, which has no density, and so no KL, "
                'ELBO or log p(x). Compare x with vae.reconstruct(x), or take "diagonal_normal".'
            )

    def score(self, x, y=None, batch_size: int = 128, condition=None) -> np.ndarray:
        """Returns a score of how usual x is, without randomness, `(n,)`, in nats.

        It is log p(x|z) + log p(z) - log q(z|x) at the posterior mean, with the
        KL in place of the last two terms where it has a closed form. Higher is
        more usual. It ranks as the ELBO does, but is no bound: `evaluate` and
        `log_likelihood` draw z.

        Args:
            x: data, `(n, *features)`.
            y: the target, where it is not x. A stream of `(x, y)` brings its own.
            batch_size: rows per compiled call.
            condition: what is given beside x, one for all rows or one for each.

        Raises:
            ValueError: if the posterior is a point, which has no density.
        """
        self.check_has_density("score")
        return by_batches(self, "score", self.score_given, x, y, condition, batch_size)

    def score_per_feature(self, x, y=None, batch_size: int = 128, condition=None) -> np.ndarray:
        """Returns log p of each feature, in nats, shaped as the target: a map of `score`.

        They add up to log p(x|z) of `score`. Higher is more usual; 0 where nothing was
        observed. Arguments are those of `score`.

        Raises:
            ValueError: if log p(x|z) does not come apart into features.
        """
        return evaluation.score_per_feature(self, x, y, batch_size, condition)

    def score_given(self, x, y=None, given: Given = NOTHING) -> Tensor:
        """Returns `score` of the tensor x, and of the target y where it is not x, as a tensor."""
        target = x if y is None else y
        check_target_shape(target.shape[1:], self.target_features)
        posterior, prior = self.posterior(x, given=given), self.prior.given(given)
        z, log_qz = posterior.code_and_log_prob()
        kl = distributions.kl_divergence(posterior, prior.distribution(), z, log_qz)
        return self.likelihood.log_prob(target, self.params_given(z, given=given)) - kl

    def log_likelihood(
        self,
        x,
        n_samples: int = 5000,
        y=None,
        seed: int | None = None,
        batch_size: int = 100,
        condition=None,
    ) -> evaluation.LogLikelihood:
        """Estimates log p(x|c) by importance sampling, see `evaluation.log_likelihood`."""
        return evaluation.log_likelihood(self, x, n_samples, y, seed, batch_size, condition)

    def active_units(
        self, x, threshold: float = 0.01, batch_size: int = 128, condition=None
    ) -> int:
        """Counts the latent dimensions in use, see `keras_vae.evaluation.active_units`."""
        return evaluation.active_units(self, x, threshold, batch_size, condition)

    def kl_per_dimension(self, x, batch_size: int = 128, condition=None) -> np.ndarray:
        """Returns the mean KL of each latent dimension, `latent_shape`, in nats."""
        return evaluation.kl_per_dimension(self, x, batch_size, condition)
