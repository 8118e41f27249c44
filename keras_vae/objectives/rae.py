"""RAE: an autoencoder that is regularized in place of a KL."""

from keras import ops

from keras_vae.objectives.base import Objective
from keras_vae.objectives.forward import Forward
from keras_vae.objectives.loss_weight import LossWeight, Weight
from keras_vae.saving.registry import serializable


@serializable()
class RAE(Objective):
    """loss = -log p(x|z) + β·½‖z‖² + λ·‖θ‖², z the code of x and θ the decoder's weights.

    It goes with `posterior="point"` and has no KL: the logs lack `kl_loss` and
    `negative_elbo`, and hold ½‖z‖² as `code_norm` and ‖θ‖² as `decoder_norm`. Nothing draws
    the codes to the prior, so that `vae.sample` makes sense once a prior is fitted to them,
    `vae.fit_prior(x, keras_vae.priors.GaussianMixture(10, covariance="full"))`; before that
    it decodes draws of the prior as it is, with a warning.

    Args:
        z_weight: β, a number or a schedule.
        decoder_weight: λ, likewise, of all trainable weights of the decoder.

    Raises:
        ValueError: if a weight is negative or not finite, or the posterior is not a point.

    Reference:
        Ghosh et al., "From variational to deterministic autoencoders", 2020, equation 3.

    Example:
        >>> encoder = VariationalEncoder(16, network, posterior="point")
        >>> rae = VAE(encoder, decoder, "gaussian", objective=RAE(z_weight=1e-4))
    """

    term_names = ("code_norm", "decoder_norm")
    computes_by_row = True
    takes_grids = True
    needs_kl = False

    z_weight = LossWeight()
    decoder_weight = LossWeight()

    def __init__(self, z_weight: Weight = 1e-4, decoder_weight: Weight = 1e-6):
        self.z_weight = z_weight
        self.decoder_weight = decoder_weight

    def check_posterior(self, posterior) -> None:
        if posterior.has_density:
            raise ValueError(
                f"RAE has no KL, without which a {posterior.__name__} has no reason to be wide. "
                'Take posterior="point", or keras_vae.objectives.ELBO(beta=...).'
            )

    def terms(self, forward: Forward) -> dict:
        reconstruction = forward.reconstruction_loss()
        axes = tuple(range(-len(forward.posterior.event_shape), 0))
        codes = 0.5 * ops.sum(ops.square(forward.posterior.z_mean), axis=axes)
        weights = [ops.cast(w, "float32") for w in forward.decoder_weights()]
        decoder = sum([ops.sum(ops.square(w)) for w in weights], ops.zeros(()))
        return {
            "loss": reconstruction + self.z_weight * codes + self.decoder_weight * decoder,
            "reconstruction_loss": reconstruction,
            "code_norm": codes,
            "decoder_norm": decoder,
        }
