"""How much of a trained model's code is in use."""

import numpy as np
from keras import ops

from keras_vae import distributions, encoders
from keras_vae.priors import ConditionalPrior


def active_units(vae, x, threshold: float = 0.01, batch_size: int = 128, condition=None) -> int:
    """Counts the latent dimensions whose code varies with x: Var_x(E[z|x]) > threshold·Var_p(z).

    Args:
        vae: a built VAE.
        x: data, `(n, *features)`.
        threshold: a variance, in units of that of the prior in each dimension:
            that of 1,000 draws where the prior does not know it, and 1 where it depends on
            a condition.
        batch_size: inputs per compiled call.
        condition: what is given beside x.

    Reference:
        Burda et al., "Importance weighted autoencoders", 2016, section 5.2.
    """
    means = _posterior_means(vae, x, batch_size, condition)
    return int((means.var(axis=0) > threshold * _prior_variance(vae.prior)).sum())


def _posterior_means(vae, x, batch_size, condition):
    posterior = encoders.get(vae.encoder).posterior_class
    if posterior.support == "real" or "mean" not in posterior.closed_forms:
        return vae.encode(x, batch_size, condition=condition)

    # A code on the sphere has a direction even where it says nothing.
    def mean(x, given):
        return vae.posterior(x, given=given).mean()

    function, features = vae.of_inputs(mean), vae.input_features
    return vae.compiled_inference(
        "active_units", function, x, features, batch_size, condition=condition
    )


def _prior_variance(prior):
    if isinstance(prior, ConditionalPrior):
        return 1.0  # of N(0, I), where such priors begin: p(z|c) has another in each c
    distribution = prior.distribution()
    if "std" in distribution.closed_forms:
        return np.square(ops.convert_to_numpy(distribution.std()))
    return ops.convert_to_numpy(prior.sample(1000, seed=0)).var(axis=0)


def has_kl_per_dimension(vae) -> bool:
    """Returns whether the KL of a built VAE has a closed form per latent dimension."""
    given = vae.given_of_nobody()
    posterior = vae.posterior(ops.zeros((1, *vae.input_features)), given=given)
    return distributions.has_kl_per_dimension(posterior, vae.prior.given(given).distribution())


def kl_per_dimension(vae, x, batch_size: int = 128, condition=None) -> np.ndarray:
    """Returns the KL of each latent dimension, averaged over x, `latent_shape`, in nats.

    Args:
        vae: a built VAE with a normal posterior and the standard normal prior.
        x: data, `(n, *features)`.
        batch_size: inputs per compiled call.
        condition: what is given beside x.

    Raises:
        ValueError: if the KL has no closed form per dimension.
    """

    def per_dimension(x, given):
        posterior, prior = vae.posterior(x, given=given), vae.prior.given(given)
        return distributions.kl_per_dimension(posterior, prior.distribution())

    vae.check_built("kl_per_dimension")
    if not has_kl_per_dimension(vae):  # not within the function, as TensorFlow rewrites its errors
        posterior = encoders.get(vae.encoder).posterior_class.__name__
        raise distributions.NoClosedFormError(
            f"The KL of a {posterior} to a {type(vae.prior).__name__} has no closed form per "
            "dimension; a normal posterior with the standard normal prior has. active_units works "
            "for every model."
        )

    function, features = vae.of_inputs(per_dimension), vae.input_features
    kl = vae.compiled_inference(
        "kl_per_dimension", function, x, features, batch_size, condition=condition
    )
    return kl.mean(axis=0)
