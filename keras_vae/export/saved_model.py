"""SavedModel: the format of TensorFlow Serving, TFX and the TensorFlow runtimes."""

import functools
import os

import keras

from keras_vae.export.endpoints import endpoints
from keras_vae.export.requirements import require
from keras_vae.training.backend import BACKEND


def export_saved_model(vae, filepath: str | os.PathLike) -> dict[str, float]:
    """Writes `vae` as a SavedModel, with no randomness but for what `seed` asks for.

    Endpoints, float32, each of any batch size:
        serve, reconstruct: x of shape `(batch, *features)` to the mean of
            p(x|z) at the posterior mean.
        encode: x to a dict of the posterior's parameters, for the diagonal
            normal `z_mean` and `z_log_var`, `(batch, latent_dim)`.
        decode: z of shape `(batch, latent_dim)` to the mean of p(x|z).
        score: x to what `vae.score` returns, `(batch,)`.
        sample: from TensorFlow only, `n` and `seed`, int32 scalars, to the
            means of p(x|z) at `n` draws of the prior. The same seed gives the
            same draws.

    Args:
        vae: a built VAE.
        filepath: the folder to write.

    Returns:
        The largest difference of each endpoint from the model, by name.

    Raises:
        RuntimeError: on the torch backend, which cannot write this format.
    """
    if BACKEND == "torch":
        raise RuntimeError(
            "The torch backend cannot write a SavedModel. Save the model with "
            'vae.save("vae.keras"), and load and export it in a process with '
            "KERAS_BACKEND=tensorflow."
        )
    require("a SavedModel", "tensorflow")
    import tensorflow as tf

    known = endpoints(vae)
    archive = keras.export.ExportArchive()
    archive.track(vae)
    for name, endpoint in {"serve": known["reconstruct"], **known}.items():
        archive.add_endpoint(name, endpoint.function, [endpoint.input_spec])
    if BACKEND == "tensorflow":
        number = tf.TensorSpec((), "int32")
        sample = tf.function(lambda n, seed: _sample(vae, n, seed))
        archive.add_endpoint("sample", sample, [number, number])
    archive.write_out(filepath, verbose=False)

    served = tf.saved_model.load(filepath)

    def run(name, x):
        outputs = getattr(served, name)(x)
        if not isinstance(outputs, dict):
            outputs = {known[name].output_name: outputs}
        return {key: value.numpy() for key, value in outputs.items()}

    return {
        name: endpoint.largest_difference(functools.partial(run, name), batch_sizes=(1, 3))
        for name, endpoint in known.items()
    }


class _GivenSeed(keras.random.SeedGenerator):
    """Makes of a seed that is a tensor what draws take."""

    def __init__(self, seed):
        # Not Keras's, which makes a variable, as a traced function may not.
        self.given, self.count = seed, 0

    def next(self, ordered=True):
        import tensorflow as tf

        self.count += 1
        return tf.stack([self.given, self.count])


def _sample(vae, n, seed):
    return vae.mean_given(vae.prior.sample(n, seed=_GivenSeed(seed)))
