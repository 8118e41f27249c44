"""Real NVP prior whose coupling layers see the condition."""

from keras import ops

from keras_vae import distributions
from keras_vae.priors.conditional import ConditionalPrior
from keras_vae.priors.real_nvp import RealNVP
from keras_vae.saving.registry import serializable


@serializable()
class ConditionalRealNVP(RealNVP, ConditionalPrior):
    """p(z|c): N(0, I) through affine coupling layers whose networks see e(c).

    z ← (z - t) exp(-s) as of `RealNVP`, with s and t from the kept dimensions and e(c).
    The KL from a posterior has no closed form and is estimated by the draw.

    Args:
        n_layers: number of coupling layers; every second keeps the odd dimensions.
        units: width of each hidden layer of a coupling's network.
        seed: an integer, or `None` for a seed that
            `keras.utils.set_random_seed` controls.

    Raises:
        ValueError: if an argument is not positive.

    Reference:
        Dinh et al., "Density estimation using Real NVP", 2017, section 3; Lu & Huang,
        "Structured output learning with conditional generative flows", 2020, section 3.
    """

    @property
    def n_given(self) -> int:
        return self.condition_size

    def distribution(self) -> distributions.Distribution:
        return ConditionalPrior.distribution(self)

    def distribution_given(self, vector) -> distributions.Transformed:
        zeros = ops.zeros((ops.shape(vector)[0], *self.event_shape))
        base = distributions.DiagonalNormal(zeros, zeros)
        return self.transformed(base, vector)
