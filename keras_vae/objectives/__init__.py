"""Objectives: the loss that training minimizes and its named terms."""

from keras_vae.identifiers import resolve
from keras_vae.objectives.elbo import ELBO, kl_divergence

__all__ = ["ELBO", "get", "kl_divergence"]

NAMES = {"elbo": ELBO}


def get(identifier):
    """Returns the objective that a name, a config or an objective stands for.

    Raises:
        ValueError: for an unknown name; the message lists the known ones.
        TypeError: for anything else that is not an objective.
    """
    return resolve(identifier, NAMES, kind="objective", methods=("__call__", "get_config"))


def from_arguments(objective, beta, kl_divergence):
    """Returns the objective, or the ELBO that `beta` and `kl_divergence` are short for.

    Raises:
        ValueError: if both an objective and one of its arguments are given.
    """
    arguments = {"beta": beta, "kl_divergence": kl_divergence}
    arguments = {name: value for name, value in arguments.items() if value is not None}
    if objective is None:
        return ELBO(**arguments)
    if arguments:
        raise ValueError(
            f"Give either objective or {' and '.join(arguments)}, not both; for example "
            "objective=keras_vae.objectives.ELBO(beta=4.0)."
        )
    return get(objective)
