"""Runs of one model with the device loop and with Keras's own, which have to be the same."""

import keras
import numpy as np
from helpers import assert_same_logs, make_vae

# XLA, which compiles the loop on TensorFlow but not Keras's steps, rounds otherwise.
SAME_COMPILER = {"jit_compile": keras.backend.backend() == "jax"}


class Restarted:
    """A built model that is as it was at the start whenever it is called for.

    What was compiled for one test serves the others.
    """

    def __init__(self, shapes, seed=5, **kwargs):
        self.seed = seed
        keras.utils.set_random_seed(seed)
        self.vae = make_vae(**kwargs)
        self.vae.build(shapes)
        self.vae.optimizer.build(self.vae.trainable_variables)
        self.start = self.state()

    @property
    def variables(self):
        return [*self.vae.variables, *self.vae.optimizer.variables]

    def state(self):
        return [keras.ops.convert_to_numpy(v) for v in self.variables]

    def __call__(self):
        keras.utils.set_random_seed(self.seed)
        for variable, value in zip(self.variables, self.start, strict=True):
            variable.assign(value)
        self.vae.row_order.state = (3, 0)
        loops = self.vae.compiled_loops
        # Until it is asked for, be it for 0 steps, as of a stream whose length nobody knows.
        loops.n_steps = dict.fromkeys(loops.n_steps, False)
        return self.vae

    @property
    def used_loop(self) -> bool:
        """Whether a compiled loop has been asked for since the start."""
        return any(n is not False for n in self.vae.compiled_loops.n_steps.values())


class Runs:
    """Runs of one model, with the loop and without, all from the same state."""

    def __init__(self, shapes, **parts):
        self.models = {}
        for on in (True, False):
            options = {"device_loop": on, **SAME_COMPILER}
            keras.utils.set_random_seed(5)  # of the parts' own draws
            made = {name: make() for name, make in parts.items()}
            self.models[on] = Restarted(shapes, compile_kwargs=options, **made)

    def run(self, on, stream, validation_data=lambda: None, **kwargs):
        model = self.models[on]
        vae = model()
        kwargs = {"epochs": 2, "verbose": 0, "validation_data": validation_data(), **kwargs}
        history = vae.fit(stream(), **kwargs)
        assert model.used_loop is on
        return history, model.state()

    def assert_same(self, stream, finds_end=False, **kwargs):
        """Compares the runs; returns the history of that with the loop."""
        history, state = self.run(True, stream, **kwargs)
        expected, expected_state = self.run(False, stream, **kwargs)
        assert_same_logs(history.history, expected.history, rtol=1e-5)
        for value, other in zip(state, expected_state, strict=True):
            # Keras's own loop on TensorFlow counts one step more where it finds the end.
            if value.dtype.kind == "f" or not finds_end:
                np.testing.assert_allclose(value, other, rtol=1e-3, atol=1e-4)
        assert history.params == expected.params
        return history
