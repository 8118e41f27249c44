"""SavedModel: the format of TensorFlow Serving, TFX and the TensorFlow runtimes."""

import contextlib
import functools
import os
from typing import ClassVar

import keras
import numpy as np
from keras import ops

from keras_vae.conditions import NOTHING
from keras_vae.evaluation import draws
from keras_vae.export.base import ExportFormat
from keras_vae.export.endpoints import Endpoint, ExportError, endpoint, endpoints


class SavedModel(ExportFormat):
    """A folder with all functions, see `export_saved_model`."""

    name = "tf_saved_model"
    title = "a SavedModel"
    packages: ClassVar = {"tensorflow": ("tensorflow",), "jax": ("tensorflow",)}
    draws = True
    wrote: tuple[str, ...] = ("assets", "fingerprint.pb", "saved_model.pb", "variables")

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

    Of a model with a condition each takes its rows too, behind x or z and before the
    others, as `condition`, or several by their names; int32 for categories. `sample` takes
    them in place of `n`, a row for each draw.

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
    for written in known.values():
        written.check_repeatable()
    archive, served, signatures = keras.export.ExportArchive(), tf.Module(), {}
    archive.track(vae)
    drawing = _draws(vae) if with_draws else {}
    seed = tf.TensorSpec((), "int32", "seed")
    for name, written in {"serve": known["reconstruct"], **known, **drawing}.items():
        specs = [*_specs(written), *([seed] if name in drawing else [])]
        function = archive.add_endpoint(name, written.function, specs)
        setattr(served, name, function)
        signatures[name] = _signature(function, written.output_name, *specs)
    sample, specs = _sample(vae, archive)
    served.sample = sample
    signatures["sample"] = _signature(sample, "reconstruction", *specs, seed)
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

    for name, written in drawing.items():
        _check_draws(loaded.signatures[name], name, written)
    return {
        name: written.largest_difference(functools.partial(run, name), batch_sizes=(1, 3))
        for name, written in known.items()
    }


@contextlib.contextmanager
def _without_infos(logger):
    level = logger.level
    logger.setLevel("WARNING")
    try:
        yield
    finally:
        logger.setLevel(level)


def _specs(written):
    """Returns the inputs of an endpoint as TensorFlow names them."""
    import tensorflow as tf

    return [
        tf.TensorSpec((None, *features), written.dtype(name), name)
        for name, features in written.inputs.items()
    ]


def _signature(function, output_name, *specs):
    """Returns what a client sees of `function`, with a name for its output."""
    import tensorflow as tf

    @tf.function(input_signature=specs, autograph=False)
    def named(*inputs):
        outputs = function(*inputs)
        return outputs if isinstance(outputs, dict) else {output_name: outputs}

    return named.get_concrete_function()


def _draws(vae) -> dict[str, Endpoint]:
    """Returns functions that draw by name, which take a seed behind their inputs."""

    # Of one seed z and x, and the prior's draws, have noise of their own.
    def draw_z(x, seed, given):
        return draws.z_given(vae, x, [seed, 2**20], given)

    def draw_x(z, seed, given):
        return draws.x_given(vae, z, [seed, 2**21], given)

    return {
        "draw_z": endpoint(vae, vae.of_inputs(draw_z), "x", "z"),
        "draw_x": endpoint(vae, vae.of_inputs(draw_x, "z"), "z", "x"),
    }


def _check_draws(run, name, written):
    import tensorflow as tf

    inputs = dict(zip(written.inputs, map(tf.constant, written.random_input(64)), strict=True))
    first, again = (
        run(**inputs, seed=tf.constant(1))[written.output_name].numpy() for _ in range(2)
    )
    if not np.isfinite(first).all() or (first != again).any():
        raise ExportError(f"`{name}` gives other draws at a second call with the same seed.")


def _sample(vae, archive):
    """Returns the function to means of p(x|z), and its inputs but for the last, the seed.

    They are the rows of the conditions, or else `n`.
    """
    import tensorflow as tf

    number = tf.TensorSpec((), "int32")
    conditions = [spec for spec in _specs(endpoints(vae)["decode"]) if spec.name != "z"]

    def decoded_draws(*inputs):
        *rows, seed = inputs
        given = NOTHING
        if conditions:
            named = {spec.name: part for spec, part in zip(conditions, rows, strict=True)}
            given = vae.condition.given(vae.condition.as_tree(named))
        # XLA takes the number of draws from a shape only.
        n, seed = ops.shape(rows[0])[0], draws.GivenSeed([seed, 0])
        return vae.mean_given(vae.prior.given(given).sample_rows(1, n, seed), given=given)

    if conditions:
        return archive.add_endpoint("sample", decoded_draws, [*conditions, number]), conditions
    rows = tf.TensorSpec((None,), "float32")
    by_rows = archive.add_endpoint("sample", decoded_draws, [rows, number])

    @tf.function(input_signature=[number, number], autograph=False)
    def sample(n, seed):
        return by_rows(tf.zeros([n]), seed)

    return sample, [tf.TensorSpec((), "int32", "n")]
