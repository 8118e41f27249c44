"""Disentanglement scores: closed forms, definitions written plainly, and scikit-learn's own."""

import itertools
import math

import keras
import numpy as np
import pytest
from helpers import on_one_backend
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import mutual_info_score, roc_auc_score

import keras_vae as kv
from keras_vae import evaluation

pytestmark = on_one_backend

SIZES = (3, 2, 4)
# Each combination 20 times, in random order: factors that are exactly independent.
GRID = np.array(list(itertools.product(*map(range, SIZES))) * 20)
FACTORS = np.random.default_rng(0).permutation(GRID)
PERFECT = FACTORS.astype("float64")
NOISE = np.random.default_rng(1).normal(size=PERFECT.shape)


def test_a_code_that_is_the_factors_has_the_scores_of_a_perfect_one():
    assert evaluation.mig(PERFECT, FACTORS) == pytest.approx(1.0, abs=1e-12)
    assert evaluation.modularity(PERFECT, FACTORS) == pytest.approx(1.0, abs=1e-12)
    assert evaluation.explicitness(PERFECT, FACTORS).test > 0.99
    assert evaluation.irs(PERFECT, FACTORS) == pytest.approx(1.0, abs=1e-12)
    assert evaluation.factor_vae_score(PERFECT, FACTORS, 300, 100) == (1.0, 1.0)
    assert evaluation.beta_vae_score(PERFECT, FACTORS, 300, 100) == (1.0, 1.0)
    assert evaluation.mutual_info_score(PERFECT) == pytest.approx(0.0, abs=1e-12)
    assert evaluation.gaussian_total_correlation(PERFECT) == pytest.approx(0.0, abs=1e-12)
    assert evaluation.gaussian_wasserstein_correlation(PERFECT) == pytest.approx(0.0, abs=1e-12)
    assert evaluation.sap(PERFECT, FACTORS, continuous=True) > 0.98


def test_a_code_of_noise_knows_nothing():
    assert evaluation.mig(NOISE, FACTORS) < 0.05
    assert evaluation.sap(NOISE, FACTORS, continuous=True) < 0.05
    assert abs(evaluation.explicitness(NOISE, FACTORS).test - 0.5) < 0.1
    assert evaluation.factor_vae_score(NOISE, FACTORS, 300, 200).test < 0.6


def test_information_is_that_of_scikit_learn():
    z = NOISE + 0.5 * PERFECT
    table = evaluation.information_matrix(z, FACTORS, n_bins=7)
    bins = np.stack(
        [np.digitize(column, np.histogram(column, 7)[1][:-1]) for column in z.T], axis=1
    )
    np.testing.assert_array_equal(evaluation.discretize(z, 7) + 1, bins)
    expected = [[mutual_info_score(b, f) for f in FACTORS.T] for b in bins.T]
    np.testing.assert_allclose(table, expected, atol=1e-12)
    ordered = np.sort(table, axis=0)
    expected = np.mean((ordered[-1] - ordered[-2]) / np.log(SIZES))  # the grid is uniform
    assert evaluation.mig(z, FACTORS, n_bins=7) == pytest.approx(expected)
    pairs = [
        mutual_info_score(bins[:, i], bins[:, j]) for i in range(3) for j in range(3) if i != j
    ]
    assert evaluation.mutual_info_score(z, n_bins=7) == pytest.approx(np.mean(pairs))


def test_a_latent_that_holds_two_factors_is_seen_by_modularity_and_not_by_mig():
    both = PERFECT[:, 0] * 2 + PERFECT[:, 1]
    z = np.stack([both, PERFECT[:, 2]], axis=1)
    assert evaluation.mig(z, FACTORS) == pytest.approx(1.0)
    others = math.log(2) ** 2 / (math.log(3) ** 2 * 2)
    assert evaluation.modularity(z, FACTORS) == pytest.approx((1 - others + 1) / 2)


def test_a_constant_latent_knows_exactly_nothing():
    dead = np.full(len(FACTORS), 0.3, "float32")
    z = np.column_stack([PERFECT.astype("float32"), dead])
    table = evaluation.information_matrix(z, FACTORS)
    assert (table[3] == 0.0).all()
    assert evaluation.modularity(z, FACTORS) == pytest.approx(0.75)  # rounding would make it 1
    assert evaluation.irs(z, FACTORS) == pytest.approx(1.0)
    assert np.isfinite(evaluation.gaussian_total_correlation(z))
    assert evaluation.factor_vae_score(z, FACTORS, 200, 100).test == 1.0
    assert evaluation.explicitness(z, FACTORS) == evaluation.explicitness(PERFECT, FACTORS)


def test_explicitness_is_the_auroc_of_each_class():
    z, column = NOISE + 0.3 * PERFECT, FACTORS[:, :1]
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(z[:200])
    model = LogisticRegression().fit(scaler.transform(z[:200]), column[:200, 0])
    probabilities = model.predict_proba(scaler.transform(z[200:]))
    expected = roc_auc_score(column[200:, 0], probabilities, multi_class="ovr", average="macro")
    assert evaluation.explicitness(z, column, n_train=200).test == pytest.approx(expected)


def test_sap_of_a_perfect_code_is_one_minus_chance_for_two_classes():
    factors = np.random.default_rng(0).permutation(np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 50))
    z = factors * 2.0 - 1.0
    accuracy_by_the_other = [np.mean(factors[100:, i] == (z[100:, 1 - i] > 0)) for i in (0, 1)]
    found = evaluation.sap(z, factors)
    assert 0.4 < found < 0.6
    chance = [max(a, 1 - a) for a in accuracy_by_the_other]
    assert found >= 1 - np.mean(chance) - 1e-9


def test_sap_continuous_is_a_gap_of_squared_correlations():
    factors = np.random.default_rng(0).normal(size=(200, 2))  # no two rows share a value
    z = factors @ [[1.0, 0.5], [0.2, 1.0]]
    squared = np.corrcoef(z[:100].T, factors[:100].T)[:2, 2:] ** 2
    expected = np.abs(squared[0] - squared[1]).mean()
    assert evaluation.sap(z, factors, continuous=True) == pytest.approx(expected)


def test_dci_of_importances_is_one_minus_an_entropy():
    assert evaluation.dci_of_importance(np.eye(3)) == pytest.approx((1.0, 1.0), abs=1e-8)
    assert evaluation.dci_of_importance(np.ones((4, 3))) == pytest.approx((0.0, 0.0), abs=1e-8)
    # One latent for two factors: complete, not disentangled.
    found = evaluation.dci_of_importance([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert found == pytest.approx((2 / 3 * (1 - math.log(2) / math.log(3)) + 1 / 3, 1.0), abs=1e-8)
    assert evaluation.dci_of_importance(np.zeros((2, 2))) == (0.0, 0.0)


def test_dci_fits_a_copy_of_the_classifier_per_factor(capsys):
    trees = RandomForestClassifier(8, max_features=None, random_state=0)
    found = evaluation.dci(PERFECT, FACTORS, classifier=trees, verbose=1)
    assert found.disentanglement > 0.99 and found.completeness > 0.99
    assert found.informativeness_test == 1.0 and found.importance.shape == (3, 3)
    assert "dci" in capsys.readouterr().out
    default = evaluation.dci(PERFECT[:80], FACTORS[:80], seed=1)
    np.testing.assert_allclose(default.importance.argmax(axis=0), [0, 1, 2])
    with pytest.raises(AttributeError, match="feature_importances_"):
        evaluation.dci(PERFECT, FACTORS, classifier=DummyClassifier())


def test_irs_is_what_its_definition_says():
    z, scores, weights = NOISE + PERFECT, [], []
    for column in z.T:
        largest = np.abs(column - column.mean()).max()
        moves = []
        for factor in FACTORS.T:
            groups = [column[factor == value] for value in set(factor)]
            moves.append(np.mean([np.quantile(np.abs(g - g.mean()), 0.9) for g in groups]))
        scores.append(1 - min(moves) / largest)
        weights.append(largest)
    expected = np.average(scores, weights=weights)
    assert evaluation.irs(z, FACTORS, percentile=90) == pytest.approx(expected)


def test_gaussian_correlations_are_closed_forms():
    rng, r = np.random.default_rng(0), 0.6
    z = rng.normal(size=(400, 2))
    z = (z - z.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(z, rowvar=False))).T  # exactly I
    z = z @ np.linalg.cholesky([[1.0, r], [r, 1.0]]).T
    found = evaluation.gaussian_total_correlation(z)
    assert found == pytest.approx(-0.5 * math.log(1 - r**2))
    distance = 4 - 2 * (math.sqrt(1 + r) + math.sqrt(1 - r))
    assert evaluation.gaussian_wasserstein_correlation(z) == pytest.approx(distance)
    normalized = evaluation.gaussian_wasserstein_correlation(3 * z, normalized=True)
    assert normalized == pytest.approx(distance / 2)
    copied = np.column_stack([z[:, 0], z[:, 0]])
    assert evaluation.gaussian_total_correlation(copied) > 10


def test_factor_vae_votes_are_those_of_a_plain_loop():
    rng = np.random.default_rng(0)
    z = NOISE + PERFECT * [2.0, 1.0, 0.5]
    rows, held = rng.integers(len(z), size=(60, 8)), rng.integers(3, size=60)
    for i, factor in enumerate(held):
        same = np.flatnonzero(FACTORS[:, factor] == FACTORS[rows[i, 0], factor])
        rows[i] = rng.choice(same, 8)
    votes = [np.argmin(z[r].var(axis=0, ddof=1) / z.var(axis=0, ddof=1)) for r in rows]
    table = np.zeros((3, 3), int)
    for factor, vote in zip(held[:40], votes[:40], strict=True):
        table[factor, vote] += 1
    right = [table[:, vote].argmax() == factor for factor, vote in zip(held, votes, strict=True)]
    found = evaluation.factor_vae_score_of_rows(z, rows, held, 40)
    assert found == (np.mean(right[:40]), np.mean(right[40:]))


def test_scores_of_factors_that_are_no_grid_are_drawn_from_rows_that_share_a_value():
    # Factors that go together, and a value that comes once: it is never held.
    first = np.array([0, 1, 2] * 100 + [7])
    second = np.where(np.arange(301) % 10 < 8, first, 3)
    factors = np.column_stack([first, second])
    z = factors + 0.01 * np.random.default_rng(0).normal(size=factors.shape)
    one = evaluation.factor_vae_score(z, factors, 200, 100, seed=5)
    assert one == evaluation.factor_vae_score(z, factors, 200, 100, seed=5)
    assert 0.5 < one.test <= 1.0
    assert evaluation.beta_vae_score(z, factors, 200, 100).test > 0.8
    assert evaluation.factor_vae_score(1e-3 * z, factors, 200, 100) == (0.0, 0.0)  # all dead


def test_the_values_of_a_factor_may_be_any_numbers():
    values = FACTORS * 0.5 - 1.25
    for score in (evaluation.mig, evaluation.explicitness, evaluation.sap, evaluation.irs):
        assert score(PERFECT, values) == score(PERFECT, FACTORS)
    assert evaluation.factor_vae_score(PERFECT, values, 50, 20) == (1.0, 1.0)


CASES = [
    (PERFECT[:, 0], FACTORS, r"shape \(n, d\)"),
    (PERFECT, FACTORS[:9], "factors have 9"),
    (np.where(PERFECT == 1, np.nan, PERFECT), FACTORS, "NaN"),
    (PERFECT, np.where(FACTORS == 1, np.nan, FACTORS), "NaN"),
    (PERFECT, FACTORS[:, 0], r"factors\[:, None\]"),
    (PERFECT, FACTORS.astype(str), "return_inverse"),
    (PERFECT, FACTORS * [1, 0, 1], "Factor 1 has one value"),
    (PERFECT, NOISE, "into bins"),
]


@pytest.mark.parametrize(("z", "factors", "message"), CASES)
def test_what_does_not_fit_is_refused(z, factors, message):
    for score in (
        evaluation.mig,
        evaluation.modularity,
        evaluation.explicitness,
        evaluation.sap,
        evaluation.dci,
        evaluation.irs,
        evaluation.factor_vae_score,
        evaluation.beta_vae_score,
    ):
        with pytest.raises(ValueError, match=message):
            score(z, factors)


def test_scores_that_compare_need_two():
    for score in (evaluation.mig, evaluation.sap, evaluation.dci):
        with pytest.raises(ValueError, match="z has 1"):
            score(PERFECT[:, :1], FACTORS)
    for score in (evaluation.modularity, evaluation.dci, evaluation.factor_vae_score):
        with pytest.raises(ValueError, match="2 factors"):
            score(PERFECT, FACTORS[:, :1])
    with pytest.raises(ValueError, match="z has 1"):
        evaluation.mutual_info_score(PERFECT[:, :1])
    with pytest.raises(ValueError, match="leaves none"):
        evaluation.explicitness(PERFECT, FACTORS, n_train=len(PERFECT))
    ordered = np.argsort(FACTORS[:, 1], kind="stable")
    with pytest.raises(ValueError, match="Shuffle"):
        evaluation.explicitness(PERFECT[ordered], FACTORS[ordered])


@pytest.fixture(scope="module")
def vae():
    """A VAE whose means are the first three of five features."""
    keras.utils.set_random_seed(0)
    encoder = kv.VariationalEncoder(3, keras.layers.Flatten())
    vae = kv.VAE(encoder, kv.networks.DenseDecoder(5, (4,)))
    vae.build((None, 5))
    encoder.head.z_mean_head.set_weights([np.eye(5, 3), np.zeros(3)])
    return vae


class Grid:
    """Every combination of the factors once, and two features that say nothing."""

    def __len__(self):
        return 24

    def sample(self, n, seed=None):
        grid = np.array(list(itertools.product(*map(range, SIZES))))
        factors = grid[np.random.default_rng(seed).permutation(24)[:n]]
        return np.pad(factors, ((0, 0), (0, 2))).astype("float32"), factors


TREES = RandomForestClassifier(5, max_features=None, random_state=0)


def test_one_call_gives_all_scores_of_a_model(vae, capsys):
    x = np.pad(PERFECT, ((0, 0), (0, 2))).astype("float32")
    how = {"n_votes": (100, 50), "classifier": TREES}
    found = evaluation.disentanglement(vae, x, FACTORS, **how)
    assert "factor_vae" in capsys.readouterr().out  # progress
    names = ["mig", "modularity", "explicitness", "sap", "dci", "irs", "factor_vae", "beta_vae"]
    assert list(found) == names and all(isinstance(value, float) for value in found.values())
    assert found["mig"] == pytest.approx(1.0) and found["factor_vae"] == 1.0
    assert found.details["dci"].importance.shape == (3, 3)
    assert found.details["explicitness"].test == found["explicitness"]
    lines = str(found).splitlines()
    assert len(lines) == 8 and lines[0].startswith("mig") and "1.0000" in lines[0]
    again = evaluation.disentanglement(vae, (x, FACTORS), verbose=0, **how)
    assert again == found and not capsys.readouterr().out
    few = evaluation.disentanglement(vae, x, FACTORS, n_rows=100, scores=["irs", "mig"], verbose=0)
    assert list(few) == ["mig", "irs"]


def test_one_call_takes_a_grid(vae):
    found = evaluation.disentanglement(vae, Grid(), scores=["mig", "irs"], verbose=0)
    assert found == pytest.approx({"mig": 1.0, "irs": 1.0})
    with pytest.raises(ValueError, match="there are 24 rows"):
        evaluation.disentanglement(vae, Grid(), n_rows=25)


def test_one_call_refuses_by_name(vae):
    x = np.zeros((len(FACTORS), 5), "float32")
    with pytest.raises(ValueError, match=r"\['mi'\]; known are mig, "):
        evaluation.disentanglement(vae, x, FACTORS, scores=["mi"])
    with pytest.raises(ValueError, match="comes with its factors"):
        evaluation.disentanglement(vae, x)
    with pytest.raises(ValueError, match="factors have 7"):
        evaluation.disentanglement(vae, x, FACTORS[:7])
    with pytest.raises(ValueError, match=r"shape \(64, 64, 1\)"):
        evaluation.disentanglement(vae, kv.datasets.Sprites(), n_rows=200, scores=["mig"])


def test_the_entropy_of_a_factor_that_is_not_uniform():
    factors = np.array([[0, 0]] * 10 + [[0, 1]] * 30 + [[1, 0]] * 15 + [[1, 1]] * 45)
    z = factors * 1.0
    assert evaluation.mig(z, factors) == pytest.approx(1.0)
    assert evaluation.mutual_info_score(z) == pytest.approx(0.0, abs=1e-12)  # independent
