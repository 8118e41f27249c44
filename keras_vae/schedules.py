"""Schedules that Keras lacks, for β and any other weight."""

import warnings

import keras
from keras import ops
from keras.optimizers import schedules

from keras_vae.saving.registry import serializable
from keras_vae.validation.arguments import plain


@serializable(old="Cyclical")
class Cyclical(keras.optimizers.schedules.LearningRateSchedule):
    """Rises from `low` to `high` and stays there, again and again.

    Each cycle rises linearly in its first `rise` part and holds `high` in the
    rest, which gives the decoder fresh chances to use a code that had
    collapsed.

    Args:
        cycle_steps: training steps per cycle.
        high: value that each cycle reaches.
        low: value that each cycle starts from.
        rise: part of a cycle, in (0, 1], that rises.

    Raises:
        ValueError: if `cycle_steps` is not positive or `rise` not in (0, 1].

    Reference:
        Fu et al., "Cyclical annealing schedule: a simple approach to
        mitigating KL vanishing", 2019, equations 6 and 7.

    Example:
        >>> beta = Cyclical(cycle_steps=2_000, high=4.0)
    """

    def __init__(self, cycle_steps: int, high: float = 1.0, low: float = 0.0, rise: float = 0.5):
        if cycle_steps < 1:
            raise ValueError(f"cycle_steps must be at least 1; received {cycle_steps!r}.")
        if not 0 < rise <= 1:
            raise ValueError(f"rise must lie in (0, 1]; received {rise!r}.")
        self.cycle_steps, self.rise = plain(cycle_steps), plain(rise)
        self.high, self.low = plain(high), plain(low)

    def __call__(self, step):
        within = ops.cast(step % self.cycle_steps, "float32") / self.cycle_steps
        return self.low + (self.high - self.low) * ops.minimum(within / self.rise, 1.0)

    def get_config(self) -> dict:
        return {
            "cycle_steps": self.cycle_steps,
            "high": self.high,
            "low": self.low,
            "rise": self.rise,
        }


def last_change(schedule: keras.optimizers.schedules.LearningRateSchedule) -> int | None:
    """Returns the step from which a schedule stays as it is; `None` where nobody knows.

    Of a `Cyclical` it is the end of its first rise.
    """
    if isinstance(schedule, Cyclical):
        return int(schedule.cycle_steps * schedule.rise)
    if isinstance(schedule, schedules.PiecewiseConstantDecay):
        return int(max(schedule.boundaries))
    if isinstance(schedule, schedules.CosineDecay):
        return int(schedule.decay_steps + schedule.warmup_steps)
    if isinstance(schedule, schedules.PolynomialDecay) and not schedule.cycle:
        return int(schedule.decay_steps)
    return None


def warn_of_late_schedules(weights: dict, first_step: int, n_steps: int) -> None:
    """Says in one line which weights of the loss a run ends too early for.

    Args:
        weights: the weights by name.
        first_step: the optimizer's steps before the run.
        n_steps: those of the run.
    """
    last_step, late = first_step + n_steps, []
    for name, weight in weights.items():
        if isinstance(weight, keras.optimizers.schedules.LearningRateSchedule):
            end = last_change(weight)
            if end is not None and end > last_step:
                value = float(ops.convert_to_numpy(weight(last_step)))
                late.append(f"{name} changes until step {end:,} and is {value:.4g} then")
    if late:
        warnings.warn(
            f"This run ends at step {last_step:,}, but {' and '.join(late)}. Train longer, or give "
            "the schedule fewer steps.",
            stacklevel=4,
        )
