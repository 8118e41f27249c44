"""When a step is recorded, and what is done where that fails."""

import itertools
import logging
from collections.abc import Callable, Iterator

import keras

from keras_vae.backend.torch_tape.check import first_step
from keras_vae.backend.torch_tape.cuda_graph import captured
from keras_vae.backend.torch_tape.errors import CannotRecordError
from keras_vae.backend.torch_tape.marks import marks
from keras_vae.backend.torch_tape.record import Tape, record
from keras_vae.backend.torch_tape.state import State
from keras_vae.backend.torch_tape.work import Work

# A recording takes as long as it saves in so many steps.
STEPS_TO_EARN = 100
# Of floating-point operations in steps without a tape: a second of a core, of which a tape takes
# away a tenth to a half. Not a time, so that runs of one seed are the same.
_WORK_TO_EARN = 5e10
# Off, as the graphs were not yet seen to train on a GPU as the tape does; the tape runs there.
CAPTURES = False
_logger = logging.getLogger(__name__)


class RecordedStep:
    """A step of one size of a batch: replayed where a tape does the same, else made as it is.

    Args:
        model: the compiled model.
        step: from the arrays of a batch to logs.
        after: how many steps are made before one is recorded; None for those that earn it by what
            they compute.
    """

    def __init__(self, model: keras.Model, step: Callable, after: int | None):
        self.model, self.step, self.after = model, step, after
        self.tape: Tape | None = None
        self.marks: list | None = None  # after it was recorded
        self.n_made = self.n_recordings = self.n_replayed = 0
        self.work = 0.0  # of steps without a tape
        self.work_of_step: int | None = None  # of the first one
        self.failure: Exception | None = None  # why the last recording is no tape
        self.no_graph: Exception | None = None  # why the tape is no CUDA graph

    def run(self, batches: Iterator[tuple]) -> dict:
        """Makes a step on each batch, at least one; returns the logs of the last one."""
        logs: dict = {}
        first = next(batches)
        if self.tape is not None and self._marks(first) != self.marks:
            self.tape = None
        batches = itertools.chain([first], batches)
        while self.tape is None:
            batch = next(batches, None)
            if batch is None:
                return logs
            logs = self._record(batch) if self._is_earned() else self._counted(batch)
        following = next(batches, None)
        return logs if following is None else self._replay(itertools.chain([following], batches))

    def _is_earned(self):
        if self.n_replayed < STEPS_TO_EARN * self.n_recordings:
            return False
        return self.work >= _WORK_TO_EARN if self.after is None else self.n_made >= self.after

    def _counted(self, batch):
        self.n_made += 1
        if self.after is not None:
            return self.step(batch)
        if self.work_of_step is None:
            with Work() as work:
                logs = self.step(batch)
            self.work_of_step = work.n
        else:
            logs = self.step(batch)
        self.work += self.work_of_step
        return logs

    def _marks(self, batch):
        return [*marks(self.model), *((array.shape, array.dtype) for array in batch)]

    def _replay(self, batches):
        logs, n_steps = self.tape.replay(batches)
        self.n_replayed += n_steps
        return logs

    def _record(self, batch):
        """Makes a step, and a tape of it if it can be one."""
        self.n_recordings += 1
        self.failure = None
        state = State(self.model)
        try:
            tape = record(self.model, self.step, batch, state)
        except Exception as error:  # of whatever kind: the step itself says what is wrong
            self._fall_back(error)
            return self.step(batch)
        self.marks = self._marks(batch)
        logs, agree = first_step(tape, self.step, batch, state)
        if not agree:
            self._fall_back(CannotRecordError("The tape's first step differs from Keras's."))
        elif self._marks(batch) != self.marks:
            self._fall_back(CannotRecordError("The step changes what it reads from Python."))
        else:
            self.tape = tape
            self._capture(tape, batch, state)
        return logs

    def _fall_back(self, error):
        self.failure = error
        _logger.debug("A step is not recorded: %s", error)

    def _capture(self, tape, batch, state):
        """Lets a CUDA graph run the tape where there is a GPU and that does the same."""
        self.no_graph = None
        if not CAPTURES:
            return
        try:
            tape.function = captured(tape.function, tape.devices, batch, state)
        except (CannotRecordError, RuntimeError) as error:
            self.no_graph = error
            _logger.debug("A step runs without a CUDA graph: %s", error)
