"""A step of torch as a tape: recorded once, cleaned up, and replayed on the variables in place.

The files in the order in which they come into play: marks.py (what a tape takes for granted),
record.py (the recording, by draws.py, fused_adam.py, clean_up.py, uploads.py and source.py),
check.py (the first step twice), cuda_graph.py (a whole step at once, on a GPU), recorded_step.py
(when to record, and when not).
"""

from keras_vae.backend.torch_tape.recorded_step import STEPS_TO_EARN, RecordedStep

__all__ = ["STEPS_TO_EARN", "RecordedStep"]
