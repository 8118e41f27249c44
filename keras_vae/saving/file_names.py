"""Under which names a model and its weights can be saved."""

import os

from keras_vae.backend.keras_internals import writes_old_format


def check_model_name(filepath: str | os.PathLike, zipped: bool | None = None) -> None:
    """Raises a ValueError if a whole model cannot be saved under this name."""
    name = str(filepath)
    is_folder = zipped is False or name.startswith("hf://")
    if name.lower().endswith((".h5", ".hdf5")) or not (is_folder or name.endswith(".keras")):
        refuse_name(name)


def refuse_name(name: str) -> None:
    """Raises the ValueError that says where a model can be saved.

    An HDF5 file in Keras's old format would hold what cannot be read back, and writing it
    takes parts of the model away, so that the next save fails.
    """
    raise ValueError(
        f"Cannot save the model to {name}: give a name that ends in .keras. The weights alone "
        'are saved by save_weights("name.weights.h5"), and a model for serving by export.'
    )


def check_format() -> None:
    """Raises a ValueError where Keras asks for the config to write it in its old HDF5 format.

    That is `keras.saving.save_model(vae, "name.h5")`, which does not call `vae.save`.
    """
    if writes_old_format():
        refuse_name("an HDF5 file")


def check_weights_name(filepath: str | os.PathLike) -> None:
    """Raises a ValueError if a single file of weights cannot have this name."""
    if not str(filepath).endswith(".weights.h5"):
        raise ValueError(
            f"Cannot save the weights to {filepath}: give a name that ends in .weights.h5. "
            'The whole model is saved by save("name.keras").'
        )
