"""Sprites: a dSprites-like set, drawn when asked for, with its ground-truth factors."""

import math

import numpy as np

IMAGE_SIZE = 64
# Coordinates are in image widths: the image spans [0, 1] in x and in y.
CENTERS = (0.35, 0.65)
RADII = (0.14, 0.28)


class Sprites:
    """White shapes on black, 64×64 pixels, in every combination of five factors.

    | factor | values |
    |---|---|
    | shape | square, ellipse, heart |
    | scale | 6, the shape's radius from 0.14 to 0.28 of the image's width |
    | orientation | 40, from 0 to 2π |
    | x, y | 32 each, the shape's center from 0.35 to 0.65 of the image |

    As in dSprites, which has the same factors, pixels are 0 or 1 and the 737,280
    images are ordered by factors, the last varying fastest. Nothing is
    downloaded or stored: an image is computed from its factors.

    Reference:
        Matthey et al., "dSprites: Disentanglement testing Sprites dataset", 2017.

    Example:
        >>> images, factors = Sprites().sample(1000, seed=0)
        >>> one_heart = Sprites()[[2, 5, 0, 16, 16]]
    """

    factor_names = ("shape", "scale", "orientation", "x", "y")
    factor_sizes = (3, 6, 40, 32, 32)
    shapes = ("square", "ellipse", "heart")
    image_shape = (IMAGE_SIZE, IMAGE_SIZE, 1)

    def __len__(self) -> int:
        return math.prod(self.factor_sizes)

    def __getitem__(self, factors) -> np.ndarray:
        """Draws the images that `factors` describe.

        Args:
            factors: integers of shape `(5,)` or `(n, 5)`, in the order of
                `factor_names`, each from 0 up to its size.

        Returns:
            float32 images in {0, 1}, of shape `(64, 64, 1)` or `(n, 64, 64, 1)`.

        Raises:
            IndexError: if a factor lies outside its range.
        """
        factors = np.asarray(factors)
        if factors.shape[-1:] != (5,) or factors.ndim > 2 or factors.dtype.kind not in "iu":
            raise IndexError(
                f"Factors are integers of shape (5,) or (n, 5), {self.factor_names}; received "
                f"an array of shape {factors.shape} and dtype {factors.dtype}."
            )
        if (factors < 0).any() or (factors >= self.factor_sizes).any():
            raise IndexError(
                f"Factors {self.factor_names} must be at least 0 and below {self.factor_sizes}; "
                f"received values from {factors.min(axis=tuple(range(factors.ndim - 1)))} to "
                f"{factors.max(axis=tuple(range(factors.ndim - 1)))}."
            )
        if factors.ndim == 1:
            return self[factors[None]][0]
        images = np.empty((len(factors), *self.image_shape), "float32")
        for start in range(0, len(factors), 1024):
            rows = slice(start, start + 1024)
            images[rows] = _draw(factors[rows], self.factor_sizes)[..., None]
        return images

    def factors(self, indices) -> np.ndarray:
        """Returns the factors, `(n, 5)`, of the images at `indices`, from 0 to `len(self) - 1`."""
        return np.stack(np.unravel_index(np.asarray(indices), self.factor_sizes), axis=-1)

    def sample(self, n: int, seed: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Draws `n` images without repetition.

        Args:
            n: number of images, at most `len(self)`.
            seed: an integer, for the same images each time.

        Returns:
            Images `(n, 64, 64, 1)` in {0, 1} and their factors `(n, 5)`.
        """
        indices = np.random.default_rng(seed).choice(len(self), size=n, replace=False)
        factors = self.factors(indices)
        return self[factors], factors


def _draw(factors, sizes):
    """Draws images, (n, 64, 64): each shape is the set where its function is negative."""
    shape, *rest = factors.T
    scale, orientation, x, y = (i.astype("float32") for i in rest)
    radius = RADII[0] + (RADII[1] - RADII[0]) * scale / (sizes[1] - 1)
    angle = 2.0 * np.pi * orientation / sizes[2]
    center_x, center_y = (
        CENTERS[0] + (CENTERS[1] - CENTERS[0]) * i / (size - 1)
        for i, size in ((x, sizes[3]), (y, sizes[4]))
    )
    pixels = (np.arange(IMAGE_SIZE, dtype="float32") + 0.5) / IMAGE_SIZE
    dx = (pixels[None, None, :] - center_x[:, None, None]) / radius[:, None, None]
    dy = (pixels[None, :, None] - center_y[:, None, None]) / radius[:, None, None]
    cos, sin = (f(angle).astype("float32")[:, None, None] for f in (np.cos, np.sin))
    u, v = cos * dx + sin * dy, cos * dy - sin * dx

    inside = np.empty((len(factors), IMAGE_SIZE, IMAGE_SIZE), bool)
    for i, is_inside in enumerate((_square, _ellipse, _heart)):
        rows = shape == i
        inside[rows] = is_inside(u[rows], v[rows])
    return inside


def _square(u, v):
    return np.maximum(np.abs(u), np.abs(v)) < 0.75


def _ellipse(u, v):
    return u**2 + (v / 0.5) ** 2 < 1.0


def _heart(u, v):
    # The sextic (a² + b² - 1)³ = a² b³, upright while v points down, moved to its middle.
    a, b = 1.15 * u, 0.1 - 1.15 * v
    return (a**2 + b**2 - 1.0) ** 3 < a**2 * b**3
