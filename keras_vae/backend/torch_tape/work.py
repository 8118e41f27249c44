"""How much a step computes: the same on each machine and in each run, unlike the time it takes."""

from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class Work(TorchDispatchMode):
    """Counts the floating-point operations of products and convolutions, in `n`."""

    def __init__(self):
        super().__init__()
        self.n = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs: Any = None):
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        count = flop_registry.get(function._overloadpacket)
        if count is not None:
            self.n += count(*args, **kwargs, out_val=result)
        return result
