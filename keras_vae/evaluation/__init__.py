"""What a trained model is worth and says: likelihood, codes, samples, odd rows, missing values."""

from keras_vae.evaluation.aggregate_posterior import (
    KLDecomposition,
    dimension_wise_kl,
    kl_decomposition,
    kl_decomposition_of,
    marginal_kl,
    mutual_information,
    total_correlation,
)
from keras_vae.evaluation.anomaly import auroc, average_precision, fpr_at_95_tpr
from keras_vae.evaluation.anomaly_detector import AnomalyDetector
from keras_vae.evaluation.anomaly_scores import score_per_feature
from keras_vae.evaluation.calibration import (
    Reliability,
    brier_score,
    expected_calibration_error,
    gaussian_coverage,
    gaussian_crps,
    gaussian_nll,
    maximum_calibration_error,
    reliability,
    rms_calibration_error,
)
from keras_vae.evaluation.calibration_report import CalibrationReport
from keras_vae.evaluation.dci import DCI, dci, dci_of_importance
from keras_vae.evaluation.disentanglement import Disentanglement, disentanglement
from keras_vae.evaluation.explicitness import explicitness
from keras_vae.evaluation.factors import TrainTest
from keras_vae.evaluation.feature_models import (
    FeatureClassifier,
    features,
    train_feature_classifier,
)
from keras_vae.evaluation.gaussian_correlation import (
    gaussian_total_correlation,
    gaussian_wasserstein_correlation,
)
from keras_vae.evaluation.generation import (
    exp_mean_kl,
    frechet,
    frechet_of_normals,
    kid,
    kid_subsets,
)
from keras_vae.evaluation.imputation import Imputation, impute
from keras_vae.evaluation.irs import irs
from keras_vae.evaluation.likelihood import LogLikelihood, log_likelihood
from keras_vae.evaluation.mutual_information_scores import (
    discretize,
    information_matrix,
    mig,
    modularity,
    mutual_info_score,
)
from keras_vae.evaluation.neighbourhoods import (
    DensityCoverage,
    PrecisionRecall,
    density_coverage,
    inside_neighbourhoods,
    precision_recall,
)
from keras_vae.evaluation.representation import (
    cluster_accuracy,
    knn_probe,
    linear_probe,
    representation,
)
from keras_vae.evaluation.sap import sap
from keras_vae.evaluation.scores import Scores
from keras_vae.evaluation.usage import active_units, has_kl_per_dimension, kl_per_dimension
from keras_vae.evaluation.votes import (
    beta_vae_score,
    beta_vae_score_of_rows,
    factor_vae_score,
    factor_vae_score_of_rows,
)

__all__ = [
    "DCI",
    "AnomalyDetector",
    "CalibrationReport",
    "DensityCoverage",
    "Disentanglement",
    "FeatureClassifier",
    "Imputation",
    "KLDecomposition",
    "LogLikelihood",
    "PrecisionRecall",
    "Reliability",
    "Scores",
    "TrainTest",
    "active_units",
    "auroc",
    "average_precision",
    "beta_vae_score",
    "beta_vae_score_of_rows",
    "brier_score",
    "cluster_accuracy",
    "dci",
    "dci_of_importance",
    "density_coverage",
    "dimension_wise_kl",
    "discretize",
    "disentanglement",
    "exp_mean_kl",
    "expected_calibration_error",
    "explicitness",
    "factor_vae_score",
    "factor_vae_score_of_rows",
    "features",
    "fpr_at_95_tpr",
    "frechet",
    "frechet_of_normals",
    "gaussian_coverage",
    "gaussian_crps",
    "gaussian_nll",
    "gaussian_total_correlation",
    "gaussian_wasserstein_correlation",
    "has_kl_per_dimension",
    "impute",
    "information_matrix",
    "inside_neighbourhoods",
    "irs",
    "kid",
    "kid_subsets",
    "kl_decomposition",
    "kl_decomposition_of",
    "kl_per_dimension",
    "knn_probe",
    "linear_probe",
    "log_likelihood",
    "marginal_kl",
    "maximum_calibration_error",
    "mig",
    "modularity",
    "mutual_info_score",
    "mutual_information",
    "precision_recall",
    "reliability",
    "representation",
    "rms_calibration_error",
    "sap",
    "score_per_feature",
    "total_correlation",
    "train_feature_classifier",
]
