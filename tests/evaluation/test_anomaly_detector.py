"""AnomalyDetector: scores, calibration, p-values, false discoveries, and maps by feature."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from helpers import make_vae, to_numpy
from scipy import stats

import keras_vae as kv
from keras_vae.evaluation import conformal

SCORES = ("score", "log_likelihood", "reconstruction_probability", "error")
RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(size=(2, 6))


def usual(n, rng=RNG):
    return (rng.normal(size=(n, 2)) @ WEIGHTS + 0.3 * rng.normal(size=(n, 6))).astype("float32")


@pytest.fixture(scope="module")
def vae():
    """A model of a plane in six dimensions."""
    keras.utils.set_random_seed(0)
    vae = kv.VAE(
        kv.VariationalEncoder(2, kv.networks.DenseEncoder((16,))),
        kv.networks.DenseDecoder((6,), (16,)),
        kv.likelihoods.Gaussian("learned"),
    )
    vae.compile(keras.optimizers.Adam(1e-2))
    vae.fit(usual(1024), epochs=5, verbose=0)
    return vae


@pytest.fixture(scope="module")
def detector(vae):
    return kv.AnomalyDetector(vae).calibrate(usual(199), rate=0.05)


# Scores


def test_scores_are_what_they_say(vae):
    x = usual(20)
    detectors = {name: kv.AnomalyDetector(vae, name, n_samples=2000) for name in SCORES}
    found = {name: detector.score(x) for name, detector in detectors.items()}
    np.testing.assert_allclose(found["score"], -vae.score(x), rtol=1e-6)
    error = np.square(x - vae.reconstruct(x)).mean(axis=1)
    np.testing.assert_allclose(found["error"], error, rtol=1e-4)
    log_p, size = vae.log_likelihood(x, 5000, seed=3)
    sure = size > 500
    assert sure.sum() > 10
    np.testing.assert_allclose(found["log_likelihood"][sure], -log_p[sure], atol=0.15)
    # By draws of codes, and the density by SciPy.
    mean, std, _ = vae.encode_distribution(x)
    sigma = float(np.exp(to_numpy(vae.likelihood.log_sigma)))
    z = mean + std * np.random.default_rng(1).normal(size=(3000, 20, 2)).astype("float32")
    x_hat = vae.decode(z.reshape(-1, 2)).reshape(3000, 20, 6)
    expected = -stats.norm.logpdf(x, x_hat, sigma).sum(axis=-1).mean(axis=0)
    np.testing.assert_allclose(found["reconstruction_probability"], expected, rtol=0.05, atol=0.1)


@pytest.mark.parametrize("name", SCORES)
def test_higher_is_stranger(vae, name):
    detector = kv.AnomalyDetector(vae, name, n_samples=20).calibrate(usual(99), rate=0.05)
    odd = 3.0 * RNG.normal(size=(50, 6)).astype("float32")
    assert np.median(detector.score(odd)) > np.quantile(detector.score(usual(99)), 0.95)
    assert detector.predict(odd).mean() > 0.5


@pytest.mark.parametrize("name", SCORES)
def test_a_score_depends_on_its_row_alone(vae, name):
    x = usual(40)
    detector = kv.AnomalyDetector(vae, name, n_samples=10)
    found = detector.score(x)
    np.testing.assert_array_equal(found, detector.score(x))
    np.testing.assert_allclose(found[7:9], detector.score(x[7:9]), rtol=1e-5, atol=1e-5)


@pytest.mark.xla  # compiled as in the other process
def test_another_process_gives_the_same_bits(vae, tmp_path):
    x = usual(30)
    np.save(tmp_path / "x.npy", x)
    vae.save(tmp_path / "vae.keras")
    vae = kv.load_model(tmp_path / "vae.keras")
    detector = kv.AnomalyDetector(vae, "log_likelihood", n_samples=10).calibrate(x, rate=0.1)
    detector.save(tmp_path / "calibration.npz")
    script = (
        "import numpy as np, keras_vae as kv\n"
        "vae = kv.load_model('vae.keras')\n"
        "detector = kv.AnomalyDetector.load('calibration.npz', vae)\n"
        "x = np.load('x.npy')\n"
        "np.savez('found.npz', score=detector.score(x), p=detector.p_value(x))\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    with np.load(tmp_path / "found.npz") as found:
        np.testing.assert_array_equal(found["score"], detector.score(x))
        np.testing.assert_array_equal(found["p"], detector.p_value(x))


# Calibration


def test_p_values_are_those_of_the_definition():
    calibration, scores = RNG.integers(0, 20, 50), RNG.integers(-2, 23, 200)
    above = [(1 + (calibration >= s).sum()) / 51 for s in scores]
    np.testing.assert_allclose(conformal.p_values(calibration, scores), above)
    below = [(1 + (calibration <= s).sum()) / 51 for s in scores]
    both = np.minimum(1.0, 2 * np.minimum(above, below))
    np.testing.assert_allclose(conformal.p_values(calibration, scores, two_sided=True), both)


@pytest.mark.parametrize("two_sided", [False, True])
def test_false_alarms_come_at_the_rate(two_sided):
    repeats, n, m, rng = 200, 199, 100, np.random.default_rng(4)
    p = np.stack(
        [
            conformal.p_values(rng.gumbel(size=n), rng.gumbel(size=m), two_sided)
            for _ in range(repeats)
        ]
    )
    for rate in (0.01, 0.05, 0.1):
        # One sample of each set, as those of one set depend on one another.
        alarms = int(conformal.at_most(p[:, 0], rate).sum())
        low, high = stats.binom.interval(0.99, repeats, rate)
        assert low <= alarms <= high
        rates = conformal.at_most(p, rate).mean(axis=1)
        assert abs(rates.mean() - rate) < 3 * rates.std() / np.sqrt(repeats) + 1e-3
    step = (2 if two_sided else 1) / (n + 1)
    spread = p[:, 0] - step * rng.random(repeats)  # uniform, of multiples of the step
    assert stats.kstest(spread, "uniform").pvalue > 0.01


def test_the_realized_rate_is_beta_distributed():
    for two_sided, a in ((False, 10), (True, 10)):
        found = conformal.realized_rate(199, 0.05, two_sided)
        beta = stats.beta(a, 200 - a)
        assert found.expected == pytest.approx(beta.mean())
        assert found.low == pytest.approx(beta.ppf(0.05), rel=1e-6)
        assert found.high == pytest.approx(beta.ppf(0.95), rel=1e-6)
    rng = np.random.default_rng(0)
    limits = [conformal.threshold(rng.random(199), 0.05).high for _ in range(2000)]
    low, high = conformal.realized_rate(199, 0.05)[1:]
    within = np.mean([low <= 1.0 - limit <= high for limit in limits])
    assert within == pytest.approx(0.9, abs=0.025)


def test_the_model_keeps_its_rate(detector):
    low, high = stats.beta(10, 190).ppf([0.0005, 0.9995])
    assert low < detector.predict(usual(4000)).mean() < high


def test_predictions_follow_from_threshold_and_p_values(vae, detector):
    x = np.concatenate([usual(100), 2.0 * usual(100)])
    found = detector.predict(x)
    np.testing.assert_array_equal(found, detector.score(x) > detector.threshold)
    np.testing.assert_array_equal(found, detector.p_value(x) <= 0.05)
    np.testing.assert_array_equal(detector.predict(x, rate=0.2), detector.p_value(x) <= 0.2)
    both = kv.AnomalyDetector(vae, two_sided=True).calibrate(usual(199), rate=0.05)
    low, high = both.threshold
    score = both.score(x)
    np.testing.assert_array_equal(both.predict(x), (score < low) | (score > high))


def test_two_sided_finds_what_is_too_usual(vae):
    calm = 0.02 * usual(200)
    detector = kv.AnomalyDetector(vae).calibrate(usual(399), rate=0.05)
    assert detector.predict(calm).mean() == 0.0
    assert detector.predict(calm, two_sided=True).mean() > 0.9
    assert detector.p_value(calm, two_sided=True).max() < 0.2


def test_benjamini_hochberg_is_that_of_scipy():
    p = np.concatenate([RNG.random(100), RNG.random(30) ** 4])
    for level in (0.01, 0.1, 0.5):
        expected = stats.false_discovery_control(p) <= level
        np.testing.assert_array_equal(conformal.benjamini_hochberg(p, level), expected)
    assert not conformal.benjamini_hochberg(np.ones(5), 0.1).any()


def test_false_discoveries_are_few(vae):
    detector = kv.AnomalyDetector(vae).calibrate(usual(999), rate=0.01)
    x = np.concatenate([usual(180), 4.0 * RNG.normal(size=(20, 6)).astype("float32")])
    found = detector.predict(x, control="fdr", level=0.1)
    assert found[180:].mean() > 0.5
    assert found[:180].sum() <= 0.4 * found.sum()


def test_the_report_says_what_to_expect(detector):
    report = detector.report()
    assert report.n == 199 and report.rate == 0.05
    assert report.expected_rate == pytest.approx(10 / 200)
    np.testing.assert_allclose(report.rate_interval, stats.beta(10, 190).ppf([0.05, 0.95]))
    assert report.threshold.high == detector.threshold
    for text in ("199 usual samples", "5.00%", "90 %"):
        assert text in str(report)


def test_a_loaded_calibration_is_the_same(vae, detector, tmp_path):
    detector.save(tmp_path / "calibration.npz")
    loaded = kv.AnomalyDetector.load(tmp_path / "calibration.npz", vae)
    assert str(loaded.report()) == str(detector.report())
    x = usual(50)
    np.testing.assert_array_equal(loaded.p_value(x), detector.p_value(x))
    other = make_vae()
    other.build((None, 12))
    with pytest.raises(ValueError, match="other weights"):
        kv.AnomalyDetector.load(tmp_path / "calibration.npz", other)
    np.savez(tmp_path / "x.npz", x=x)
    with pytest.raises(ValueError, match="holds no calibration"):
        kv.AnomalyDetector.load(tmp_path / "x.npz", vae)


def test_what_cannot_work_is_refused(vae):
    detector = kv.AnomalyDetector(vae)
    for act in (detector.p_value, detector.predict):
        with pytest.raises(ValueError, match="not calibrated: call"):
            act(usual(5))
    for act in (detector.report, lambda: detector.threshold, lambda: detector.save("x.npz")):
        with pytest.raises(ValueError, match="not calibrated"):
            act()
    with pytest.raises(ValueError, match="score must be one of"):
        kv.AnomalyDetector(vae, score="likelihood")
    with pytest.raises(ValueError, match="rate must be a number between 0 and 1"):
        detector.calibrate(usual(100), rate=1.0)
    with pytest.raises(ValueError, match=r"98 .* too few for a rate of 0.01.*at least 99"):
        detector.calibrate(usual(98), rate=0.01)
    assert detector.calibrate(usual(99), rate=0.01).report().expected_rate == pytest.approx(0.01)
    with pytest.raises(ValueError, match=r"two-sided rate of 0\.01"):
        detector.predict(usual(5), two_sided=True)
    with pytest.raises(ValueError, match=r"too few for a rate of 0\.001"):
        detector.predict(usual(5), rate=0.001)
    with pytest.raises(ValueError, match="control must be one of"):
        detector.predict(usual(5), control="fwer")
    with pytest.raises(ValueError, match=r"shape \(n, 6\)"):
        detector.calibrate(np.zeros((200, 5), "float32"))
    with pytest.raises(ValueError, match="not built"):
        kv.AnomalyDetector(make_vae()).calibrate(usual(200))


def test_too_few_samples_are_refused_before_work(vae, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("it computes")

    monkeypatch.setattr(type(vae), "score", never)
    with pytest.raises(ValueError, match="too few"):
        kv.AnomalyDetector(vae).calibrate(usual(10), rate=0.01)


def test_streams_conditions_and_targets_go_through():
    condition = np.arange(64) % 2
    x = (RNG.random((64, 12)) < 0.5).astype("float32")
    vae = make_vae(condition=kv.conditions.OneHot(2), decoder=kv.networks.DenseDecoder(12, (8,)))
    vae.fit(x, condition=condition, verbose=0)
    for name in SCORES:
        detector = kv.AnomalyDetector(vae, name, n_samples=5)
        detector.calibrate(x, rate=0.1, condition=condition)
        p = detector.p_value(x, condition=condition)
        np.testing.assert_array_equal(p, detector.p_value({"x": x, "condition": condition}))
        assert not np.array_equal(p, detector.p_value(x, condition=1 - condition))
        batches = [({"x": x[i : i + 20], "condition": condition[i : i + 20]},) for i in (0, 20, 40)]
        streamed = detector.score(iter(batches))
        np.testing.assert_allclose(
            streamed, detector.score(x[:60], condition=condition[:60]), rtol=1e-4
        )
    plain = make_vae()
    plain.build((None, 12))
    y = 1.0 - x
    found = kv.AnomalyDetector(plain).score(x, y)
    np.testing.assert_allclose(found, -plain.score(x, y), rtol=1e-5)


# Maps


def test_maps_are_the_density_of_each_feature(vae):
    x = usual(20)
    found = vae.score_per_feature(x)
    sigma = float(np.exp(to_numpy(vae.likelihood.log_sigma)))
    expected = stats.norm.logpdf(x, vae.reconstruct(x), sigma)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    mean, std, _ = vae.encode_distribution(x)
    kl = 0.5 * (std**2 + mean**2 - 1.0 - 2.0 * np.log(std)).sum(axis=1)
    np.testing.assert_allclose(found.sum(axis=1) - kl, vae.score(x), rtol=1e-4, atol=1e-3)


def test_what_was_not_observed_adds_nothing():
    x = RNG.random((30, 12)).astype("float32")
    x[RNG.random(x.shape) < 0.3] = np.nan
    vae = make_vae(likelihood=kv.likelihoods.Masked("gaussian"))
    vae.fit(x, verbose=0)
    found = vae.score_per_feature(x)
    assert (found[np.isnan(x)] == 0.0).all() and np.isfinite(found).all()
    error = kv.AnomalyDetector(vae, "error").score(x)
    expected = np.nanmean(np.square(x - vae.reconstruct(x)), axis=1)
    np.testing.assert_allclose(error, expected, rtol=1e-4)


def test_a_log_likelihood_that_does_not_come_apart_has_no_map():
    def log_likelihood(target, params):
        return -keras.ops.sum(keras.ops.square(target - params), axis=-1)

    vae = make_vae(likelihood=log_likelihood)
    vae.build((None, 12))
    with pytest.raises(ValueError, match="FromFunction does not come apart"):
        vae.score_per_feature(np.zeros((3, 12), "float32"))
