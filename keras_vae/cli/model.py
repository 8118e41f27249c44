"""Makes the model of a run: what the config leaves open is chosen by the data."""

import inspect
from typing import TYPE_CHECKING

import numpy as np

from keras_vae.cli import labels, package
from keras_vae.cli.run_config import RunConfig

if TYPE_CHECKING:
    from keras_vae.conditions import Condition, OneHot
    from keras_vae.likelihoods import Likelihood
    from keras_vae.model.vae import VAE
    from keras_vae.priors import Prior


def resolve(config: RunConfig, x: np.ndarray) -> RunConfig:
    """Returns the config with all that is chosen by the data filled in."""
    from keras_vae.backend import NAME

    is_image = x.ndim == 4
    network = config.network or ("conv" if is_image else "dense")
    if network == "conv" and not is_image:
        raise ValueError(
            f"network=conv takes images, (n, height, width, channels); the data has the shape "
            f"{x.shape}. Take network=dense."
        )
    filters = (32, 32, 64, 64) if is_image and min(x.shape[1:3]) >= 48 else (32, 64)
    in_unit_interval = np.nanmin(x) >= 0 and np.nanmax(x) <= 1
    return config.changed(
        backend=NAME,
        network=network,
        layers=config.layers or (filters if network == "conv" else (256, 256)),
        likelihood=config.likelihood or ("bernoulli" if in_unit_interval else "gaussian"),
        beta=make_objective(config)[1],
    )


def make_vae(
    config: RunConfig,
    x: np.ndarray,
    condition: "Condition | None" = None,
    classes: "OneHot | None" = None,
) -> "VAE":
    """Returns a compiled and built VAE for data of the shape of `x`.

    Args:
        config: what `resolve` gives.
        x: data, `(n, *features)`.
        condition: what is given beside x.
        classes: those that labels are of.

    Raises:
        ValueError: if a name is unknown, or parts do not go together.
    """
    import keras

    kv = package.load(None)
    likelihood = make_likelihood(config, has_missing=bool(np.isnan(x).any()))
    *others, last = x.shape[1:]
    params_shape = (*others, last * likelihood.params_per_feature)
    assert config.layers is not None  # `resolve` has chosen them
    if config.network == "conv":
        encoder = kv.networks.ConvEncoder(config.layers)
        decoder = kv.networks.ConvDecoder(params_shape, filters=config.layers[::-1])
    else:
        encoder = kv.networks.DenseEncoder(config.layers)
        decoder = kv.networks.DenseDecoder(params_shape, config.layers[::-1])
    objective = make_objective(config)[0]
    if config.objective == labels.M2:
        condition = classes
    elif classes is not None:
        names = None if classes.names is None else list(classes.names)
        objective += kv.objectives.Classifier(classes.n, labels.STRENGTH, names=names)
    vae = kv.VAE(
        kv.VariationalEncoder(config.latent_dim, encoder, posterior=config.posterior),
        decoder,
        likelihood=likelihood,
        prior=make_prior(config, condition),
        objective=objective,
        condition=condition,
    )
    vae.compile(keras.optimizers.Adam(config.learning_rate))
    vae.build((None, *x.shape[1:]))
    return vae


def make_prior(config: RunConfig, condition: "Condition | None") -> "Prior":
    """Returns the prior; one that depends on a condition is refused where there is none."""
    kv = package.load(None)
    prior = kv.priors.get(config.prior)
    if condition is None and isinstance(prior, kv.priors.ConditionalPrior):
        raise ValueError(
            f"--prior {config.prior} goes with --condition, which names what is given."
        )
    return prior


def make_objective(config: RunConfig) -> tuple:
    """Returns the objective and its β; `None` for one that has none."""
    kv = package.load(None)
    is_m2 = config.objective == labels.M2
    objective = kv.objectives.SemiSupervised() if is_m2 else kv.objectives.get(config.objective)
    if "beta" not in inspect.signature(type(objective)).parameters:
        if config.beta is not None:
            raise ValueError(f"The objective {config.objective} has no beta; leave --beta out.")
        return objective, None
    if config.beta is not None:
        objective.beta = config.beta
    elif config.objective == "elbo":
        objective.beta = 4.0
    return objective, float(objective.beta)


def make_likelihood(config: RunConfig, has_missing: bool) -> "Likelihood":
    """Returns the likelihood, one that leaves out missing values where the data has any."""
    kv = package.load(None)
    likelihood = kv.likelihoods.get(config.likelihood)
    if config.sigma is not None:
        if config.likelihood != "gaussian":
            raise ValueError(f"--sigma goes with --likelihood gaussian, not {config.likelihood}.")
        likelihood = kv.likelihoods.Gaussian(config.sigma)
    return kv.likelihoods.Masked(likelihood) if has_missing else likelihood
