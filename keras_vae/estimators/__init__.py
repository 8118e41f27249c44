"""scikit-learn estimators: a VAE that fits where a PCA, an IsolationForest or an imputer does."""

from keras_vae.validation.extras import require

require("sklearn", "sklearn", "keras_vae.estimators")

from keras_vae.estimators.classifier import VAEClassifier  # noqa: E402
from keras_vae.estimators.detector import VAEDetector  # noqa: E402
from keras_vae.estimators.imputer import VAEImputer  # noqa: E402
from keras_vae.estimators.transformer import VAETransformer  # noqa: E402

__all__ = ["VAEClassifier", "VAEDetector", "VAEImputer", "VAETransformer"]
