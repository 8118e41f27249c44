"""Runs of one model with the device loop and with Keras's own, which have to be the same."""

import keras
import numpy as np
from helpers import assert_same_logs, make_vae

# XLA, which compiles the loop on TensorFlow but not Keras's steps, rounds otherwise.
SAME_COMPILER = {"jit_compile": keras.backend.backend() == "jax"}


class Runs:
    """Runs of one model, with the loop and without, all from the same state.

    What was compiled for one test serves the others.
    """

    def __init__(self, shapes, **parts):
        self.vaes = {}
        for on in (True, False):
            keras.utils.set_random_seed(5)
            options = {"device_loop": on, **SAME_COMPILER}
            vae = make_vae(compile_kwargs=options, **{k: make() for k, make in parts.items()})
            vae.build(shapes)
            vae.optimizer.build(vae.trainable_variables)
            self.vaes[on] = vae
        self.start = self.state(vae)

    @staticmethod
    def variables(vae):
        return [*vae.variables, *vae.optimizer.variables]

    def state(self, vae):
        # Copies: on torch an array has the memory of the variable.
        return [np.array(keras.ops.convert_to_numpy(v)) for v in self.variables(vae)]

    def model(self, on):
        """Returns the model with the loop or without, as it was at the start."""
        vae = self.vaes[on]
        for variable, value in zip(self.variables(vae), self.start, strict=True):
            variable.assign(value)
        vae.row_order.state = (3, 0)
        vae.compiled_loops.n_steps = dict.fromkeys(vae.compiled_loops.n_steps, 0)
        return vae

    def run(self, on, stream, validation_data=lambda: None, **kwargs):
        vae = self.model(on)
        kwargs = {"epochs": 2, "verbose": 0, "validation_data": validation_data(), **kwargs}
        history = vae.fit(stream(), **kwargs)
        # It counts the steps that it is asked for.
        assert any(vae.compiled_loops.n_steps.values()) is on
        return history, self.state(vae)

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
