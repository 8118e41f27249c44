"""What scikit-learn's checks leave out: what the estimators learn, and that they travel."""

import pickle
import random
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from helpers import on_one_backend
from sklearn.base import clone
from sklearn.datasets import load_iris, make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import keras_vae as kv
from keras_vae.estimators import VAEClassifier, VAEDetector, VAEImputer, VAETransformer

SMALL = {"hidden_units": (16,), "latent_dim": 2, "epochs": 10, "random_state": 0}
RNG = np.random.default_rng(0)
IRIS = StandardScaler().fit_transform(load_iris().data)
HOLES = np.where(RNG.random(IRIS.shape) < 0.3, np.nan, IRIS)
BLOBS, CLASSES = make_blobs(240, centers=3, cluster_std=0.7, random_state=1)
BLOBS = StandardScaler().fit_transform(BLOBS)


@pytest.fixture(scope="module")
def transformer():
    return VAETransformer(**SMALL).fit(IRIS)


@pytest.fixture(scope="module")
def imputer():
    return VAEImputer(**SMALL | {"epochs": 60}, n_samples=200).fit(HOLES)


def test_transformer_gives_what_its_vae_gives(transformer):
    x, vae = IRIS.astype("float32"), transformer.vae_
    codes = transformer.transform(IRIS)
    np.testing.assert_allclose(codes, vae.encode(x), atol=1e-5)
    np.testing.assert_allclose(transformer.inverse_transform(codes), vae.reconstruct(x), atol=1e-4)
    with pytest.raises(ValueError, match="takes codes of 2"):
        transformer.inverse_transform(IRIS)


def test_score_is_the_elbo(transformer):
    vae, x = transformer.vae_, np.repeat(IRIS, 8, axis=0).astype("float32")
    expected = -vae.evaluate(x, verbose=0, return_dict=True)["negative_elbo"]
    assert transformer.score(IRIS) == pytest.approx(expected, abs=0.15)
    assert transformer.score(IRIS) == transformer.score_samples(IRIS).mean()
    # log p(x) is what it bounds.
    gap = vae.log_likelihood(IRIS, n_samples=200, seed=0).log_likelihood.mean() - expected
    assert gap > -0.05


def test_same_seed_same_fit_and_the_generators_of_others_are_left_alone(transformer):
    np.random.seed(1)
    random.seed(1)
    before = np.random.get_state()[1].copy(), random.getstate()
    again = clone(transformer).fit(IRIS)
    np.testing.assert_array_equal(again.transform(IRIS), transformer.transform(IRIS))
    assert (np.random.get_state()[1] == before[0]).all() and random.getstate() == before[1]
    other = clone(transformer).set_params(random_state=1).fit(IRIS)
    assert np.abs(other.transform(IRIS) - transformer.transform(IRIS)).max() > 0.01


@on_one_backend
def test_frames_in_and_out():
    frame = pd.DataFrame(IRIS, columns=["a", "b", "c", "d"])
    transformer = VAETransformer(**SMALL).set_output(transform="pandas").fit(frame)
    assert transformer.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    found = transformer.transform(frame)
    assert found.columns.tolist() == ["vaetransformer0", "vaetransformer1"]
    with pytest.raises(ValueError, match="feature names"):
        transformer.transform(frame.rename(columns={"a": "e"}))


def test_pickle(transformer, imputer):
    for estimator, x in ((transformer, IRIS), (imputer, HOLES)):
        again = pickle.loads(pickle.dumps(estimator))
        np.testing.assert_allclose(again.transform(x), estimator.transform(x), rtol=1e-6)
        assert again.get_params() == estimator.get_params()
        assert again.history_ == estimator.history_


@on_one_backend
def test_likelihood_of_ones_own_is_left_as_it_is():
    given = kv.likelihoods.Gaussian("per_feature")
    estimator = VAETransformer(**SMALL | {"epochs": 1}, likelihood=given)
    estimator.fit(IRIS).fit(IRIS[:, :3])
    assert estimator.likelihood is given and not given.built
    assert estimator.vae_.likelihood.sigma == "per_feature"
    pixels = VAETransformer(**SMALL | {"epochs": 1}, likelihood="bernoulli").fit(IRIS > 0)
    assert isinstance(pixels.vae_.likelihood, kv.likelihoods.Bernoulli)


@on_one_backend
def test_early_stopping_keeps_the_best_weights():
    options = {"patience": 2, "validation_fraction": 0.2, "epochs": 40, "learning_rate": 0.1}
    stopped = VAETransformer(**SMALL | options).fit(IRIS)
    losses = stopped.history_["val_loss"]
    assert len(losses) == stopped.n_iter_ < 40
    assert np.argmin(losses) == stopped.n_iter_ - 3
    with pytest.raises(ValueError, match="validation_fraction must be"):
        stopped.set_params(validation_fraction=1.5).fit(IRIS)


@on_one_backend
def test_grid_search_in_two_processes():
    steps = StandardScaler(), VAETransformer(**SMALL | {"epochs": 2}), LogisticRegression()
    grid = {"vaetransformer__latent_dim": [1, 2], "vaetransformer__beta": [0.5, 2.0]}
    x, y = load_iris(return_X_y=True)
    search = GridSearchCV(make_pipeline(*steps), grid, cv=2, n_jobs=2, error_score="raise")
    search.fit(x, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    dimension = search.best_params_["vaetransformer__latent_dim"]
    assert search.best_estimator_[:-1].transform(x).shape == (len(x), dimension)


def test_imputer_fills_holes_and_leaves_the_rest(imputer):
    filled = imputer.transform(HOLES)
    missing = np.isnan(HOLES)
    np.testing.assert_array_equal(filled[~missing], HOLES[~missing])
    np.testing.assert_array_equal(filled, imputer.transform(HOLES))
    error = np.mean((filled - IRIS)[missing] ** 2)
    assert error < 0.7 * np.mean((np.nanmean(HOLES, axis=0) - IRIS)[missing] ** 2)
    # Filled as the model does, to the noise of its draws.
    expected = imputer.vae_.impute(HOLES, n_samples=2000, seed=5)
    assert np.sqrt(np.mean((filled - expected)[missing] ** 2)) < 0.2
    assert np.isfinite(imputer.transform(np.full((1, 4), np.nan))).all()


@on_one_backend
def test_imputer_refuses_what_was_never_observed():
    frame = pd.DataFrame(HOLES, columns=["a", "b", "c", "d"]).assign(c=np.nan)
    with pytest.raises(ValueError, match="No value of c was observed"):
        VAEImputer(**SMALL).fit(frame)


def test_detector_keeps_its_rate_of_false_alarms():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(2, 5))
    usual = rng.normal(size=(3000, 2)) @ weights + 0.3 * rng.normal(size=(3000, 5))
    fit = {**SMALL, "epochs": 5, "calibration_fraction": 0.5}
    detector = VAEDetector(**fit, rate=0.1).fit(usual[:1000])
    # Over calibration sets of 500 the rate has a standard deviation of 0.013.
    assert np.mean(detector.predict(usual[1000:]) == -1) == pytest.approx(0.1, abs=0.05)
    assert np.mean(detector.predict(10 * usual[:100]) == -1) > 0.9
    p = detector.detector_.p_value(usual[1000:].astype("float32"))
    assert np.mean((p <= 0.1) == (detector.predict(usual[1000:]) == -1)) > 0.999
    again = pickle.loads(pickle.dumps(detector))
    assert str(again.detector_.report()) == str(detector.detector_.report())


@on_one_backend
def test_detector_of_a_known_share():
    detector = VAEDetector(**SMALL, contamination=0.1, anomaly_score="error").fit(IRIS)
    assert np.sum(detector.predict(IRIS) == -1) == 15
    assert detector.rate_ is None


@on_one_backend
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"rate": 0.01}, "30 calibration samples are too few"),
        ({"contamination": 0.7}, r"contamination must be a number in \(0, 0.5\], or 'auto'"),
        ({"contamination": "guess"}, "received 'guess'"),
        ({"calibration_fraction": 1.0}, r"calibration_fraction must be a number in \(0, 1\)"),
    ],
)
def test_detector_refuses_before_it_trains(arguments, error):
    detector = VAEDetector(**SMALL, **arguments)
    with pytest.raises(ValueError, match=error):
        detector.fit(IRIS)
    assert "vae_" not in vars(detector)


@pytest.mark.parametrize(
    "unknown",
    [pytest.param(-1, marks=on_one_backend), None, pytest.param(np.nan, marks=on_one_backend)],
)
def test_classifier_of_few_labels(unknown):
    labelled = np.arange(len(BLOBS)) < 12
    y = np.array(["x", "y", "z"], object)[CLASSES] if unknown is None else CLASSES.astype(object)
    truth = y.astype(str) if unknown is None else CLASSES
    given = np.where(labelled, y, unknown)
    if unknown is not None:
        given = given.astype(float)
    classifier = VAEClassifier(**SMALL | {"epochs": 20}, learning_rate=0.01).fit(BLOBS, given)
    assert classifier.classes_.tolist() == sorted(set(truth))
    assert classifier.score(BLOBS, truth) > 0.95
    np.testing.assert_allclose(classifier.predict_proba(BLOBS).sum(axis=1), 1.0)


@on_one_backend
def test_classifier_reads_missing_labels_of_frames():
    y = pd.Series(CLASSES, dtype="Int64").mask(np.arange(len(CLASSES)) >= 12)
    classifier = VAEClassifier(**SMALL, patience=3).fit(BLOBS, y)
    assert classifier.classes_.tolist() == [0, 1, 2]
    assert "val_classification_loss" in classifier.history_


@on_one_backend
@pytest.mark.parametrize(
    ("y", "error"),
    [
        (np.zeros(240), "y has 1 class,"),
        (np.where(CLASSES == 0, 0, -1), "y has 1 class,"),
        (np.full(240, np.nan), "y has 0 classes,"),
        (np.linspace(0, 1, 240), "continuous"),
        (CLASSES[:-1], "inconsistent"),
    ],
)
def test_classifier_refuses_labels(y, error):
    with pytest.raises(ValueError, match=error):
        VAEClassifier(**SMALL).fit(BLOBS, y)


@on_one_backend
def test_minus_one_and_one_are_two_classes():
    y = np.where(CLASSES == 0, -1, 1)
    with pytest.warns(UserWarning, match="taken for two classes"):
        classifier = VAEClassifier(**SMALL).fit(BLOBS, y)
    assert classifier.classes_.tolist() == [-1, 1]


@on_one_backend
def test_scikit_learn_is_needed_by_the_estimators_alone():
    code = """
import sys
sys.modules["sklearn"] = None
import keras_vae
try:
    keras_vae.estimators
except ImportError as error:
    assert 'pip install "keras-vae[sklearn]"' in str(error), error
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
