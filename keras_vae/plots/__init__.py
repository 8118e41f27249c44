"""Pictures of what a VAE learned. Needs matplotlib: the extra `plots`.

Each function returns a `matplotlib.figure.Figure`, its own or that of the axes it
was given: `figure.savefig("name.png")` writes it, and a notebook shows it after
`%matplotlib inline`.
"""

from keras_vae.plots.anomalies import p_value_histogram, score_maps
from keras_vae.plots.curves import (
    history,
    kl_per_dimension,
    latent_scatter,
    rate_distortion,
    score_histogram,
)
from keras_vae.plots.grid import image_grid
from keras_vae.plots.images import interpolations, reconstructions, samples, transfer
from keras_vae.plots.imputations import imputations
from keras_vae.plots.latent_dimensions import manifold, traversal
from keras_vae.plots.score_plots import (
    calibration,
    gaussian_calibration,
    importance_matrix,
    precision_recall_cloud,
)

__all__ = [
    "calibration",
    "gaussian_calibration",
    "history",
    "image_grid",
    "importance_matrix",
    "imputations",
    "interpolations",
    "kl_per_dimension",
    "latent_scatter",
    "manifold",
    "p_value_histogram",
    "precision_recall_cloud",
    "rate_distortion",
    "reconstructions",
    "samples",
    "score_histogram",
    "score_maps",
    "transfer",
    "traversal",
]
