"""LossTracker and TermTracker: the means of the loss and its terms over the rows of an epoch."""

from collections.abc import Callable

import keras
from keras import ops

from keras_vae.typing import Tensor


class LossTracker(keras.metrics.Metric):
    """The weighted means of the loss and of its terms, exact over any number of rows.

    A sum in float32 takes no single row after 2²⁴ of them, and of batches of 100 only 96 after 2²⁶.
    So what each addition loses is kept and added to the next one.

    Args:
        terms: the names of the terms beside `"loss"`; a `TermTracker` shows each of them.

    Reference:
        Kahan, "Further remarks on reducing truncation errors", 1965.
    """

    def __init__(self, terms: list[str]):
        super().__init__(name="loss")
        self.names = ["loss", *terms]
        # The total of each, and that of the weights.
        self.sums = self.add_variable((len(self.names) + 1,), "zeros", name="sums")
        self.excess = self.add_variable((len(self.names) + 1,), "zeros", name="excess")

    def update_state(self, means: dict[str, Tensor], weight: Tensor) -> None:
        """Adds a batch.

        Args:
            means: the loss and its terms, scalars by name.
            weight: the sum of the weights of its rows.
        """
        terms = ops.stop_gradient(ops.stack([*(means[name] for name in self.names), 1.0]))
        added = ops.cast(terms * weight, self.dtype) - self.excess
        sums = self.sums + added
        self.excess.assign((sums - self.sums) - added)
        self.sums.assign(sums)

    def result(self) -> Tensor:
        """Returns the mean of the loss."""
        return self.mean("loss")

    def mean(self, name: str) -> Tensor:
        """Returns the mean of the loss or of a term, 0 where nothing had a weight."""
        return ops.divide_no_nan(self.sums[self.names.index(name)], self.sums[-1])


class TermTracker(keras.metrics.Metric):
    """One of the means that a `LossTracker` knows, under the name that Keras shows.

    Args:
        name: of the term.
        mean: `LossTracker.mean`.
    """

    def __init__(self, name: str, mean: Callable[[str], Tensor]):
        super().__init__(name=name)
        self.mean = mean

    def update_state(self, *args, **kwargs) -> None:
        """Nothing: the `LossTracker` is updated."""

    def result(self) -> Tensor:
        return self.mean(self.name)
