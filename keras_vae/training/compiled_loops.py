"""CompiledLoops: the loops over steps that a model has compiled."""

import functools
from collections.abc import Callable

from keras_vae import backend
from keras_vae.reading.batch import packed
from keras_vae.training import policy, rows_of_weight_zero

# The phase, the size of a batch, the names of its arrays, whether its rows are all filled.
_Key = tuple[str, int, tuple[str, ...], bool]
_Loop = tuple[Callable, Callable]
# Of each phase and size of a batch; those that were used last are kept.
_MAX_LOOPS = 4


class CompiledLoops:
    """The compiled loops of a model, of the sizes of a batch that were used last.

    An object that Keras and TensorFlow do not look into, as it is no part of the model's state.

    Args:
        model: the model whose steps the loops make.
    """

    def __init__(self, model):
        self.model = model
        self.clear()

    def clear(self) -> None:
        """Forgets what was compiled, as a model that is compiled anew must."""
        self.made: dict[_Key, tuple[_Loop, bool | None]] = {}
        self.n_steps: dict[_Key, int] = {}

    def __call__(
        self,
        phase: str,
        batch_size: int,
        names: tuple[str, ...],
        only_filled: bool,
        n_steps: int,
    ) -> tuple[Callable, Callable]:
        """Returns the loop of "train" or "test" steps of that size, made when first asked for.

        Args:
            phase: "train" or "test".
            batch_size: rows of a step.
            names: of the arrays of a batch, see `keras_vae.reading.batch.packed`.
            only_filled: whether the rows' weights are ones, but for the row that fills batches up.
            n_steps: steps to be made, which count for whether compiling pays off.
        """
        key = (phase, batch_size, names, only_filled)
        self.n_steps[key] = self.n_steps.pop(key, 0) + n_steps  # last, as used last
        loop, made_to_pay_off = self.made.get(key, (None, None))
        if loop is not None and made_to_pay_off is None:
            return loop  # which finds out by itself
        pays_off = made_to_pay_off or policy.pays_off(self.model, n_steps, self.n_steps[key])
        if loop is None or pays_off != made_to_pay_off:
            # What is not compiled for its sizes serves them all.
            loop = self._loop_of_any_size(phase, names, only_filled) if pays_off is False else None
            step = self.model.train_step
            if phase == "test":
                step = backend.without_gradients(self.model.test_step)
            if only_filled:
                step = functools.partial(rows_of_weight_zero.left_alone, step)
            step = functools.partial(_on_packed, step, names)
            by_xla = [f(self.model) for f in (policy.loops_by_xla, policy.updates_by_xla)]
            loop = loop or backend.compiled_loop(
                self.model, step, *(bool(pays_off) and choice for choice in by_xla), pays_off
            )
            self.made[key] = loop, pays_off
        if len(self.made) > _MAX_LOOPS:
            del self.made[next(used for used in self.n_steps if used in self.made)]
        return loop

    def _loop_of_any_size(self, phase, names, only_filled):
        for (made_phase, _, *made_for), (loop, paid_off) in self.made.items():
            if paid_off is False and [made_phase, *made_for] == [phase, names, only_filled]:
                return loop
        return None


def _on_packed(step, names, *args):
    """Makes a step on the arrays of a batch; before it JAX has a state."""
    *state, arrays = args
    return step(*state, packed(names, arrays))
