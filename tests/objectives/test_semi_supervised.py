"""Learning from few labels: M2 against a loop over classes, and a classifier beside a bound."""

import dataclasses

import keras
import numpy as np
import pytest
from helpers import make_vae, to_numpy
from keras import ops
from scipy import special

import keras_vae as kv
from keras_vae.training.row_order import Balance

N_CLASSES = 3
LABELS = np.arange(256) % N_CLASSES
SOME = np.where(np.arange(256) % 4 == 0, LABELS, -1)


@pytest.fixture
def classes_of_x(x):
    """Data whose class can be seen: two of its features say it."""
    x = x.copy()
    x[:, :N_CLASSES] = np.eye(N_CLASSES)[LABELS]
    return x


def make(alpha=0.5, **kwargs):
    kwargs.setdefault("condition", kv.conditions.OneHot(N_CLASSES))
    return make_vae(objective=kv.objectives.SemiSupervised(alpha), **kwargs)


def terms(vae, x, labels, noise=0.5):
    """-log p(x|y, z) and KL of each row for each class, by one conditional pass a class."""
    reconstruction, kl = [], []
    for k in range(N_CLASSES):
        given = vae.condition.given(np.full(len(x), k, "int32"))
        posterior = vae.posterior(ops.convert_to_tensor(x), given=given)
        z = posterior.z_mean + ops.exp(0.5 * posterior.z_log_var) * noise
        params = vae.params_given(z, given=given)
        reconstruction.append(-to_numpy(vae.likelihood.log_prob(x, params)))
        prior = vae.prior.given(given).distribution()
        kl.append(to_numpy(kv.distributions.kl_divergence(posterior, prior)))
    return np.stack(reconstruction, 1), np.stack(kl, 1)


@pytest.mark.parametrize("prior", ["standard_normal", "conditional_normal"])
@pytest.mark.parametrize("known", ["some", "all", "none"])
def test_the_bound_is_that_of_a_loop_over_classes(known, prior, x):
    """Kingma et al. 2014, equations 6, 7 and 9, in NumPy."""
    labels = {"some": SOME, "all": LABELS, "none": np.full(256, -1)}[known]
    vae = make(noise=0.5, prior=prior)
    vae.fit(x, labels=SOME, epochs=2, verbose=0)
    reconstruction, kl = terms(vae, x, labels)
    log_q = np.log(vae.classify(x))
    labelled_loss = reconstruction + kl + np.log(N_CLASSES)
    unlabelled = (np.exp(log_q) * (labelled_loss + log_q)).sum(axis=1)
    rows = np.arange(256)
    is_known = labels >= 0
    bound = np.where(is_known, labelled_loss[rows, labels], unlabelled)
    cross_entropy = -log_q[rows, labels][is_known].mean() if is_known.any() else 0.0
    logs = vae.evaluate(x, labels=labels, verbose=0, return_dict=True, batch_size=256)
    np.testing.assert_allclose(logs["loss"], bound.mean() + 0.5 * cross_entropy, rtol=1e-5)
    np.testing.assert_allclose(logs["negative_elbo"], bound.mean(), rtol=1e-5)
    np.testing.assert_allclose(logs["classification_loss"], cross_entropy, rtol=1e-4, atol=1e-6)


def test_all_labelled_is_the_conditional_loss_with_the_same_noise(x):
    vae = make()
    vae.fit(x, labels=SOME, verbose=0)
    conditional = kv.VAE(vae.encoder, vae.decoder, condition=vae.condition)
    conditional.compile()
    seed = to_numpy(vae.encoder.sampler.seed_generator.state)
    found = vae.evaluate(x, labels=LABELS, verbose=0, return_dict=True)
    vae.encoder.sampler.seed_generator.state.assign(seed)
    expected = conditional.evaluate(x, condition=LABELS, verbose=0, return_dict=True)
    np.testing.assert_allclose(
        found["loss"] - 0.5 * found["classification_loss"] - np.log(N_CLASSES),
        expected["loss"],
        rtol=1e-6,
    )


def test_without_labels_it_bounds_the_likelihood(x):
    vae = make()
    vae.fit(x, labels=SOME, epochs=3, verbose=0)
    log_p = special.logsumexp(
        [vae.log_likelihood(x, 500, condition=k, seed=0)[0] for k in range(N_CLASSES)], axis=0
    ) - np.log(N_CLASSES)
    bounds = [vae.evaluate(x, verbose=0, return_dict=True)["loss"] for _ in range(5)]
    assert np.mean(bounds) > -log_p.mean()
    assert np.mean(bounds) < -log_p.mean() + 3.0


def test_the_gradient_is_that_of_the_loop(x):
    """One step of gradient descent moves all weights as the loop's gradient, by differences."""
    vae = make(noise=0.5, optimizer=keras.optimizers.SGD(1e-2))
    vae.build((None, 12))
    kernel = vae.objective.default_classifier.weights[-1]
    batch = {"x": ops.convert_to_tensor(x[:32]), "labels": ops.convert_to_tensor(SOME[:32])}

    def loss():
        return float(to_numpy(vae.compute_loss(batch, training=False)))

    start, differences = to_numpy(kernel).copy(), []
    for i in range(N_CLASSES):
        values = []
        for sign in (1, -1):
            kernel.assign(start + sign * 0.05 * np.eye(N_CLASSES)[i])
            values.append(loss())
        differences.append((values[0] - values[1]) / 0.1)
    kernel.assign(start)
    vae.fit({"x": x[:32], "labels": SOME[:32]}, batch_size=32, verbose=0, shuffle=False)
    np.testing.assert_allclose((start - to_numpy(kernel)) / 1e-2, differences, rtol=0.02, atol=2e-3)


@pytest.mark.parametrize("kind", ["m2", "classifier", "conditional classifier"])
def test_it_learns_classifies_and_is_saved(kind, classes_of_x, tmp_path):
    x = classes_of_x
    given = {}
    if kind == "m2":
        vae = make(alpha=5.0)
    else:
        bound = kv.objectives.ELBO() + kv.objectives.Classifier(N_CLASSES, strength=20.0)
        if kind != "classifier":
            given = {"condition": np.arange(256) % 2}
        condition = {"condition": kv.conditions.OneHot(2)} if given else {}
        vae = make_vae(objective=bound, **condition)
    history = vae.fit(
        x, labels=SOME, epochs=30, batch_size=64, labelled_per_batch=16, verbose=0, **given
    ).history
    assert history["classification_loss"][-1] < 0.5 * history["classification_loss"][0]
    probabilities = vae.classify(x, **given)
    assert probabilities.shape == (256, N_CLASSES)
    if kind == "m2":  # without a class it is guessed
        guess = probabilities.argmax(axis=1)
        np.testing.assert_allclose(
            vae.reconstruct(x), vae.reconstruct(x, condition=guess), rtol=1e-5, atol=1e-6
        )
        np.testing.assert_allclose(
            vae.predict(x, verbose=0), vae.reconstruct(x), rtol=1e-5, atol=1e-6
        )
        with pytest.raises(ValueError, match="condition is missing"):
            vae.sample(3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)
    hidden = SOME < 0
    assert (probabilities.argmax(axis=1) == LABELS)[hidden].mean() > 0.9
    hidden_given = {name: c[hidden] for name, c in given.items()}
    temperature = vae.calibrate(x[hidden], LABELS[hidden], **hidden_given)
    sharper = vae.classify(x, **given)
    np.testing.assert_array_equal(sharper.argmax(axis=1), probabilities.argmax(axis=1))
    expected = special.softmax(np.log(probabilities) / temperature, axis=1)
    np.testing.assert_allclose(sharper, expected, rtol=1e-3, atol=1e-4)
    path = tmp_path / "vae.keras"
    vae.save(path)
    copy = kv.load_model(path)
    np.testing.assert_allclose(copy.classify(x, **given), sharper, rtol=1e-5, atol=1e-6)
    for model in (vae, copy):
        model.fit(x, labels=SOME, verbose=0, labelled_per_batch=8, **given)
    np.testing.assert_allclose(
        copy.classify(x, **given), vae.classify(x, **given), rtol=1e-4, atol=1e-5
    )


def test_the_temperature_is_the_one_of_least_loss(classes_of_x):
    objective = kv.objectives.ELBO() + kv.objectives.Classifier(N_CLASSES, strength=20.0)
    vae = make_vae(objective=objective)
    vae.fit(classes_of_x, labels=LABELS, epochs=20, verbose=0)
    rng = np.random.default_rng(0)
    labels = np.where(rng.random(256) < 0.3, rng.integers(N_CLASSES, size=256), LABELS)
    vae.calibrate(classes_of_x, labels)

    def loss(factor):
        p = special.softmax(factor * np.log(vae.classify(classes_of_x)), axis=1)
        return -np.log(p[np.arange(256), labels]).mean()

    assert loss(1.0) <= min(loss(0.95), loss(1.05))


def test_labels_may_be_strings(classes_of_x, tmp_path):
    names = np.array(["ant", "bee", "cat"])
    text = np.where(SOME >= 0, names[LABELS], None)
    for vae in (make(), make_vae(objective=kv.objectives.ELBO() + kv.objectives.Classifier(3))):
        vae.fit(classes_of_x, labels=text, verbose=0)
        vae.save(tmp_path / "vae.keras")
        copy = kv.load_model(tmp_path / "vae.keras")
        logs = copy.evaluate(classes_of_x, labels=text, verbose=0, return_dict=True)
        assert 0.0 < logs["classification_loss"] < 3.0
        with pytest.raises(ValueError, match="labels has 'dog', but the condition knows 'ant'"):
            copy.evaluate(classes_of_x, labels=["dog"] * 256, verbose=0)


@pytest.mark.parametrize("device_loop", [True, False])
def test_each_batch_has_its_labelled_rows(device_loop, x):
    class Count(kv.objectives.Penalty):
        """Logs how many rows of the batch have a label, to be averaged over equal batches."""

        term_names = ("n_labelled",)

        def terms(self, forward):
            known = ops.cast(forward.labels >= 0, "float32")
            return {"loss": 0.0 * ops.sum(known), "n_labelled": ops.sum(known)}

    few = np.where(np.arange(256) < 10, LABELS, -1)
    objective = kv.objectives.ELBO() + kv.objectives.Classifier(N_CLASSES) + Count()
    vae = make_vae(objective=objective, compile_kwargs={"device_loop": device_loop})
    # 246 rows without a label, 30 to a batch: 8 batches of 32, and one of 2 + 6.
    logs = vae.fit(x, labels=few, labelled_per_batch=2, epochs=3, verbose=0).history
    np.testing.assert_allclose(logs["n_labelled"], 2.0, rtol=1e-5)
    order = vae.row_order.next(256, Balance(few, 2, 32))
    assert len(order) == 246 + 2 * 9 == Balance(few, 2, 32).n_rows(256)
    assert sorted(set(order.tolist())) == list(range(256))
    assert (few[order.reshape(-1)[:256].reshape(8, 32)] >= 0).sum(axis=1).tolist() == [2] * 8


def test_alpha_weighs_the_mean_over_labelled_rows_whatever_their_number(x):
    vae = make(noise=0.5)
    vae.fit(x, labels=SOME, verbose=0)
    batch = {"x": ops.convert_to_tensor(x[:64])}
    losses = []
    for alpha in (0.0, 2.0):
        vae.objective.alpha = alpha
        labels = np.where(np.arange(64) < 3, LABELS[:64], -1)
        losses.append(float(to_numpy(vae.compute_loss(
            {**batch, "labels": ops.convert_to_tensor(labels)}, training=False))))  # fmt: skip
    p = vae.classify(x[:3])
    cross_entropy = -np.log(p[np.arange(3), LABELS[:3]]).mean()
    np.testing.assert_allclose(losses[1] - losses[0], 2.0 * cross_entropy, rtol=1e-3)


def test_rows_of_weight_zero_change_nothing(x):
    vae = make(noise=0.5)
    vae.fit(x, labels=SOME, verbose=0)
    weights = (np.arange(256) < 100).astype("float32")
    found = vae.evaluate(x, labels=SOME, sample_weight=weights, batch_size=256, verbose=0)
    expected = vae.evaluate(x[:100], labels=SOME[:100], batch_size=100, verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_streams_bring_labels(x):
    def batches():
        for i in range(0, 256, 32):
            yield {"x": x[i : i + 32], "labels": SOME[i : i + 32]}

    losses = []
    for data, arguments in ((batches(), {}), (x, {"labels": SOME})):
        keras.utils.set_random_seed(1)
        vae = make()
        losses.append(vae.fit(data, shuffle=False, verbose=0, **arguments).history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-5)


WRONG = {
    "missing": ({}, "pass labels=..., -1 for unknown ones"),
    "all unknown": ({"labels": np.full(256, -1)}, "All labels are unknown"),
    "length": ({"labels": LABELS[:5]}, "5 labels, but 256 rows of x"),
    "unseen": ({"labels": LABELS + 1}, "labels has 3"),
    "too many": ({"labels": SOME, "labelled_per_batch": 32}, "leaves no rows without labels"),
    "none to train on": (
        {
            "labels": np.where(np.arange(256) < 200, -1, LABELS),
            "validation_split": 0.25,
            "labelled_per_batch": 4,
        },
        "leaves no labelled ones to train on",
    ),
    "both": ({"labels": SOME, "condition": LABELS}, "labels stand for the condition"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_before_training(name, x):
    arguments, message = WRONG[name]
    vae = make()
    with pytest.raises(ValueError, match=message):
        vae.fit(x, verbose=0, **arguments)
    assert not vae.optimizer.built


def test_what_makes_no_sense_is_refused(x):
    semi_supervised = kv.objectives.SemiSupervised
    with pytest.raises(ValueError, match="give it one of categories"):
        make_vae(objective=semi_supervised())
    with pytest.raises(ValueError, match="is for 4 classes, but the VAE's condition has 3"):
        make_vae(objective=semi_supervised(n_classes=4), condition=kv.conditions.OneHot(N_CLASSES))
    for likelihood in (kv.likelihoods.Gaussian("optimal"),
                       kv.likelihoods.Masked(kv.likelihoods.Gaussian("optimal"))):  # fmt: skip
        with pytest.raises(ValueError, match="follows from one reconstruction"):
            make(likelihood=likelihood)
    for likelihood in ("gaussian", kv.likelihoods.Gaussian("learned"), "poisson"):
        losses = make(likelihood=likelihood).fit(x, labels=SOME, verbose=0).history["loss"]
        assert np.isfinite(losses).all()
    with pytest.raises(ValueError, match="takes no penalties"):
        semi_supervised() + kv.objectives.MMD()
    vae = make(compile_kwargs={"metrics": ["mse"]})
    with pytest.raises(ValueError, match="Compile without metrics"):
        vae.fit(x, labels=SOME, verbose=0)
    wide = keras.layers.Dense(5)
    vae = make_vae(
        objective=semi_supervised(classifier=wide), condition=kv.conditions.OneHot(N_CLASSES)
    )
    with pytest.raises(ValueError, match="logits of 3 classes"):
        vae.fit(x, labels=SOME, verbose=0)
    with pytest.raises(ValueError, match="The model has no classifier"):
        make_vae().classify(x)


def test_forward_holds_what_an_objective_of_ones_own_needs(x):
    seen = {}

    class Spy(kv.objectives.Penalty):
        term_names = ("spy",)

        def terms(self, forward):
            seen.update({f.name: getattr(forward, f.name) for f in dataclasses.fields(forward)})
            return {"loss": 0.0, "spy": 0.0}

    objective = kv.objectives.ELBO() + kv.objectives.Classifier(N_CLASSES) + Spy()
    vae = make_vae(objective=objective, condition=kv.conditions.OneHot(N_CLASSES))
    vae.build((None, 12))
    vae.compute_loss({"x": x[:8], "condition": LABELS[:8], "labels": SOME[:8]}, training=False)
    np.testing.assert_array_equal(to_numpy(seen["labels"]), SOME[:8])
    np.testing.assert_array_equal(to_numpy(seen["given"].vector), np.eye(3)[LABELS[:8]])
