"""SavedModel: the format of TensorFlow Serving, TFX and the TensorFlow runtimes."""

import contextlib
import functools
import os
from typing import ClassVar

import keras
import numpy as np
from keras import ops

from keras_vae.evaluation import draws
from keras_vae.export.base import ExportFormat
from keras_vae.export.endpoints import ExportError, endpoints


class SavedModel(ExportFormat):
    """A folder with all functions, see `export_saved_model`."""

    name = "tf_saved_model"
    title = "a SavedModel"
    packages: ClassVar = {"tensorflow": ("tensorflow",), "jax": ("tensorflow",)}
    draws = True
    wrote = ("assets", "fingerprint.pb", "saved_model.pb", "variables")

    def export(self, vae, path, endpoint, draws, quantization) -> dict[str, float]:
        with self.refusal("the model"):
            return export_saved_model(vae, path, draws)


def export_saved_model(
    vae, filepath: str | os.PathLike, with_draws: bool = False
) -> dict[str, float]:
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
        draw_z, draw_x, where they are asked for: x and `seed` to `z`, a draw of
            q(z|x) per row; z and `seed` to `x`, a draw of p(x|z) per row.

    Each is an attribute of what `tf.saved_model.load` returns, and a signature,
    whose outputs are named.

    Args:
        vae: a built VAE.
        filepath: the folder to write.
        with_draws: whether to write `draw_z` and `draw_x` too.

    Returns:
        The largest difference of each endpoint from the model, by name.
    """
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
    if with_draws:
        for name, (function, given, drawn) in _draws(vae).items():
            specs = [
                tf.TensorSpec((None, *features), "float32", key) for key, features in given.items()
            ]
            specs.append(tf.TensorSpec((), "int32", "seed"))
            setattr(served, name, archive.add_endpoint(name, function, specs))
            signatures[name] = _signature(getattr(served, name), drawn, *specs)
    # TensorFlow's own, as LiteRT's converter takes only these for constants.
    served.tracked_variables = [
        v.value if isinstance(v, keras.Variable) else v for v in archive.variables
    ]
    signatures["serving_default"] = signatures["serve"]
    with _without_infos(tf.get_logger()):  # which name a path that is soon another
        tf.saved_model.save(served, filepath, signatures)

    loaded = tf.saved_model.load(filepath)

    def run(name, *arrays):
        inputs = dict(zip(known[name].inputs, map(tf.constant, arrays), strict=True))
        outputs = loaded.signatures[name](**inputs)
        return {key: value.numpy() for key, value in outputs.items()}

    for name, (_, given, drawn) in _draws(vae).items() if with_draws else ():
        _check_draws(loaded.signatures[name], name, given, drawn)
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


def _draws(vae):
    """Returns functions that draw by seed, by name, each with its input and its output's name."""

    # Of one seed z and x, and the prior's draws, have noise of their own.
    def draw_z(x, seed):
        return draws.z_given(vae, x, [seed, 2**20])

    def draw_x(z, seed):
        return draws.x_given(vae, z, [seed, 2**21])

    return {
        "draw_z": (draw_z, {"x": vae.input_features}, "z"),
        "draw_x": (draw_x, {"z": vae.latent_shape}, "x"),
    }


def _check_draws(run, name, given, drawn):
    import tensorflow as tf

    inputs = {key: tf.zeros((64, *features)) for key, features in given.items()}
    first, again = (run(**inputs, seed=tf.constant(1))[drawn].numpy() for _ in range(2))
    if not np.isfinite(first).all() or (first != again).any():
        raise ExportError(f"`{name}` gives other draws at a second call with the same seed.")


def _sample(vae, archive):
    """Returns the function from `n` and `seed` to means of p(x|z)."""
    import tensorflow as tf

    number = tf.TensorSpec((), "int32")

    def decoded_draws(rows, seed):
        codes = vae.prior.sample(ops.shape(rows)[0], seed=draws.GivenSeed([seed, 0]))
        return vae.mean_given(codes)

    # XLA takes the number of draws from a shape only.
    by_rows = archive.add_endpoint(
        "sample", decoded_draws, [tf.TensorSpec((None,), "float32"), number]
    )

    @tf.function(input_signature=[number, number], autograph=False)
    def sample(n, seed):
        return by_rows(tf.zeros([n]), seed)

    return sample
