"""The KL of one distribution to another: a table of closed forms, and the estimate for the rest.

A pair has its closed form beside the definition of one of the two:

    @register_kl(VonMisesFisher, UniformOnSphere)
    def _kl(q, p): ...
"""

from collections.abc import Callable

from keras_vae.distributions.base import Distribution, NoClosedFormError
from keras_vae.typing import Tensor

_KL: dict[tuple[type, type], Callable] = {}
_KL_PER_DIMENSION: dict[tuple[type, type], Callable] = {}


def register_kl(q_class: type, p_class: type) -> Callable:
    """Registers a function `(q, p)` as the closed form of KL(q ‖ p), in nats, `(*batch,)`."""
    return lambda function: _KL.setdefault((q_class, p_class), function)


def register_kl_per_dimension(q_class: type, p_class: type) -> Callable:
    """Registers a function `(q, p)` whose sum over the event is KL(q ‖ p).

    It returns each number's share in nats, `(*batch, *event_shape)`.
    """
    return lambda function: _KL_PER_DIMENSION.setdefault((q_class, p_class), function)


def kl_divergence(q: Distribution, p: Distribution, z=None, log_qz=None) -> Tensor:
    """Returns KL(q ‖ p) in nats, summed over the event.

    In closed form where the pair is registered, else the Monte-Carlo estimate
    log q(z) - log p(z), of the same expectation.

    Args:
        q: the distribution that draws come from, such as a posterior.
        p: the distribution that it is compared with, such as a prior.
        z: draws of q for the estimate, `(..., *batch, *event_shape)`; `None` draws one.
        log_qz: their log q(z), `(..., *batch)`; `None` computes it.

    Returns:
        Shape `(*batch,)`, or `(..., *batch)` for an estimate of several draws.
    """
    if has_kl_per_dimension(q, p):
        return q.sum_over_event(kl_per_dimension(q, p))
    closed_form = _find(_KL, q, p)
    if closed_form is not None:
        return closed_form(q, p)
    if z is None:
        z, log_qz = (values[0] for values in q.sample_and_log_prob(1))
    log_qz = q.log_prob(z) if log_qz is None else log_qz
    return log_qz - p.log_prob(z)


def has_closed_form(q: Distribution, p: Distribution) -> bool:
    """Returns whether `kl_divergence` is in closed form."""
    return has_kl_per_dimension(q, p) or _find(_KL, q, p) is not None


def has_kl_per_dimension(q: Distribution, p: Distribution) -> bool:
    """Returns whether the KL has a closed form per number of the event."""
    return _find(_KL_PER_DIMENSION, q, p) is not None


def kl_per_dimension(q: Distribution, p: Distribution) -> Tensor:
    """Returns the share of each number of the event in KL(q ‖ p), `(*batch, *event_shape)`.

    Raises:
        NoClosedFormError: if the pair has none, see `has_kl_per_dimension`.
    """
    function = _find(_KL_PER_DIMENSION, q, p)
    if function is None:
        raise NoClosedFormError(
            f"The KL of a {type(q).__name__} to a {type(p).__name__} has no closed form per "
            "dimension; a normal posterior with the standard normal prior has."
        )
    return function(q, p)


def _find(table, q, p):
    """Returns the entry of the nearest classes of both, or `None`."""
    pairs = ((a, b) for a in type(q).__mro__ for b in type(p).__mro__)
    return next((table[pair] for pair in pairs if pair in table), None)
