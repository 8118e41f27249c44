"""PosteriorHead: the layer at an encoder's end, which makes the posterior."""

import keras

from keras_vae.distributions.reparameterized import Reparameterized as Posterior


class PosteriorHead(keras.layers.Layer):
    """The layer from an encoder's features to the parameters of a posterior.

    A subclass sets `distribution` and `param_names`, builds its layers from the
    shape of the features, and returns the parameters from `call` as a dict in
    the order of `param_names`, `z_mean` first. The encoder sets `latent_dim`
    before it builds the head. Everything is float32 whatever the dtype policy.

    Attributes:
        distribution: the `Posterior` that the parameters describe.
        param_names: names of the parameters.
        draw_names: names of what comes with the parameters for one draw: `z`
            and, for flows, its log q(z|x).
    """

    distribution: type[Posterior]
    param_names: tuple[str, ...]
    draw_names: tuple[str, ...] = ("z",)
    latent_dim: int

    def __init__(self, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)

    def get_build_config(self):
        return None  # The encoder builds it, having set latent_dim.

    def posterior(self, outputs: dict) -> Posterior:
        """Returns the posterior of parameters given by name; other names are ignored."""
        return self.distribution(*(outputs[name] for name in self.param_names))
