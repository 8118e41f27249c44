"""The pictures of a report, each where the model and the data have what it takes."""

from typing import TYPE_CHECKING

import numpy as np

from keras_vae.cli import labels as learned
from keras_vae.cli.report_page import Picture

if TYPE_CHECKING:
    from keras_vae.cli.data import Data

MOST_ROWS_OF_TRAVERSAL = 10
MOST_COLOURS = 20


def of_images(vae, found: "Data", scores: np.ndarray | None, seed: int) -> list[Picture]:
    """Returns pictures of images: what comes back, what is drawn, what each dimension does.

    Args:
        vae: a model of images.
        found: the data.
        scores: of its rows, `(n,)`, if the model has them.
        seed: of the samples.
    """
    from keras_vae import plots

    inputs = found.inputs()
    some = None
    if vae.condition is not None and vae.condition.all_values() is None:
        assert found.condition is not None
        some = found.condition[:6]  # such as numbers: a row of samples for each
    traversal = plots.traversal(vae, inputs, rows=MOST_ROWS_OF_TRAVERSAL)
    pictures = [
        Picture(
            "Reconstructions",
            "Images of the data, and below each the mean of p(x|z) at its code.",
            plots.reconstructions(vae, inputs),
        ),
        Picture(
            "Samples",
            "Means of p(x|z) at draws of the prior: what the model takes for the data.",
            plots.samples(vae, seed=seed, condition=some),
        ),
        Picture(
            "Traversal",
            "The first image, decoded while one latent dimension goes through the values above, "
            "the most informative first. A row that does not change belongs to an unused one.",
            traversal,
        ),
    ]
    if scores is not None:
        strangest = found.rows(np.argsort(scores, kind="stable")[:10]).inputs()
        pictures.append(
            Picture(
                "The least usual images",
                "Those of the lowest score, the lowest first, and their reconstructions.",
                plots.reconstructions(vae, strangest),
            )
        )
    return pictures


def of_code(vae, found: "Data", kl: np.ndarray | None, labels: np.ndarray | None) -> list[Picture]:
    """Returns pictures of the code: what each dimension carries, and where the rows lie.

    Args:
        vae: a model.
        found: the data.
        kl: of each dimension, in nats, if it has a closed form.
        labels: of the rows, -1 or `None` where unknown; or `None`.
    """
    from keras_vae import plots

    pictures = []
    if kl is not None:
        pictures.append(
            Picture(
                "KL of each latent dimension",
                "What a dimension tells of a row, on average. One of about 0 nats is not in use.",
                plots.kl_per_dimension(kl),
            )
        )
    z = vae.encode(found.inputs()).reshape(len(found.x), -1)
    if z.shape[1] > 1:
        caption = "The posterior mean of each row, in the two dimensions that vary most."
        if labels is not None and len(set(labels.tolist())) <= MOST_COLOURS:
            known = learned.known(labels)
            z, labels = z[known], labels[known]
            caption = caption.replace("each row", "each labelled row")
        else:
            labels = None
        pictures.append(Picture("Codes", caption, plots.latent_scatter(z, labels)))
    return pictures


def of_scores(scores: np.ndarray) -> Picture:
    """Returns how the scores of the rows are distributed."""
    from keras_vae import plots

    return Picture(
        "Scores",
        "How usual each row is to the model, as vae.score gives it. The left tail holds the "
        "strangest rows.",
        plots.score_histogram(scores),
    )


def of_classifier(probabilities: np.ndarray, classes: np.ndarray) -> Picture:
    """Returns how often the classifier is right, by what it says."""
    from keras_vae import plots

    return Picture(
        "Calibration of the classifier",
        "How often the likeliest class is right, by the probability it was given; larger points "
        "stand for more rows. Below the diagonal the classifier is too sure.",
        plots.calibration(probabilities, classes),
    )


def of_factors(importance: np.ndarray, names: list[str]) -> Picture:
    """Returns how much each latent dimension matters for each factor."""
    from keras_vae import plots

    return Picture(
        "Factors in the code",
        "How much each latent dimension matters for each factor, to boosted trees (DCI). Of a "
        "disentangled code each column has one large number.",
        plots.importance_matrix(importance, names),
    )
