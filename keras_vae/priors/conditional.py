"""ConditionalPrior: the abstract class of the priors that depend on a condition, p(z|c)."""

import abc

from keras import ops

from keras_vae.conditions import Given
from keras_vae.distributions.base import Distribution
from keras_vae.priors.base import Prior
from keras_vae.typing import Tensor
from keras_vae.validation.arguments import plain


class ConditionalPrior(Prior):
    """p(z|c): a layer that makes of a condition's vector e(c) a distribution of each row.

    To write one, inherit, register the class, and define

    1. `distribution_given(vector)`: a `keras_vae.distributions.Distribution` whose batch
       is that of the vector, `(batch, condition_size)`;
    2. `build(input_shape)`: call `super().build(input_shape)`, and make and build layers that
       take `condition_size` numbers;
    3. `get_config`, `support` and `takes_grids` as for every `Prior`.
    """

    def build(self, input_shape) -> None:
        super().build(input_shape)
        if not self.condition_size:
            raise ValueError(
                f"{type(self).__name__} is a prior of what a condition gives, which this VAE "
                "lacks. Give it one, VAE(..., condition=keras_vae.conditions.OneHot(10)), or take "
                'prior="standard_normal".'
            )

    def get_build_config(self) -> None:
        return None  # The VAE builds it, having said how many numbers the condition has.

    @abc.abstractmethod
    def distribution_given(self, vector) -> Distribution:
        """Returns p(z|c) of each row of e(c), `(batch, condition_size)`."""

    def distribution(self) -> Distribution:
        raise ValueError(f"{type(self).__name__} needs a condition: prior.given(given).")

    def given(self, given: Given) -> "PriorGiven":
        return PriorGiven(self, given)


class PriorGiven:
    """p(z|c) for the rows of a batch, with the methods of a `Prior` that objectives use.

    Args:
        prior: the prior.
        given: what the condition gives.
    """

    def __init__(self, prior: ConditionalPrior, given: Given):
        self.prior, self.vector = prior, given.vector

    def distribution(self) -> Distribution:
        """Returns the distribution of each row."""
        return self.prior.distribution_given(self.vector)

    def log_prob(self, z) -> Tensor:
        """Returns log p(z|c) in nats, `(..., batch)`."""
        return self.distribution().log_prob(z)

    def sample_rows(self, n: int, batch, seed=None) -> Tensor:
        """Returns `n` draws for each row, `(n * batch, *event_shape)`."""
        seed = self.prior.seed_generator if seed is None else plain(seed)
        draws = self.distribution().sample(n, seed)
        return ops.reshape(draws, (-1, *self.prior.event_shape))
