"""What codes are good for: linear and nearest-neighbour probes, and whether neighbours stay so."""

import numpy as np

from keras_vae.evaluation.factors import check_codes, check_split
from keras_vae.evaluation.scores import Scores
from keras_vae.validation.arguments import check_count
from keras_vae.validation.extras import require

SAYS = {
    "linear_probe": "accuracy of a logistic regression on the codes",
    "knn_probe": "accuracy of the nearest codes' labels",
    "trustworthiness": "near codes are of near data",
    "silhouette": "classes lie apart (-1 to 1)",
}


def linear_probe(
    z, labels, z_test=None, labels_test=None, c: float = 1.0, standardize: bool = False
) -> float:
    """Test accuracy of a logistic regression (L2, fully converged) on codes.

    Args:
        z: codes, `(n, d)`.
        labels: classes, `(n,)`.
        z_test: codes to test on; by default the second half of the rows.
        labels_test: their classes.
        c: the inverse of the penalty's weight.
        standardize: whether to divide by the training codes' standard deviations first, without
            which latents on a small scale are penalized more.

    Raises:
        ValueError: for other shapes, codes of another width, NaN, or labels of one class.
        ImportError: without scikit-learn.

    Reference:
        Alain and Bengio, "Understanding intermediate layers using linear classifier
        probes", 2016.
    """
    linear_model = require("sklearn.linear_model", "sklearn", "linear_probe")
    z, labels, z_test, labels_test = _split(z, labels, z_test, labels_test)
    if standardize:
        std = z.std(axis=0)
        center, scale = z.mean(axis=0), np.where(std > 0, std, 1.0)
        z, z_test = (z - center) / scale, (z_test - center) / scale
    classifier = linear_model.LogisticRegression(C=c, max_iter=10_000, tol=1e-6)
    return float(classifier.fit(z, labels).score(z_test, labels_test))


def knn_probe(z, labels, z_test=None, labels_test=None, k: int = 5) -> float:
    """Test accuracy of the vote of the k nearest training codes, by Euclidean distance.

    Args:
        z: codes, `(n, d)`.
        labels: classes, `(n,)`.
        z_test: codes to test on; by default the second half of the rows.
        labels_test: their classes.
        k: neighbours that vote.

    Raises:
        ValueError: for other shapes, NaN, labels of one class, or fewer than k training rows.
        ImportError: without scikit-learn.
    """
    neighbors = require("sklearn.neighbors", "sklearn", "knn_probe")
    z, labels, z_test, labels_test = _split(z, labels, z_test, labels_test)
    if check_count("k", k) > len(z):
        raise ValueError(f"k={k} neighbours, but there are {len(z)} training rows.")
    classifier = neighbors.KNeighborsClassifier(k).fit(z, labels)
    return float(classifier.score(z_test, labels_test))


def cluster_accuracy(clusters, labels) -> float:
    """Share of rows that are right after the best one-to-one naming of clusters by classes.

    Args:
        clusters: a number or name per row, `(n,)`.
        labels: classes, `(n,)`.

    Raises:
        ValueError: for other shapes.
        ImportError: without scikit-learn, which brings SciPy.

    Reference:
        Xie et al., "Unsupervised deep embedding for clustering analysis", 2016, equation 10.
    """
    optimize = require("scipy.optimize", "sklearn", "cluster_accuracy")
    clusters, labels = np.asarray(clusters), np.asarray(labels)
    if clusters.ndim != 1 or clusters.shape != labels.shape or not len(clusters):
        raise ValueError(
            f"clusters and labels must have shape (n,); received {clusters.shape} and "
            f"{labels.shape}."
        )
    (names, i), (classes, j) = (np.unique(a, return_inverse=True) for a in (clusters, labels))
    table = np.zeros((len(names), len(classes)), "int64")
    np.add.at(table, (i, j), 1)
    return float(table[optimize.linear_sum_assignment(-table)].sum() / len(labels))


def representation(
    vae,
    x,
    labels,
    x_test=None,
    labels_test=None,
    k: int = 5,
    condition=None,
    condition_test=None,
    batch_size: int = 128,
) -> Scores:
    """Scores the code of a VAE, its posterior means, by classes that it was not told.

    Args:
        vae: a built VAE.
        x: data that the probes are fitted on, `(n, *features)`.
        labels: their classes, `(n,)`.
        x_test: data to test on; by default the second half of the rows.
        labels_test: their classes.
        k: neighbours, of the probe and of the trustworthiness.
        condition: what is given beside x.
        condition_test: what is given beside `x_test`.
        batch_size: rows per compiled call.

    Returns:
        `linear_probe` (of standardized codes), `knn_probe`, and of the test rows, at most 2,000 of
        them, `trustworthiness` and `silhouette`: a dict that prints as a table.

    Raises:
        ValueError: for data that does not fit the model, labels of one class, or too few rows.
        ImportError: without scikit-learn.
    """
    cluster = require("sklearn.metrics", "sklearn", "representation")
    manifold = require("sklearn.manifold", "sklearn", "representation")
    x, labels = np.asarray(x), np.asarray(labels)
    z = check_codes(vae.encode(x, batch_size, condition=condition))
    z_test = None
    if x_test is not None:
        z_test = check_codes(vae.encode(x_test, batch_size, condition=condition_test))
    z, labels, z_test, labels_test = _split(z, labels, z_test, labels_test)
    some = slice(2_000)  # the work of what follows grows with the square
    x_test = (x[len(z) :] if x_test is None else np.asarray(x_test))[some]
    if k >= len(x_test) / 2:
        raise ValueError(f"k={k} must be below half of the {len(x_test)} test rows.")
    found = {
        "linear_probe": linear_probe(z, labels, z_test, labels_test, standardize=True),
        "knn_probe": knn_probe(z, labels, z_test, labels_test, k=k),
        "trustworthiness": manifold.trustworthiness(
            x_test.reshape(len(x_test), -1), z_test[some], n_neighbors=k
        ),
        "silhouette": cluster.silhouette_score(z_test[some], labels_test[some]),
    }
    return Scores({name: float(value) for name, value in found.items()}, SAYS)


def _split(z, labels, z_test, labels_test):
    """Returns codes and labels to train and to test on, checked."""
    z, labels = check_codes(z), np.asarray(labels)
    _check_labels("labels", labels, z)
    if (z_test is None) != (labels_test is None):
        raise ValueError("Test rows and their labels come together; received one of them.")
    if z_test is None:
        n_train = check_split(len(z), None)
        z, z_test, labels, labels_test = (
            z[:n_train],
            z[n_train:],
            labels[:n_train],
            labels[n_train:],
        )
    z_test, labels_test = check_codes(z_test, "z_test"), np.asarray(labels_test)
    _check_labels("labels_test", labels_test, z_test)
    if z.shape[1] != z_test.shape[1]:
        raise ValueError(f"z has {z.shape[1]} latents, but z_test has {z_test.shape[1]}.")
    if len(np.unique(labels)) < 2:
        raise ValueError("The training labels have one class only: there is nothing to tell apart.")
    return z, labels, z_test, labels_test


def _check_labels(name, labels, z):
    if labels.shape != z.shape[:1]:
        raise ValueError(f"{name} must have shape ({len(z)},); received {labels.shape}.")
