"""SavedModel: the format of TensorFlow Serving, TFX and the TensorFlow runtimes."""

import os

import keras

from keras_vae.training.backend import BACKEND


def export_saved_model(vae, filepath: str | os.PathLike) -> None:
    """Writes `vae` as a SavedModel, with no randomness in it.

    Endpoints, float32, each of any batch size:
        serve, reconstruct: x of shape `(batch, *features)` to the mean of
            p(x|z) at the posterior mean.
        encode: x to a dict of the posterior's parameters, for the diagonal
            normal `z_mean` and `z_log_var`, `(batch, latent_dim)`.
        decode: z of shape `(batch, latent_dim)` to the mean of p(x|z).

    Args:
        vae: a built VAE.
        filepath: the folder to write.

    Raises:
        ValueError: if the model is not built.
        RuntimeError: on the torch backend, which cannot write this format.
    """
    vae.check_built("export")
    if BACKEND == "torch":
        raise RuntimeError(
            "The torch backend cannot write a SavedModel. Save the model with "
            'vae.save("vae.keras"), and load and export it in a process with '
            "KERAS_BACKEND=tensorflow."
        )

    x_spec = keras.InputSpec(shape=(None, *vae.input_features), dtype="float32")
    z_spec = keras.InputSpec(shape=(None, vae.latent_dim), dtype="float32")
    archive = keras.export.ExportArchive()
    archive.track(vae)
    archive.add_endpoint("serve", vae.call, [x_spec])
    archive.add_endpoint("reconstruct", vae.call, [x_spec])
    archive.add_endpoint("encode", vae.posterior_params, [x_spec])
    archive.add_endpoint("decode", vae.mean_given, [z_spec])
    archive.write_out(filepath, verbose=False)
