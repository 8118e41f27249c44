"""SavedModel: the format of TensorFlow Serving, TFX and the TensorFlow runtimes."""

import contextlib
import functools
import os

import keras
from keras import ops

from keras_vae.draws import GivenSeed
from keras_vae.export.endpoints import endpoints
from keras_vae.export.requirements import require


def export_saved_model(vae, filepath: str | os.PathLike) -> dict[str, float]:
    """Writes `vae` as a SavedModel, with no randomness but for what `seed` asks for.

    Endpoints, float32, each of any batch size:
        serve, reconstruct: x of shape `(batch, *features)` to the mean of
            p(x|z) at the posterior mean.
        encode: x to a dict of the posterior's parameters, for the diagonal
            normal `z_mean` and `z_log_var`, `(batch, latent_dim)`.
        decode: z of shape `(batch, latent_dim)` to the mean of p(x|z).
        score: x to what `vae.score` returns, `(batch,)`.
        sample: `n` and `seed`, int32 scalars, to the means of p(x|z) at `n`
            draws of the prior. The same seed gives the same draws.

    Each is an attribute of what `tf.saved_model.load` returns, and a signature,
    whose outputs are named.

    Args:
        vae: a built VAE.
        filepath: the folder to write.

    Returns:
        The largest difference of each endpoint from the model, by name.
    """
    require("a SavedModel", "tensorflow")
    import tensorflow as tf

    known = endpoints(vae)
    for endpoint in known.values():
        endpoint.check_repeatable()
    archive, served, signatures = keras.export.ExportArchive(), tf.Module(), {}
    archive.track(vae)
    for name, endpoint in {"serve": known["reconstruct"], **known}.items():
        specs = [
            tf.TensorSpec((None, *features), "float32", name)
            for name, features in endpoint.inputs.items()
        ]
        function = archive.add_endpoint(name, endpoint.function, specs)
        setattr(served, name, function)
        signatures[name] = _signature(function, endpoint.output_name, *specs)
    served.sample = _sample(vae, archive)
    n, seed = (tf.TensorSpec((), "int32", name) for name in ("n", "seed"))
    signatures["sample"] = _signature(served.sample, "reconstruction", n, seed)
    served.tracked_variables = archive.variables
    signatures["serving_default"] = signatures["serve"]
    with _without_infos(tf.get_logger()):  # which name a path that is soon another
        tf.saved_model.save(served, filepath, signatures)

    loaded = tf.saved_model.load(filepath)

    def run(name, *arrays):
        inputs = dict(zip(known[name].inputs, map(tf.constant, arrays), strict=True))
        outputs = loaded.signatures[name](**inputs)
        return {key: value.numpy() for key, value in outputs.items()}

    return {
        name: endpoint.largest_difference(functools.partial(run, name), batch_sizes=(1, 3))
        for name, endpoint in known.items()
    }


@contextlib.contextmanager
def _without_infos(logger):
    level = logger.level
    logger.setLevel("WARNING")
    try:
        yield
    finally:
        logger.setLevel(level)


def _signature(function, output_name, *specs):
    """Returns what a client sees of `function`, with a name for its output."""
    import tensorflow as tf

    @tf.function(input_signature=specs, autograph=False)
    def named(*inputs):
        outputs = function(*inputs)
        return outputs if isinstance(outputs, dict) else {output_name: outputs}

    return named.get_concrete_function()


def _sample(vae, archive):
    """Returns the function from `n` and `seed` to means of p(x|z)."""
    import tensorflow as tf

    number = tf.TensorSpec((), "int32")

    def decoded_draws(rows, seed):
        draws = vae.prior.sample(ops.shape(rows)[0], seed=GivenSeed([seed, 0]))
        return vae.mean_given(draws)

    # XLA takes the number of draws from a shape only.
    by_rows = archive.add_endpoint(
        "sample", decoded_draws, [tf.TensorSpec((None,), "float32"), number]
    )

    @tf.function(input_signature=[number, number], autograph=False)
    def sample(n, seed):
        return by_rows(tf.zeros([n]), seed)

    return sample
