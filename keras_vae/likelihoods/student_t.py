"""Student-t likelihood with given scale and degrees of freedom, for heavy-tailed data."""

from keras import ops

from keras_vae.distributions import student_t
from keras_vae.distributions.seeds import generator
from keras_vae.likelihoods.base import Likelihood
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor
from keras_vae.validation.arguments import check_positive


@serializable(old="StudentT")
class StudentT(Likelihood):
    """log p(x|z) of a Student-t around μ from the decoder, in nats, constants included.

    Args:
        degrees_of_freedom: ν of every feature; the smaller, the heavier the
            tails. The mean of x is μ for ν > 1.
        scale: σ of every feature, in the units of x.

    Raises:
        ValueError: if either is not a positive number.
    """

    def __init__(self, degrees_of_freedom: float = 4.0, scale: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        self.degrees_of_freedom = check_positive("degrees_of_freedom", degrees_of_freedom)
        self.scale = check_positive("scale", scale)
        self.data_scale = self.scale

    def log_prob_per_feature(self, target, params) -> Tensor:
        return student_t.log_density(target, params, self.scale, self.degrees_of_freedom)

    def mean(self, params) -> Tensor:
        return ops.cast(params, "float32")

    def sample(self, params, seed=None) -> Tensor:
        mean = self.mean(params)
        noise = student_t.standard_draws(ops.shape(mean), self.degrees_of_freedom, generator(seed))
        return mean + self.scale * noise

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "degrees_of_freedom": self.degrees_of_freedom,
            "scale": self.scale,
        }
