"""Prior: the abstract class of every prior of the code."""

import abc
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_vae.conditions import NOTHING, Given
from keras_vae.distributions.base import Distribution
from keras_vae.saving.seeded_layer import SeededLayer
from keras_vae.typing import Tensor
from keras_vae.validation.arguments import plain


class Prior(SeededLayer, abc.ABC):
    """p(z): a layer that has the weights, if any, and makes of them a distribution.

    To write one, inherit, register the class with
    `keras.saving.register_keras_serializable` so that it can be saved, and define

    1. `distribution()`: a `keras_vae.distributions.Distribution` over draws of
       `self.event_shape`, made of the weights as they are now;
    2. `build(input_shape)`, where it has weights: call `super().build(input_shape)`,
       which sets `event_shape`, and then `add_weight`;
    3. `get_config`, where its constructor takes arguments: those and
       `super().get_config()`;
    4. `support`, where it does not live on all of R^d, and `takes_grids`, where codes
       may be other than vectors;
    5. `start`, where its weights had better begin at the codes of the data, which
       `vae.fit_prior` shows it.

    The KL from a posterior is estimated by the draw, unless the pair of distributions
    has a closed form (`keras_vae.distributions.register_kl`). The smallest example:

        >>> @keras.saving.register_keras_serializable()
        ... class LearnedScale(Prior):
        ...     def build(self, input_shape):
        ...         super().build(input_shape)
        ...         self.log_var = self.add_weight(self.event_shape, "zeros", name="log_var")
        ...     def distribution(self):
        ...         log_var = ops.convert_to_tensor(self.log_var)
        ...         return Independent(ops.zeros_like(log_var), log_var)

    The VAE builds its prior; on its own, call `build((None, latent_dim))`.

    Args:
        seed: an integer, or `None` for a seed that
            `keras.utils.set_random_seed` controls.

    Attributes:
        support: `"real"` for a prior on all of R^d, `"sphere"` for one on the unit
            sphere, `None` for one that follows the posterior.
        takes_grids: whether codes may be other than vectors.
        starts_from_data: whether `start` takes data too, and not codes alone.
        n_components: how many distributions a code is compared with, which takes as much memory.
        event_shape: the shape of one code, such as `(latent_dim,)`, once built.
        condition_size: how many numbers the VAE's condition has, which it says before it
            builds the prior; 0 without one. See `keras_vae.priors.ConditionalPrior`.
    """

    condition_size: int = 0
    support: str | None = "real"
    takes_grids: bool = False
    starts_from_data: bool = False
    n_components: int = 1
    event_shape: tuple[int, ...]

    def build(self, input_shape) -> None:
        self.event_shape = tuple(input_shape[1:])

    def check_latent_shape(self, latent_shape: tuple[int, ...]) -> None:
        """Raises a ValueError for a grid, if the prior is one of vectors only."""
        if len(latent_shape) > 1 and not self.takes_grids:
            raise ValueError(
                f"{type(self).__name__} is a prior of vectors, not of codes of shape "
                f'{latent_shape}. Take prior="standard_normal" or "gaussian_mixture", or '
                "latent_dim. A prior of your own says that it can: takes_grids = True in its class."
            )

    @abc.abstractmethod
    def distribution(self) -> Distribution:
        """Returns p(z) of the weights as they are now."""

    def given(self, given: Given) -> Any:
        """Returns p(z|c) for what a condition gives; p(z), the prior itself, by default."""
        return self

    def start(self, z: np.ndarray, rng: np.random.Generator, x=None, vector=None) -> None:
        """Gives the weights, once built, values to begin with, before `vae.fit_prior` trains them.

        Args:
            z: codes of data, `(n, *event_shape)`, a draw of q(z|x) each.
            rng: what to choose among them by.
            x: their data, `(n, *features)`, for a prior that `starts_from_data`.
            vector: what a condition gives to each, `(n, condition_size)`, or `None`.
        """

    def log_prob_to_fit(self, z, given: Given = NOTHING) -> Tensor:
        """Returns what `vae.fit_prior` maximizes the mean of: log p(z|c), or an estimate of it.

        Args:
            z: codes, `(batch, *event_shape)`.
            given: what a condition gives to each.
        """
        return self.given(given).log_prob(z)

    def log_prob(self, z) -> Tensor:
        """Returns log p(z) in nats, of the shape of `z` without the axes of the code."""
        return self.distribution().log_prob(z)

    def sample(self, n: int, seed: int | None = None) -> Tensor:
        """Returns `n` draws, of shape `(n, *event_shape)`; a `seed` makes them repeatable."""
        return self.distribution().sample(n, self.seed_generator if seed is None else plain(seed))

    def sample_rows(self, n: int, batch, seed=None) -> Tensor:
        """Returns `n` draws for each row of a batch, `(n * batch, *event_shape)`."""
        return self.sample(n * batch, seed)

    def check_posterior(self, posterior: type[Distribution]) -> None:
        """Raises a ValueError if the prior makes no sense with this class of posterior."""

    def connect(self, posterior_of: Callable, input_features: tuple) -> None:
        """Is told of the encoder by the VAE before it builds the prior.

        Args:
            posterior_of: from inputs, `(n, *features)`, to their posterior.
            input_features: shape of one input.
        """
