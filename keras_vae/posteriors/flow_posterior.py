"""FlowPosterior: a diagonal normal carried through an invertible map."""

from collections.abc import Callable

from keras_vae.posteriors.diagonal_normal import DiagonalNormal
from keras_vae.posteriors.posterior import Posterior, PosteriorHead


class FlowPosterior(Posterior):
    """z = f(z_0; x), z_0 ~ N(base_mean, exp(base_log_var)).

    log q(z|x) = log q_0(z_0|x) - log |det ∂f/∂z_0| is known for the posterior's
    own draws, where z_0 is known; another z would need the inverse of f.

    Args:
        z_mean: f of the base's mean, of shape `(batch, latent_dim)`.
        base_mean, base_log_var: the base, of the same shape.
        flow_params: what f takes of x, with the batch as first axis.
        flow: f, from `(z_0, flow_params)` to z and log |det ∂f/∂z_0|.
        drawn: a draw z and its log q(z|x), which `log_prob` then knows.

    Reference:
        Rezende & Mohamed, "Variational inference with normalizing flows", 2015,
        equation 13.
    """

    knows_any_z = False

    def __init__(
        self, z_mean, base_mean, base_log_var, flow_params, flow: Callable, drawn=(None, None)
    ):
        self.z_mean = z_mean
        self.base_distribution = DiagonalNormal(base_mean, base_log_var)
        self.flow_params = flow_params
        self.flow = flow
        self.drawn = drawn

    def base(self):
        return self.base_distribution.base()

    def from_base(self, z_0):
        z, log_det = self.flow(z_0, self.flow_params)
        return z, self.base_distribution.log_prob(z_0) - log_det

    def log_prob(self, z):
        drawn, log_prob = self.drawn
        if z is not drawn or z is None:
            raise ValueError(
                "A flow posterior knows log q(z|x) of its own draws only, as another z would "
                "have to be sent backwards through the flow. Take z and its log-probability "
                "from sample_and_log_prob."
            )
        return log_prob


class FlowHead(PosteriorHead):
    """Base of the heads of flow posteriors.

    A subclass builds and calls `base_head` (a `DiagonalNormalHead`) and what
    gives `flow_params`, and defines `flow`.
    """

    distribution = FlowPosterior
    param_names = ("z_mean", "base_mean", "base_log_var", "flow_params")
    draw_names = ("z_log_prob", "z")

    def flow(self, z_0, flow_params):
        """Maps z_0 to z.

        Args:
            z_0: shape `(batch, latent_dim)` or `(n_samples, batch, latent_dim)`.
            flow_params: what the flow takes of x.

        Returns:
            z of the shape of `z_0`, and log |det ∂z/∂z_0|, of that shape
            without the last axis.
        """
        raise NotImplementedError

    def with_flow_params(self, base: dict, flow_params) -> dict:
        """Returns the parameters in the order of `param_names`."""
        z_mean, _ = self.flow(base["z_mean"], flow_params)
        values = (z_mean, base["z_mean"], base["z_log_var"], flow_params)
        return dict(zip(self.param_names, values, strict=True))

    def posterior(self, outputs):
        params = (outputs[name] for name in self.param_names)
        drawn = (outputs.get("z"), outputs.get("z_log_prob"))
        return FlowPosterior(*params, self.flow, drawn)
