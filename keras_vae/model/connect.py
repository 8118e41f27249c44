"""Checks that encoder, decoder and likelihood fit together."""

import keras
import numpy as np
from keras import ops

from keras_vae import encoders
from keras_vae.backend import is_tracing
from keras_vae.conditions import NOTHING, Given, call_or_join, symbolic, takes_condition
from keras_vae.posteriors import Posterior
from keras_vae.priors import ConditionalPrior
from keras_vae.validation.shapes import matches


def check_parts(encoder, decoder, likelihood, prior, objective, condition) -> None:
    """Raises an error if the parts of a VAE are not of their kinds or make no sense together."""
    for role, part in (("encoder", encoder), ("decoder", decoder)):
        if not isinstance(part, keras.layers.Layer):
            raise TypeError(f"{role} must be a Keras layer or model; received {part!r}.")
    encoder = encoders.get(encoder)
    _check_condition(likelihood, prior, condition)
    size = 0 if condition is None else condition.size
    if encoder.latent_shape is not None and size is not None:
        check_latent_shape(encoder.latent_shape, decoder, prior, objective, size)
    posterior = encoder.posterior_class
    check_support(prior, posterior)
    prior.check_posterior(posterior)
    objective.check_names()
    for part in objective.parts():
        _check_kl(part, posterior)
        part.check_posterior(posterior)
        part.check_likelihood(likelihood)
        part.check_condition(condition)
    if objective.n_draws is not None and not encoder.takes_n_samples:
        raise ValueError(
            f"{type(objective).__name__} needs {objective.n_draws} draws of z per input, which "
            "this encoder cannot give. Use a keras_vae.VariationalEncoder(latent_dim, network)."
        )


def _check_kl(part, posterior):
    if part.needs_kl and not posterior.has_density:
        raise ValueError(
            f"{type(part).__name__} needs the KL, which a {posterior.__name__} does not have, as "
            "it has no density. Take objective=keras_vae.objectives.RAE(), or "
            'posterior="diagonal_normal". An objective of your own that has no KL says so: '
            "needs_kl = False in its class."
        )


def _check_condition(likelihood, prior, condition):
    if condition is None and isinstance(prior, ConditionalPrior):
        raise ValueError(
            f"{type(prior).__name__} is a prior of what a condition gives, which this VAE lacks. "
            "Give it one, VAE(..., condition=keras_vae.conditions.OneHot(10)), or take "
            'prior="standard_normal".'
        )
    if condition is not None and condition.gives_exposure and not likelihood.takes_exposure:
        raise ValueError(
            f"The condition gives an exposure, by which means are multiplied, and a "
            f'{type(likelihood).__name__} takes none. Take likelihood="poisson" or '
            '"negative_binomial", or give the number as keras_vae.conditions.Continuous(1).'
        )


def check_support(prior, posterior: type[Posterior]) -> None:
    """Raises a ValueError if prior and posterior live on different spaces."""
    where = {"real": "all of R^d", "sphere": "the unit sphere", None: "where the posterior does"}
    name = type(prior).__name__
    support = prior.support
    if support not in where:
        raise ValueError(
            f"{name}.support must be 'real' for a prior on all of R^d, 'sphere' for one on the "
            f"unit sphere, or None for one that follows the posterior; it is {support!r}."
        )
    if support not in (None, posterior.support):
        raise ValueError(
            f"{name} is a prior on {where[support]}, but {posterior.__name__} is "
            f"a posterior on {where[posterior.support]}, so that the KL is infinite. "
            'posterior="von_mises_fisher" goes with prior="uniform_on_sphere", all others with '
            "the other priors, and a VampPrior with any that is no flow. A prior of your own says "
            f"where it lives: support = {posterior.support!r} in its class."
        )


def check_regularizer(regularizer) -> None:
    """Raises an error if the regularizer is no function."""
    if not (regularizer is None or callable(regularizer)):
        raise TypeError(f"regularizer must be a function or None; received {regularizer!r}.")


def check_latent_shape(latent_shape: tuple, decoder, prior, objective, size: int) -> None:
    """Raises a ValueError if the other parts are not for codes of this shape.

    Args:
        latent_shape: the shape of one code.
        decoder: the decoder.
        prior: the prior.
        objective: the objective.
        size: how many numbers a condition joins to a code.
    """
    prior.check_latent_shape(latent_shape)
    for part in objective.parts():
        part.check_latent_shape(latent_shape)
    if not decoder.built or takes_condition(decoder):
        return
    takes_shape = (*latent_shape[:-1], latent_shape[-1] + size)
    shape = getattr(decoder, "input_shape", None)
    if shape is None:
        shape = (decoder.get_build_config() or {}).get("input_shape")
    if shape is not None and not matches(shape[1:], takes_shape):
        is_vector = len(latent_shape) == 1
        gives = f"latent_dim={latent_shape[0]}" if is_vector else f"latent_shape={latent_shape}"
        takes = f"{shape[-1]} dimensions" if len(shape) == 2 else f"shape {tuple(shape[1:])}"
        joined = f" and the condition joins {size} numbers to them" if size else ""
        raise ValueError(
            f"The encoder gives {gives}{joined}, but the decoder takes codes of {takes} "
            f"(its input shape is {tuple(shape)}). Give both the same."
            + (f" Here that is {takes_shape}." if size else "")
        )


def connect(
    encoder, decoder, prior, likelihood, objective, input_shape, size: int = 0
) -> tuple[tuple, tuple]:
    """Builds encoder and decoder and says what flows between them.

    Args:
        encoder: the encoder.
        decoder: the decoder.
        prior: the prior.
        likelihood: the likelihood.
        objective: the objective.
        input_shape: shape of x, with the batch.
        size: how many numbers a condition joins.

    Returns:
        The shapes of one code and of one sample of the target.

    Raises:
        ValueError: if two parts do not fit.
    """
    arguments = {"condition_size": size} if size else {}
    latent_shape = encoders.get(encoder).connect(input_shape, **arguments)
    check_latent_shape(latent_shape, decoder, prior, objective, size)
    params = _params_of_symbols(decoder, latent_shape, size)
    if isinstance(params, (list, tuple, dict)):
        found = f"a dict of {len(params)}" if isinstance(params, dict) else len(params)
        raise ValueError(
            "The decoder must give one tensor, the likelihood's params blockwise on the last axis, "
            f"but {decoder.name} gives {found}. Join them: "
            "keras.layers.Concatenate(axis=-1)([mean, log_var])."
        )
    *features, last = params.shape[1:]
    per_feature = likelihood.params_per_feature
    if last is not None and last % per_feature:
        raise ValueError(
            f"The likelihood needs {per_feature} params per feature, but the last axis of the "
            f"decoder's output has {last}, which is no multiple of that."
        )
    if not is_tracing():
        params = _params_of_random_codes(decoder, latent_shape, size)
        if params.size:
            likelihood.check_params(params)
    return latent_shape, (*features, last and last // per_feature)


def _params_of_symbols(decoder, latent_shape, size):
    codes = keras.KerasTensor((None, *latent_shape))
    try:
        return call_or_join(decoder, codes, symbolic(size), training=False)
    except Exception as error:
        if len(latent_shape) == 1:
            raise
        raise ValueError(
            f"The decoder takes no codes of shape {latent_shape}, a grid, which the encoder gives "
            f"({error}). For codes that are vectors end the encoder with keras.layers.Flatten; for "
            "a grid begin the decoder with a layer that takes one, such as a convolution."
        ) from error


def _params_of_random_codes(decoder, latent_shape, size):
    # In opposite pairs and far from zero: only a bounded output stays in [0, 1] there.
    half = np.random.default_rng(0).normal(size=(2, *latent_shape))
    codes = np.concatenate([s * half for s in (1, -1, 100, -100, 1e4, -1e4)]).astype("float32")
    given = Given(vector=ops.zeros((len(codes), size))) if size else NOTHING
    params = call_or_join(decoder, ops.convert_to_tensor(codes), given, training=False)
    params = ops.convert_to_numpy(ops.cast(params, "float32"))
    # Far codes may overflow in float16.
    finite = np.isfinite(params).all(axis=tuple(range(1, params.ndim)))
    return params[finite]
