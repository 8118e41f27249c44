"""What a recording ends with where a step cannot be a tape."""


class CannotRecordError(Exception):
    """A step that a tape would not make as Keras's own loop does."""
