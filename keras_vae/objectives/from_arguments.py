"""The objective that `VAE(objective=..., beta=..., kl_divergence=...)` asks for."""

from keras_vae import objectives
from keras_vae.objectives.base import Objective


def from_arguments(objective, beta, kl_divergence) -> Objective:
    """Returns the objective, or the ELBO that `beta` and `kl_divergence` are short for.

    Raises:
        ValueError: if both an objective and one of its arguments are given.
    """
    arguments = {"beta": beta, "kl_divergence": kl_divergence}
    arguments = {name: value for name, value in arguments.items() if value is not None}
    if objective is None:
        return objectives.ELBO(**arguments)
    if arguments:
        raise ValueError(
            f"Give either objective or {' and '.join(arguments)}, not both; for example "
            "objective=keras_vae.objectives.ELBO(beta=4.0)."
        )
    return objectives.get(objective)
