"""IWAE and its relatives: bounds of several draws, weighted by how well each explains x."""

import math
from collections.abc import Callable

from keras import ops

from keras_vae.objectives.base import Objective
from keras_vae.objectives.forward import Forward
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor
from keras_vae.validation.arguments import check_choice, check_count

GRADIENTS = ("reparameterized", "sticking_the_landing", "doubly_reparameterized")


@serializable(old="IWAE")
class IWAE(Objective):
    """loss = -E[log 1/K Σ_k w_k], w_k = p(x|z_k) p(z_k) / q(z_k|x), in nats.

    The logs hold the mean -log p(x|z) of the draws as `reconstruction_loss`,
    their mean log q(z|x) - log p(z) as `kl_loss` and
    `effective_sample_size`, 1 / Σ w̃² of the normalized weights, from 1 to K.

    Args:
        n_samples: K, draws of z per input.
        gradient: `"reparameterized"`; `"sticking_the_landing"`, without the part
            that has mean zero at K = 1 (its own optimum is biased for K > 1); or
            `"doubly_reparameterized"` (DReG), unbiased, whose signal for the
            encoder does not vanish as K grows. The last decodes twice.

    Raises:
        ValueError: if an argument is out of its range, or a gradient other than
            the first is asked of a flow posterior.

    Reference:
        Burda et al., "Importance weighted autoencoders", 2016, section 3;
        Roeder et al., "Sticking the landing", 2017; Tucker et al., "Doubly
        reparameterized gradient estimators for Monte Carlo objectives", 2019.
    """

    term_names = ("effective_sample_size",)
    computes_by_row = True
    takes_grids = True
    same_weights = True

    def __init__(self, n_samples: int = 5, gradient: str = "reparameterized"):
        self.n_samples = check_count("n_samples", n_samples)
        self.gradient = check_choice("gradient", gradient, GRADIENTS)

    @property
    def n_draws(self) -> int:  # type: ignore[override]  # others have a plain attribute
        return self.n_samples

    def check_posterior(self, posterior) -> None:
        if self.gradient != "reparameterized" and not posterior.knows_any_z:
            raise ValueError(
                f"{type(self).__name__} with {self.gradient} needs q(z|x) at any z, which a "
                f"{posterior.__name__} does not have in closed form. Take "
                'posterior="diagonal_normal" or "full_covariance_normal".'
            )

    def bound(self, log_w, step) -> Tensor:
        """Returns the bound, `(batch,)`, of log-weights `(n_draws, batch)`."""
        return ops.logsumexp(log_w, axis=0) - math.log(self.n_draws)

    def bound_given(self, forward: Forward) -> Callable:
        """Returns the bound as a function of log p(x|z), `(n_draws, n, batch)`, alone."""
        z = forward.z
        log_ratio = ops.stop_gradient(forward.prior.log_prob(z) - forward.log_posterior())
        return lambda log_px: self.bound(log_px + log_ratio[:, None], forward.step)

    def gradient_weights(self, log_w, power: int, step) -> tuple[Tensor, Tensor]:
        """Returns how the gradients of log w_k are weighted, each `(n_draws, batch)`.

        Args:
            log_w: log-weights of the draws.
            power: 2 for DReG, which squares the normalized weights of the encoder.
            step: the training step, for weights that follow a schedule.

        Returns:
            The weights for decoder and prior, and those for the encoder.
        """
        w = normalized(log_w, axis=0)
        return w, w**power

    def terms(self, forward: Forward) -> dict:
        f, z = forward, forward.z
        if len(z.shape) != 2 + len(f.posterior.event_shape) or z.shape[0] != self.n_draws:
            raise ValueError(
                f"{type(self).__name__} needs {self.n_draws} draws of z per input, which a "
                f"keras_vae.VariationalEncoder gives; the encoder's z has shape {tuple(z.shape)}."
            )
        stopped = self.gradient != "reparameterized"
        log_px, log_pz = f.likelihood.log_prob(f.target, f.params), f.prior.log_prob(z)
        log_qz = f.posterior.stop_gradient().log_prob(z) if stopped else f.log_posterior()
        log_w = log_px + log_pz - log_qz
        constant_log_w = ops.stop_gradient(log_w)
        doubly = self.gradient == "doubly_reparameterized"
        for_decoder, for_encoder = self.gradient_weights(constant_log_w, 2 if doubly else 1, f.step)
        surrogate = for_encoder * log_w
        if doubly or not self.same_weights:
            # Decoded from constant codes, this corrects the decoder's weights alone.
            codes = ops.stop_gradient(z)
            log_p = f.likelihood.log_prob(f.target, f.decode(codes)) + f.prior.log_prob(codes)
            surrogate = surrogate + (for_decoder - for_encoder) * log_p
        surrogate = ops.sum(surrogate, axis=0)
        bound = self.bound(constant_log_w, f.step)
        return {
            # The value of the bound with the gradient of the surrogate.
            "loss": -(bound + surrogate - ops.stop_gradient(surrogate)),
            "reconstruction_loss": f.per_sample("reconstruction_loss", -log_px),
            "kl_loss": f.per_sample("kl_loss", log_qz - log_pz),
            "effective_sample_size": 1.0
            / ops.sum(ops.square(normalized(constant_log_w, axis=0)), axis=0),
        }


def normalized(log_w, axis) -> Tensor:
    """Returns weights that sum to 1 over `axis`, which may have size 1."""
    return ops.exp(log_w - ops.logsumexp(log_w, axis=axis, keepdims=True))
