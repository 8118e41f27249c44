"""Probes beside scikit-learn's own calls."""

import itertools

import keras
import numpy as np
import pytest
from helpers import on_one_backend
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import trustworthiness
from sklearn.metrics import silhouette_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import keras_vae as kv
from keras_vae import evaluation

pytestmark = on_one_backend

RNG = np.random.default_rng(0)
LABELS = RNG.integers(3, size=120)
X = (RNG.normal(size=(120, 5)) + 1.5 * np.eye(5)[LABELS]).astype("float32")
Z = X[:, :3] * [1.0, 10.0, 0.1]


def test_probes_are_scikit_learns():
    halves = Z[:60], LABELS[:60], Z[60:], LABELS[60:]
    plain = LogisticRegression(max_iter=10_000).fit(*halves[:2]).score(*halves[2:])
    assert evaluation.linear_probe(*halves) == pytest.approx(plain, abs=0.02)
    assert evaluation.linear_probe(Z, LABELS) == evaluation.linear_probe(*halves)
    scaled = make_pipeline(StandardScaler(), LogisticRegression(C=0.1)).fit(*halves[:2])
    found = evaluation.linear_probe(*halves, c=0.1, standardize=True)
    assert found == pytest.approx(scaled.score(*halves[2:]), abs=0.02)
    neighbours = KNeighborsClassifier(3).fit(*halves[:2]).score(*halves[2:])
    assert evaluation.knn_probe(*halves, k=3) == neighbours
    names = np.array(["a", "b", "c"])[LABELS]
    assert evaluation.knn_probe(Z, names, k=3) == neighbours


def test_cluster_accuracy_is_the_best_of_all_namings():
    clusters = np.where(RNG.random(120) < 0.7, (LABELS + 1) % 3, RNG.integers(3, size=120))
    expected = max(
        np.mean(np.array(names)[clusters] == LABELS) for names in itertools.permutations(range(3))
    )
    assert evaluation.cluster_accuracy(clusters, LABELS) == pytest.approx(expected)
    # More clusters than classes: those without a name are wrong.
    assert evaluation.cluster_accuracy([0, 1, 2, 2], [0, 0, 1, 1]) == 0.75


def test_one_call_scores_a_model():
    keras.utils.set_random_seed(0)
    encoder = kv.VariationalEncoder(2, keras.layers.Flatten())
    vae = kv.VAE(encoder, kv.networks.DenseDecoder(5, (4,)))
    vae.build((None, 5))
    z = vae.encode(X)
    found = evaluation.representation(vae, X, LABELS)
    assert found["linear_probe"] == evaluation.linear_probe(z, LABELS, standardize=True)
    assert found["knn_probe"] == evaluation.knn_probe(z, LABELS)
    assert found["trustworthiness"] == pytest.approx(trustworthiness(X[60:], z[60:]))
    assert found["silhouette"] == pytest.approx(silhouette_score(z[60:], LABELS[60:]), abs=1e-5)
    apart = evaluation.representation(vae, X[:60], LABELS[:60], X[60:], LABELS[60:])
    assert apart == pytest.approx(found, abs=1e-5)
    assert str(found).splitlines()[0].startswith("linear_probe")


def test_what_does_not_fit_is_refused():
    for probe in (evaluation.linear_probe, evaluation.knn_probe):
        with pytest.raises(ValueError, match="one class only"):
            probe(Z, LABELS * 0)
        with pytest.raises(ValueError, match=r"labels must have shape \(120,\)"):
            probe(Z, LABELS[:5])
        with pytest.raises(ValueError, match="z_test has 2"):
            probe(Z, LABELS, Z[:, :2], LABELS)
        with pytest.raises(ValueError, match="come together"):
            probe(Z, LABELS, Z)
        with pytest.raises(ValueError, match="NaN"):
            probe(Z * np.nan, LABELS)
    with pytest.raises(ValueError, match="there are 60 training rows"):
        evaluation.knn_probe(Z, LABELS, k=61)
    with pytest.raises(ValueError, match="must have shape"):
        evaluation.cluster_accuracy(LABELS, LABELS[1:])
