"""Types that annotations name."""

from typing import Any, TypeAlias

Tensor: TypeAlias = Any  # A tensor of the backend that runs, for which Keras has no type.
