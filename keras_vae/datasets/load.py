"""Loads data from files, folders and `keras.datasets`, scaled for a likelihood."""

import os
from pathlib import Path

import keras
import numpy as np

KERAS_DATASETS = ("mnist", "fashion_mnist", "cifar10", "cifar100")
IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")


def load(
    source: str | os.PathLike, image_size: tuple[int, int] = (64, 64), key: str | None = None
) -> np.ndarray:
    """Loads data as float32, images with an axis of channels and values in [0, 1].

    Args:
        source: a name in `keras.datasets` (`"mnist"`, `"fashion_mnist"`,
            `"cifar10"`, `"cifar100"`, downloaded by Keras), a `.npy` or `.npz`
            file, or a folder of images (its subfolders included).
        image_size: height and width that the images of a folder are resized to.
        key: name of the array in a `.npz` file. `None` takes `x_train` or the
            only array.

    Returns:
        Array of shape `(n, *features)`. Images are divided by the largest value
        of their type: 8-bit arrays by 255, flattened ones of shape `(n, pixels)`
        too, and 16-bit arrays of images, `(n, height, width[, channels])`, by
        65,535. Those of zeros and ones only, and booleans, stay 0 and 1. All
        other integers are counts, and floats are values: both stay as they are.
        Counts of 8 bits are to be loaded with `np.load`. Images of shape `(n,
        height, width)` get a last axis of one channel.

    Raises:
        ValueError: if the source is unknown, empty or holds no such array.
        FileNotFoundError: if it is a path at which nothing is.

    Example:
        >>> x = load("mnist")  # (60000, 28, 28, 1) in [0, 1]
    """
    if str(source) in KERAS_DATASETS:
        (array, _), _ = getattr(keras.datasets, str(source)).load_data()
        return _scaled(array)
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(
            f"There is no file or folder {str(source)!r}. Give a .npy or .npz file, a folder of "
            f"images, or one of {', '.join(KERAS_DATASETS)}."
        )
    if path.is_dir():
        return _load_folder(path, image_size)
    if path.suffix not in (".npy", ".npz"):
        raise ValueError(f"{path} is neither a .npy or .npz file nor a folder of images.")
    return _scaled(read_array(path, key))


def read_array(path: Path, key: str | None = None) -> np.ndarray:
    """Returns the array of a `.npy` or `.npz` file as it is; `key` as for `load`."""
    with open(path, "rb") as file:
        loaded = np.load(file, allow_pickle=False)
        return loaded if path.suffix == ".npy" else _member(loaded, path, key)


def _member(arrays, path, key):
    if key is None:
        key = "x_train" if "x_train" in arrays.files or len(arrays.files) != 1 else arrays.files[0]
    if key not in arrays.files:
        raise ValueError(f"{path} has no array {key!r}. Give key, one of {arrays.files}.")
    return arrays[key]


def _load_folder(path, image_size):
    files = sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise ValueError(f"{path} holds no images ({', '.join(IMAGE_SUFFIXES)}).")
    images = np.empty((len(files), *image_size, 3), "float32")
    for i, file in enumerate(files):
        images[i] = _load_image(file, image_size)
    grey = np.ptp(images, axis=-1).max() == 0
    return images[..., :1] if grey else images


def _load_image(file, image_size):
    from PIL import Image

    with Image.open(file) as image:
        if image.mode.startswith("I"):
            # Grey of 16 bits, which Keras clips to 8 where it makes colours of it.
            floats = image.convert("I").convert("F").resize(image_size[::-1], Image.BILINEAR)
            return np.asarray(floats)[..., None] / 65535.0
    image = keras.utils.load_img(file, target_size=image_size, interpolation="bilinear")
    return keras.utils.img_to_array(image, data_format="channels_last") / 255.0


def _scaled(array):
    is_image = array.dtype.kind in "ub" and array.itemsize <= 2
    # Tables of 16 bits are counts, as flattened images of 16 bits are rare.
    if not is_image or array.ndim < 2 or (array.itemsize == 2 and array.ndim == 2):
        return array.astype("float32")
    if array.ndim == 3:
        array = array[..., None]
    # 0 and 1 alone are binary data, whatever the type that holds them.
    white = np.iinfo(array.dtype).max if array.size and array.max() > 1 else 1
    return array.astype("float32") / np.float32(white)
