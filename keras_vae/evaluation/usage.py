"""How much of a trained model's code is in use."""

import numpy as np
from keras import ops

from keras_vae import distributions, encoders


def active_units(vae, x, threshold: float = 0.01, batch_size: int = 128) -> int:
    """Counts the latent dimensions whose code varies with x: Var_x(E[z|x]) > threshold·Var_p(z).

    Args:
        vae: a built VAE.
        x: data, `(n, *features)`.
        threshold: a variance, in units of that of the prior in each dimension:
            that of 1,000 draws where the prior does not know it.
        batch_size: inputs per compiled call.

    Reference:
        Burda et al., "Importance weighted autoencoders", 2016, section 5.2.
    """
    means = _posterior_means(vae, x, batch_size)
    return int((means.var(axis=0) > threshold * _prior_variance(vae.prior)).sum())


def _posterior_means(vae, x, batch_size):
    posterior = encoders.get(vae.encoder).posterior_class
    if posterior.support == "real" or "mean" not in posterior.closed_forms:
        return vae.encode(x, batch_size)
    # A code on the sphere has a direction even where it says nothing.
    return vae.compiled_inference(
        "active_units", lambda x: vae.posterior(x).mean(), x, vae.input_features, batch_size
    )


def _prior_variance(prior):
    distribution = prior.distribution()
    if "std" in distribution.closed_forms:
        return np.square(ops.convert_to_numpy(distribution.std()))
    return ops.convert_to_numpy(prior.sample(1000, seed=0)).var(axis=0)


def has_kl_per_dimension(vae) -> bool:
    """Returns whether the KL of a built VAE has a closed form per latent dimension."""
    posterior = vae.posterior(ops.zeros((1, *vae.input_features)))
    return distributions.has_kl_per_dimension(posterior, vae.prior.distribution())


def kl_per_dimension(vae, x, batch_size: int = 128) -> np.ndarray:
    """Returns the KL of each latent dimension, averaged over x, `latent_shape`, in nats.

    Args:
        vae: a built VAE with a normal posterior and the standard normal prior.
        x: data, `(n, *features)`.
        batch_size: inputs per compiled call.

    Raises:
        ValueError: if the KL has no closed form per dimension.
    """

    def per_dimension(x):
        return distributions.kl_per_dimension(vae.posterior(x), vae.prior.distribution())

    vae.check_built("kl_per_dimension")
    if not has_kl_per_dimension(vae):  # not within the function, as TensorFlow rewrites its errors
        posterior = encoders.get(vae.encoder).posterior_class.__name__
        raise distributions.NoClosedFormError(
            f"The KL of a {posterior} to a {type(vae.prior).__name__} has no closed form per "
            "dimension; a normal posterior with the standard normal prior has. active_units works "
            "for every model."
        )

    kl = vae.compiled_inference(
        "kl_per_dimension", per_dimension, x, vae.input_features, batch_size
    )
    return kl.mean(axis=0)
