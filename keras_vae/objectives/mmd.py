"""MMD: InfoVAE's penalty on the distance of the codes as a whole from the prior."""

from keras import ops

from keras_vae.backend.replicas import rows_of_all
from keras_vae.objectives.kernels import KERNELS, maximum_mean_discrepancy
from keras_vae.objectives.loss_weight import Weight
from keras_vae.objectives.penalty import Penalty
from keras_vae.objectives.rows_that_count import ranks
from keras_vae.saving.registry import serializable
from keras_vae.validation.arguments import check_choice


@serializable()
class MMD(Penalty):
    """strength·MMD², the squared maximum mean discrepancy of the codes and the prior.

    It is that between the batch's draws of z and as many of the prior, logged as `mmd`.

    Args:
        strength: the weight, a number or a schedule.
        kernel: `"rbf"` or `"imq"`, scaled to the prior.
        name: put before the names in the logs.

    Raises:
        ValueError: if the weight is negative or not finite, or the kernel is unknown.

    Reference:
        Zhao et al., "InfoVAE: balancing learning and inference in variational
        autoencoders", 2019, section 3; Tolstikhin et al., "Wasserstein
        auto-encoders", 2018, algorithm 2.
    """

    term_names = ("mmd",)

    def __init__(self, strength: Weight = 100.0, kernel: str = "rbf", name: str | None = None):
        super().__init__(strength, name)
        self.kernel = check_choice("kernel", kernel, tuple(KERNELS))

    def terms(self, forward) -> dict:
        z, weight = forward.z, forward.sample_weight
        n_draws = z.shape[0] if len(z.shape) == 3 else 1
        prior_z = forward.prior.sample_rows(n_draws, ops.shape(weight)[0])
        z, prior_z, weight = rows_of_all(z, -2), rows_of_all(prior_z), rows_of_all(weight)
        # As many of them count as of the codes.
        index = ops.cumsum(ops.ones_like(prior_z[:, 0], dtype="int32")) - 1
        counts = ops.cast(index < n_draws * ranks(weight)[1], "float32")
        prior_weight = counts / ops.sum(counts)
        mmd = maximum_mean_discrepancy(self.kernel, z, weight, prior_z, prior_weight)
        return {"loss": self.strength * mmd, "mmd": mmd}
