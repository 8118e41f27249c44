"""PriorModel: trains a prior alone, on the posteriors of data."""

from collections.abc import Callable

import keras
from keras import ops

from keras_vae.conditions import Given
from keras_vae.priors import Prior
from keras_vae.training import policy
from keras_vae.typing import Tensor

# Codes that a prior is shown to begin with.
_MAX_SHOWN = 10_000


class PriorModel(keras.Model):
    """Maximizes E_q(z|x)[log p(z)] by the weights of p, with new draws of z in each epoch.

    Args:
        prior: the prior, built.
        posterior_of: from the parameters of q(z|x) by name to the posterior.

    Call arguments:
        inputs: a dict of `params`, those parameters, and of `vector`, what a condition
            gives, where there is one.

    Returns:
        log p(z) of a draw of each row, `(batch,)`.
    """

    def __init__(self, prior: Prior, posterior_of: Callable):
        super().__init__(dtype="float32")
        self.prior = prior
        self.posterior_of = posterior_of
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, inputs) -> Tensor:
        given = Given(vector=inputs.get("vector"))
        return self.prior.log_prob_to_fit(self.draw(inputs), given)

    def draw(self, inputs) -> Tensor:
        """Returns a draw of q(z|x) per row, `(batch, *latent_shape)`."""
        return self.posterior_of(inputs["params"]).sample(1, self.seed_generator)[0]

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ) -> Tensor:
        return -ops.mean(y_pred)

    def start(self, rows: dict, rng, x=None) -> None:
        """Shows the prior codes of some rows, so that its weights may begin there.

        Args:
            rows: as `inputs`, arrays of all data.
            rng: what to choose by.
            x: the data themselves, for a prior that asks for them.
        """
        n = len(next(iter(rows["params"].values())))
        chosen = rng.permutation(n)[:_MAX_SHOWN]
        few = keras.tree.map_structure(lambda array: array[chosen], rows)
        z = ops.convert_to_numpy(self.draw(few))
        self.prior.start(z, rng, None if x is None else x[chosen], few.get("vector"))

    def fit_rows(
        self, rows: dict, epochs: int, batch_size: int, learning_rate, verbose
    ) -> keras.callbacks.History:
        """Trains with Adam; returns Keras's history.

        Args:
            rows: as `inputs`, arrays of all data.
            epochs: how often each row is taken.
            batch_size: rows of a step.
            learning_rate: where it starts, from where it falls to 0 along a cosine, or a
                schedule of its own.
            verbose: as for Keras's `fit`.
        """
        if not isinstance(learning_rate, keras.optimizers.schedules.LearningRateSchedule):
            n = len(next(iter(rows["params"].values())))
            steps = epochs * -(-n // batch_size)
            learning_rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
        optimizer = keras.optimizers.Adam(learning_rate)
        self.compile(optimizer, jit_compile=policy.prior_by_xla())
        return self.fit(rows, epochs=epochs, batch_size=batch_size, verbose=verbose)
