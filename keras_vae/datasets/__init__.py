"""Data to start from: a generated set that needs no download, and loaders."""

from keras_vae.datasets.load import load
from keras_vae.datasets.sprites import Sprites

__all__ = ["Sprites", "load"]
