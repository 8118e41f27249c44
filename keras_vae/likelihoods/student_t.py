"""Student-t likelihood, for heavy-tailed data: of given scale, or of the decoder's own."""

from keras import ops

from keras_vae.distributions import student_t
from keras_vae.distributions.seeds import generator
from keras_vae.likelihoods.base import Likelihood
from keras_vae.likelihoods.scale import Units
from keras_vae.numerics.straight_through import bounded
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor
from keras_vae.validation.arguments import check_choice, check_positive

LEAST_DEGREES = 3.0  # above 2, so that x has a variance


@serializable(old="StudentT")
class StudentT(Likelihood):
    """log p(x|z) of a Student-t around μ from the decoder, in nats, constants included.

    Args:
        degrees_of_freedom: ν, the smaller, the heavier the tails. The mean of x is μ for
            ν > 1.

            - a positive number: that, for every feature.
            - `"decoder"`: one for each feature and code, as σ too. The decoder gives three
              params per feature: all μ, then all log σ², kept in [-20, 10], then all t with
              ν = 3 + log(1 + eᵗ). Columns whose scale does not suit this are counted in
              their own standard deviation from their own mean, as by `Gaussian("decoder")`.
        scale: σ of every feature, in the units of x; not with `"decoder"`.

    Raises:
        ValueError: if either is not a positive number, or `scale` is given beside
            `"decoder"`.

    Reference:
        Mattei & Frellsen, "MIWAE: deep generative modelling and imputation of
        incomplete data sets", 2019, section 4.2, for `"decoder"`.
    """

    def __init__(self, degrees_of_freedom: float | str = 4.0, scale: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        self.scale = check_positive("scale", scale)
        self.degrees_of_freedom = _degrees(degrees_of_freedom, self.scale)
        self.data_scale = self.scale
        self.params_per_feature = 3 if self.degrees_of_freedom == "decoder" else 1
        self.units: Units | None = None

    def build(self, input_shape) -> None:
        if self.degrees_of_freedom == "decoder":
            self.units = Units(input_shape[-1] or 1)

    def look_at(self, target, is_x=False) -> None:
        super().look_at(target)
        if self.units is not None:
            self.units.look_at(target, self.scale, is_x)

    def as_input(self, x) -> Tensor:
        return x if self.units is None else self.units.as_input(x)

    @property
    def adapts(self) -> bool:
        return False  # its units are kept, and do not follow the batches

    def update(self, target, params, mask=None, sample_weight=None, bound=None) -> None:
        if self.units is not None:
            self.units.keep()

    def log_prob_per_feature(self, target, params) -> Tensor:
        mean, scale, nu = self._blocks(params)
        if self.units is None:
            return student_t.log_density(target, mean, scale, nu)
        density = student_t.log_density(self.units.standardized(target), mean, scale, nu)
        return density - ops.log(self.units.scale)

    def mean(self, params) -> Tensor:
        return self._restored(self._blocks(params)[0])

    def sample(self, params, seed=None) -> Tensor:
        mean, scale, nu = self._blocks(params)
        noise = student_t.standard_draws(ops.shape(mean), nu, generator(seed))
        return self._restored(mean + scale * noise)

    def _restored(self, x):
        return x if self.units is None else self.units.restored(x)

    def _blocks(self, params):
        """Returns μ, σ and ν."""
        if self.degrees_of_freedom != "decoder":
            return ops.cast(params, "float32"), self.scale, self.degrees_of_freedom
        mean, log_var, raw = self.split(params)
        scale = ops.exp(0.5 * bounded(log_var, -20.0, 10.0))
        return mean, scale, LEAST_DEGREES + ops.softplus(raw)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "degrees_of_freedom": self.degrees_of_freedom,
            "scale": self.scale,
        }


def _degrees(value, scale):
    if not isinstance(value, str):
        return check_positive("degrees_of_freedom", value)
    check_choice("degrees_of_freedom", value, ("decoder",))
    if scale != 1.0:
        raise ValueError(
            f'StudentT("decoder") has a scale from the decoder too; received scale={scale}. '
            "Leave it out."
        )
    return value
