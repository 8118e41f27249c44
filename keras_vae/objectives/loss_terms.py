"""LossTerms: what an objective computes."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(kw_only=True, frozen=True, eq=False)
class LossTerms:
    """The loss of a batch and the terms that are logged with it.

    Each is a tensor of shape `(batch,)`, in nats, or a scalar for what only a
    batch has.

    Attributes:
        loss: what training minimizes.
        reconstruction_loss: -log p(x|z).
        kl_loss: KL(q(z|x) ‖ p(z)), or `None` where there is none.
        extras: the objective's own terms, by name.
    """

    loss: Any
    reconstruction_loss: Any
    kl_loss: Any
    extras: dict[str, Any] = field(default_factory=dict)

    def by_name(self) -> dict[str, Any]:
        """Returns all terms by their names in the logs."""
        kl = {} if self.kl_loss is None else {"kl_loss": self.kl_loss}
        return {
            "loss": self.loss,
            "reconstruction_loss": self.reconstruction_loss,
            **kl,
            **self.extras,
        }
