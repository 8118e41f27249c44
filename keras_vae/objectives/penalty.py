"""Penalty: the abstract class of what is added to a bound."""

import re

from keras_vae.objectives.forward import Forward
from keras_vae.objectives.loss_part import LossPart
from keras_vae.objectives.loss_weight import LossWeight, Weight


class Penalty(LossPart):
    """A term that is added to a bound: `ELBO(beta=2.0) + MMD(10.0)`.

    For one of your own, inherit and define `terms`, which returns a dict of
    `loss`, what is added to the loss, and the `term_names`, each one value per
    sample, `(batch,)`, or a scalar for what only a batch has:

        @keras.saving.register_keras_serializable()
        class Sparsity(Penalty):
            term_names = ("sparsity",)

            def terms(self, forward):
                sparsity = ops.sum(ops.abs(forward.posterior.z_mean), axis=-1)
                return {"loss": self.strength * sparsity, "sparsity": sparsity}

    Constructor, weights and networks are as those of an `Objective`.

    Args:
        strength: the weight of the penalty: a number, a schedule or a variable.
        name: put before the names of its terms in the logs, for a second penalty
            of one class.

    Attributes:
        term_names: names of its terms.
        computes_by_row: as of an `Objective`.
        needs_data_size: whether it asks for the size of the data set.
    """

    strength = LossWeight()
    prefix: str | None = None

    def __init__(self, strength: Weight = 1.0, name: str | None = None):
        self.strength = strength
        self.prefix = name

    def compute(self, forward: Forward) -> dict:
        """Returns `loss`, what is added to the loss, and the terms by their names in the logs."""
        terms = self.checked(self.terms(forward), ("loss",))
        logged = {self.log_name(name): terms[name] for name in self.term_names}
        return {"loss": terms["loss"], **logged}

    def log_name(self, name) -> str:
        return name if self.prefix is None else f"{self.prefix}_{name}"

    def weight_log_name(self, name) -> str:
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(self).__name__).lower()
        return f"{self.prefix or words}_{name}"

    def arguments(self) -> dict:
        arguments = super().arguments()
        # The name of the layer is one that Keras may have made.
        return {**arguments, "name": self.prefix} if "name" in arguments else arguments
