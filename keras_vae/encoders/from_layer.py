"""FromLayer: a user's layer or model from x to `(z_mean, z_log_var, z)` as an encoder."""

import keras

from keras_vae.conditions import NOTHING, call, symbolic, tiled
from keras_vae.distributions.normal import DiagonalNormal
from keras_vae.encoders.base import Encoder, check_inputs


class FromLayer(Encoder):
    """The encoder that a layer of three outputs is, with a diagonal normal posterior.

    It holds the layer and nothing else, so that the model and its files have the layer.

    Args:
        layer: from x, or x and a condition's vector, to `(z_mean, z_log_var, z)`, each
            `(batch, *latent_shape)`. One that takes x alone does not see the condition.
    """

    latent_shape = None
    posterior_class = DiagonalNormal

    def __init__(self, layer: keras.layers.Layer):
        self.layer = layer

    def connect(self, input_shape, condition_size=0) -> tuple[int, ...]:
        check_inputs(self.layer, condition_size)
        # A symbolic call builds user-made layers that have no `build` too.
        x, given = keras.KerasTensor(input_shape), symbolic(condition_size)
        outputs = call(self.layer, x, given, training=False)
        if not isinstance(outputs, (list, tuple)) or len(outputs) != 3:
            raise ValueError(
                "The encoder must return (z_mean, z_log_var, z), as VariationalEncoder does; "
                f"{self.layer.name} returns {outputs}."
            )
        return tuple(outputs[0].shape[1:])

    def outputs(self, x, training, n_samples=None, given=NOTHING, n_classes=1) -> dict:
        z_mean, z_log_var, z = call(self.layer, tiled(x, n_classes), given, training)
        return {"z_mean": z_mean, "z_log_var": z_log_var, "z": z}

    def posterior_params(self, x, training=False, given=NOTHING) -> dict:
        z_mean, z_log_var, _ = call(self.layer, x, given, training)
        return {"z_mean": z_mean, "z_log_var": z_log_var}

    def posterior(self, outputs) -> DiagonalNormal:
        return DiagonalNormal(outputs["z_mean"], outputs["z_log_var"])
