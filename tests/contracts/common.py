"""What the contracts share: a small VAE, dtype policies, exports, and densities that agree."""

import contextlib

import keras
import numpy as np
import pytest

import keras_vae as kv

LATENT_DIM, N_FEATURES = 3, 6
# What is compiled is compiled under one of them.
POLICIES = {
    "tensorflow": ("mixed_float16",),
    "jax": ("mixed_bfloat16",),
    "torch": ("float32", "mixed_bfloat16", "mixed_float16"),
}[keras.backend.backend()]
X = (np.random.default_rng(0).random((128, N_FEATURES)) < 0.3).astype("float32")
# The format whose writer this backend has, and what a file of it is called.
FORMATS = {
    "tensorflow": ("tf_saved_model", "folder"),
    "torch": ("torch", "file.pt2"),
}

to_numpy = keras.ops.convert_to_numpy
_made = {}


def in_turn(names) -> list:
    """Returns all names on torch, which compiles nothing; of the others each takes some."""
    places = {"tensorflow": slice(0, None, 3), "jax": slice(1, None, 4)}
    return sorted(names)[places.get(keras.backend.backend(), slice(None))]


def once(test, request, make):
    """Returns what `make` gives, made once for all tests of a class on one of its parameters."""
    key = type(test), request.node.name.partition("[")[2]
    if key not in _made:
        _made[key] = make()
    return _made[key]


class SharesTraining:
    """Fixtures of a contract whose tests share a trained model; it defines `train(part)`."""

    @pytest.fixture
    def trained(self, request, make):
        """A model that has trained for a moment, and the weights of its part before."""
        return once(self, request, lambda: self.train(make()))

    @pytest.fixture
    def vae(self, trained):
        return trained[0]


def trained(vae, part, *args, **kwargs):
    """Returns the model after a `fit`, and what the weights of a part of it were before."""
    before = [to_numpy(w) for w in part.trainable_weights]
    vae.fit(*args, verbose=0, **kwargs)
    return vae, before


def fit_an_epoch(vae, *args, **kwargs):
    """Returns the logs of an epoch; without graphs on TensorFlow, which takes long to trace."""
    vae.run_eagerly = keras.backend.backend() == "tensorflow"
    return vae.fit(*args, verbose=0, **kwargs).history


@contextlib.contextmanager
def dtype_policy(policy: str):
    """Sets Keras's dtype policy for a while."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def make_vae(prior="standard_normal", posterior=None, likelihood="bernoulli", **kwargs):
    """Returns a small VAE, built and compiled."""
    posterior = posterior or posterior_of(kwargs.get("objective"))
    encoder = kv.VariationalEncoder(LATENT_DIM, kv.networks.DenseEncoder((8,)), posterior)
    likelihood = kv.likelihoods.get(likelihood)
    shape = (2, N_FEATURES // 2 * likelihood.params_per_feature)
    vae = kv.VAE(encoder, kv.networks.DenseDecoder(shape, (8,)), likelihood, prior, **kwargs)
    vae.compile(keras.optimizers.Adam(1e-2))
    vae.build((None, 2, N_FEATURES // 2))
    return vae


def posterior_of(objective) -> str:
    """Returns a posterior that goes with an objective."""
    is_without_kl = isinstance(objective, kv.objectives.Objective) and not objective.needs_kl
    return "point" if is_without_kl else "diagonal_normal"


def posterior_for(prior) -> str:
    """Returns a posterior that lives where the prior does."""
    return "von_mises_fisher" if prior.support == "sphere" else "diagonal_normal"


def data(vae, rows: int = 128):
    """Returns rows of binary data of the shape that the VAE takes."""
    return X[:rows].reshape(-1, *vae.input_features)


def suited(likelihood, x):
    """Returns zeros and ones as they are, or between these where the likelihood refuses them."""
    try:
        likelihood.check_target(x)
    except ValueError:
        return np.clip(x, 0.1, 0.9)
    return x


def recording_kl(found: set):
    """Returns the KL, as `VAE(kl_divergence=...)` takes it, that notes dtypes of a step."""

    def kl_divergence(posterior, prior, z):
        values = {
            "z": z,
            "z_mean": posterior.z_mean,
            "log_qz": posterior.code_and_log_prob()[1],
            "log_pz": prior.log_prob(z),
        }
        if posterior.knows_any_z:
            values["kl"] = kv.objectives.kl_divergence(posterior, prior, z)
        found.update(keras.backend.standardize_dtype(v.dtype) for v in values.values())
        return values.get("kl", -values["log_pz"])

    return kl_divergence


def assert_float32_weights(part):
    """Checks that no weight of floats is in half precision, in whatever scope it is read."""
    for variable in part.variables:
        dtype = keras.backend.standardize_dtype(variable.dtype)
        assert dtype == "float32" or not keras.backend.is_float_dtype(dtype), variable.path


def assert_exported(vae, endpoint: str, tmp_path):
    """Exports a function of the model, which compares what the file computes with the model."""
    if keras.backend.backend() == "jax":
        pytest.skip("XLA takes long, and tests/export has what is JAX's own")
    format, name = FORMATS[keras.backend.backend()]
    differences = vae.export(tmp_path / name, format=format, endpoint=endpoint)
    assert differences[endpoint] <= 1e-4


def saved_and_loaded(vae, tmp_path):
    """Returns the model as it comes back from a file."""
    vae.save(tmp_path / "vae.keras")
    return kv.load_model(tmp_path / "vae.keras")


def assert_mean_is(values, expected, tolerance: float = 0.0):
    """Checks the mean of independent draws, on the first axis, to 5 standard errors."""
    values = values.astype("float64")
    error = values.std(axis=0) / np.sqrt(len(values))
    assert (np.abs(values.mean(axis=0) - expected) <= 5.0 * error + tolerance).all()


def assert_density_of_draws(draws, log_prob, support: str, is_bound: bool = False):
    """Checks that draws and log-density are those of one normalized distribution.

    Of draws z of p, r(z) / p(z) has the mean 1 for each density r that p covers. A lower
    bound of log p gives more.

    Args:
        draws: `(n, latent_dim)`.
        log_prob: their log p, `(n,)`.
        support: where p lives.
        is_bound: whether these are lower bounds of log p.
    """
    draws = draws.astype("float64")
    if support == "sphere":
        from scipy import stats

        centre = np.eye(draws.shape[-1])[0]
        unit = draws / np.linalg.norm(draws, axis=-1, keepdims=True)
        log_r = stats.vonmises_fisher(centre, 0.5).logpdf(unit)
    else:
        # Narrower than p, around one of its draws.
        centre, sigma = np.median(draws, axis=0), 0.5 * draws.std(axis=0)
        log_r = -0.5 * np.square((draws - centre) / sigma) - np.log(sigma * np.sqrt(2.0 * np.pi))
        log_r = log_r.sum(axis=-1)
    ratio = np.exp(log_r - log_prob)
    if is_bound:
        assert ratio.mean() >= 1.0 - 5.0 * ratio.std() / np.sqrt(len(ratio)) - 1e-3
    else:
        assert_mean_is(ratio, 1.0, tolerance=1e-3)
