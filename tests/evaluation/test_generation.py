"""Generation scores: closed forms, plain loops and models of a few weights."""

import keras
import numpy as np
import pytest
from helpers import on_one_backend
from scipy import linalg
from scipy.spatial.distance import cdist

from keras_vae import evaluation
from keras_vae.evaluation import feature_models

pytestmark = on_one_backend

RNG = np.random.default_rng(0)
REAL = RNG.normal(size=(60, 4)) @ RNG.normal(size=(4, 4)) + 1.0
FAKE = RNG.normal(size=(45, 4)) @ RNG.normal(size=(4, 4))


def test_frechet_of_normals_is_the_wasserstein_distance():
    a = RNG.normal(size=(5, 5))
    s_1, s_2 = a @ a.T, np.diag(RNG.random(5))
    m_1, m_2 = RNG.normal(size=(2, 5))
    root = linalg.sqrtm(s_1)
    bures = np.trace(s_1 + s_2 - 2 * linalg.sqrtm(root @ s_2 @ root).real)
    found = evaluation.frechet_of_normals(m_1, s_1, m_2, s_2)
    assert found == pytest.approx(np.sum((m_1 - m_2) ** 2) + bures, rel=1e-8)
    # Of commuting covariances it is Σ (σ₁ − σ₂)².
    found = evaluation.frechet_of_normals([0.0, 0.0], np.diag([4.0, 0.0]), [3.0, 0.0], np.eye(2))
    assert found == pytest.approx(9 + 1 + 1, rel=1e-12)


def test_frechet_of_features_takes_their_moments():
    moments = [moment for x in (REAL, FAKE) for moment in (x.mean(0), np.cov(x.T))]
    expected = evaluation.frechet_of_normals(*moments)
    assert evaluation.frechet(REAL, FAKE) == pytest.approx(expected, rel=1e-12)
    assert evaluation.frechet(FAKE, REAL) == pytest.approx(expected, rel=1e-9)
    assert evaluation.frechet(REAL, REAL + 2.0) == pytest.approx(16.0, rel=1e-9)
    assert evaluation.frechet(REAL, REAL) == pytest.approx(0.0, abs=1e-9)
    assert evaluation.frechet(REAL[:3], REAL[:3]) == pytest.approx(0.0, abs=1e-9)  # singular
    assert evaluation.frechet(REAL[:, :1], REAL[:, :1] * 0) > 0  # one feature


def kernel(a, b):
    return (a @ b / len(a) + 1.0) ** 3


def test_kid_is_the_mean_of_a_kernel_over_pairs():
    def within(x):
        return np.mean([kernel(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j])

    across = np.mean([kernel(a, b) for a in REAL for b in FAKE])
    expected = within(REAL) + within(FAKE) - 2 * across
    assert evaluation.kid(REAL, FAKE) == pytest.approx(expected, rel=1e-10)


def test_kid_of_subsets_scatters_about_that_of_all_rows():
    found = evaluation.kid_subsets(REAL, FAKE, n_subsets=400, subset_size=20)
    error = found.std() / np.sqrt(400)
    assert abs(found.mean() - evaluation.kid(REAL, FAKE)) < 4 * error
    np.testing.assert_array_equal(found, evaluation.kid_subsets(REAL, FAKE, 400, 20, seed=0))
    whole = evaluation.kid_subsets(REAL[:45], FAKE, 1, 45)
    assert whole[0] == pytest.approx(evaluation.kid(REAL[:45], FAKE))
    same = [evaluation.kid(*RNG.normal(size=(2, 20, 3))) for _ in range(400)]
    assert abs(np.mean(same)) < 4 * np.std(same) / 20  # unbiased: on both sides of 0


@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_precision_recall_density_and_coverage_count_balls(k, offset):
    radii = [np.sort(cdist(x, x), axis=1)[:, k] for x in (REAL, FAKE)]
    distances = cdist(REAL, FAKE)
    in_real, in_fake = distances < radii[0][:, None], distances < radii[1]
    real, fake = REAL + offset, FAKE + offset
    found = evaluation.precision_recall(real, fake, k)
    assert found == (in_real.any(axis=0).mean(), in_fake.any(axis=1).mean())
    found = evaluation.density_coverage(real, fake, k)
    assert found == pytest.approx((in_real.sum() / (k * len(FAKE)), in_real.any(axis=1).mean()))


def test_precision_falls_with_far_samples_and_recall_with_missing_modes():
    modes = np.concatenate([RNG.normal(size=(50, 2)), RNG.normal(size=(50, 2)) + 20.0])
    one, far = modes[:50] + 0.01, modes + np.array([40.0, -40.0])
    precision, recall = evaluation.precision_recall(modes, one)
    assert precision == 1.0 and 0.4 < recall < 0.6
    assert evaluation.precision_recall(modes, far) == (0.0, 0.0)
    inside, covered = evaluation.inside_neighbourhoods(modes, one)
    assert inside.all() and not covered[50:].any()


def test_tables_of_distances_come_in_chunks(monkeypatch):
    scores = evaluation.kid, evaluation.precision_recall, evaluation.density_coverage
    whole = [score(REAL, FAKE) for score in scores]
    monkeypatch.setattr(feature_models, "_CHUNK", 7)
    for score, expected in zip(scores, whole, strict=True):
        assert score(REAL, FAKE) == pytest.approx(expected, rel=1e-12)


def test_the_inception_formula():
    assert evaluation.exp_mean_kl(np.eye(4)) == pytest.approx(4.0)
    assert evaluation.exp_mean_kl(np.full((5, 4), 0.25)) == pytest.approx(1.0)
    p = RNG.dirichlet(np.ones(3), size=10)
    kl = [sum(a * np.log(a / b) for a, b in zip(row, p.mean(0), strict=True)) for row in p]
    assert evaluation.exp_mean_kl(p) == pytest.approx(np.exp(np.mean(kl)))
    with pytest.raises(ValueError, match="sum to 1"):
        evaluation.exp_mean_kl(2 * p)


def test_bad_features_are_refused():
    scores = (
        evaluation.frechet,
        evaluation.kid,
        evaluation.kid_subsets,
        evaluation.precision_recall,
        evaluation.density_coverage,
    )
    for score in scores:
        with pytest.raises(ValueError, match="real has 4 features and fake 3"):
            score(REAL, FAKE[:, :3])
        with pytest.raises(ValueError, match="fake has NaN"):
            score(REAL, np.where(FAKE > 2, np.nan, FAKE))
    with pytest.raises(ValueError, match="real has 1 rows"):
        evaluation.frechet(REAL[:1], FAKE)
    with pytest.raises(ValueError, match="fake has 45 rows; 50 or more"):
        evaluation.kid_subsets(REAL, FAKE, subset_size=50)
    with pytest.raises(ValueError, match="real has 5 rows; 6 or more"):
        evaluation.precision_recall(REAL[:5], FAKE, k=5)
    with pytest.raises(ValueError, match="more than 5 real rows"):
        evaluation.density_coverage(REAL[:5], FAKE, k=5)
    with pytest.raises(ValueError, match="k must be a positive integer"):
        evaluation.density_coverage(REAL, FAKE, k=0)
    with pytest.raises(ValueError, match="covariances"):
        evaluation.frechet_of_normals([0.0], [[1.0]], [0.0, 1.0], np.eye(2))


def test_features_are_what_a_model_gives():
    weights = RNG.normal(size=(4, 3)).astype("float32")
    layer = keras.layers.Dense(3, use_bias=False)
    layer.build((None, 4))
    layer.set_weights([weights])
    x = REAL.astype("float32")
    for model in (layer, keras.Sequential([keras.Input((4,)), layer, keras.layers.Dropout(0.5)])):
        found = evaluation.features(model, x, batch_size=16)
        np.testing.assert_allclose(found, x @ weights, rtol=1e-4, atol=1e-5)
        assert found.dtype == "float64"
    with pytest.raises(ValueError, match="x has NaN"):
        evaluation.features(layer, x * np.nan)


@pytest.mark.parametrize("channels", [(), (1,)])
def test_a_small_classifier_gives_features_that_tell_classes_apart(channels):
    rng = np.random.default_rng(0)
    names = np.where(rng.random(200) < 0.5, "left", "right")
    x = 0.1 * rng.random((200, 8, 8)).astype("float32")
    x[names == "left", :, :4] += 0.8
    x[names == "right", :, 4:] += 0.8
    x = x.reshape(200, 8, 8, *channels)
    trained = evaluation.train_feature_classifier(x, names, epochs=5, batch_size=16, verbose=0)
    assert trained.accuracy == 1.0 and list(trained.classes) == ["left", "right"]
    left, right = (
        evaluation.features(trained.features, x[names == name]) for name in ("left", "right")
    )
    assert left.shape[1] == 64
    assert evaluation.frechet(left[:40], right[:40]) > 20 * evaluation.frechet(
        left[:40], left[40:80]
    )
    assert evaluation.exp_mean_kl(evaluation.features(trained.probabilities, x)) > 1.7


def test_the_seed_makes_the_classifier_repeatable():
    x, y = np.random.default_rng(0).random((30, 4, 4, 1)), np.arange(30) % 3
    found = [
        evaluation.train_feature_classifier(x, y, epochs=1, seed=3, verbose=0) for _ in range(2)
    ]
    first, second = (evaluation.features(trained.features, x) for trained in found)
    np.testing.assert_allclose(first, second, rtol=1e-5)
    with pytest.raises(ValueError, match="one class only"):
        evaluation.train_feature_classifier(x, y * 0)
    with pytest.raises(ValueError, match="a label each"):
        evaluation.train_feature_classifier(x, y[:-1])
