"""scikit-learn's own checks, on one backend: what they look at is the same on all."""

import keras
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import keras_vae as kv

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="hundreds of fits, which others compile"
)

SMALL = {"hidden_units": (16,), "latent_dim": 2, "epochs": 10}


@parametrize_with_checks(
    [
        kv.estimators.VAETransformer(**SMALL),
        kv.estimators.VAEDetector(**SMALL),
        kv.estimators.VAEImputer(**SMALL, n_training_samples=2),
        kv.estimators.VAEClassifier(**SMALL | {"epochs": 20}, learning_rate=0.01),
    ]
)
def test_check(estimator, check):
    check(estimator)
