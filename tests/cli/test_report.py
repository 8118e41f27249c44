"""The report of evaluate: its numbers beside the functions', and the page as a browser reads it."""

import base64
import json
import warnings
from html.parser import HTMLParser

import keras
import numpy as np
import pytest
from command import BACKEND, finish
from helpers import on_one_backend

import keras_vae as kv
from keras_vae import evaluation
from keras_vae.cli import report, report_page
from keras_vae.cli.app import run

pytestmark = on_one_backend

pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")
VOID = {"meta", "img", "br", "link"}
N = 60


class Page(HTMLParser):
    """Reads a page strictly: each tag that opens must close in its turn."""

    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.pictures, self.text = [], [], {}, []
        self.feed(text)
        self.close()
        assert not self.open
        self.text = " ".join(" ".join(self.text).split())

    def handle_starttag(self, tag, attrs):
        assert tag != "script"
        attrs = dict(attrs)
        if tag == "img":
            self.pictures[attrs["alt"]] = attrs["src"]
        self.links += [attrs[name] for name in ("href", "src") if name in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text.append(data)


def read(folder):
    """Returns the numbers and the page, which has all that it shows inside."""
    assert sorted(path.name for path in folder.iterdir()) == ["index.html", "report.json"]
    html = (folder / "index.html").read_text(encoding="utf-8")
    assert "url(" not in html and "@import" not in html
    page = Page(html)
    for link in page.links:
        start, data = link.split(",")
        assert start == "data:image/png;base64"
        assert base64.b64decode(data, validate=True).startswith(b"\x89PNG")
    return json.loads((folder / "report.json").read_text(encoding="utf-8")), page


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Rows of three classes, some labelled, with factors; images; and models of both."""
    folder = tmp_path_factory.mktemp("report")
    rng = np.random.default_rng(0)
    y = np.sort(np.arange(N) % 3)  # by class, as many files are
    names = np.array(["a & b", "<i>", "c"])[y]
    x = np.eye(3)[y] + 0.1 * rng.normal(size=(N, 3))
    holes = np.where(rng.random(x.shape) < 0.05, np.nan, x)
    np.savez(
        folder / "rows.npz", x=x, holes=holes, images=rng.random((N, 8, 8, 1)),
        y=np.where(np.arange(N) % 5, y, -1), names=names, few=np.where(np.arange(N) % 10, -1, y),
        one=np.zeros(N, int), factors=rng.integers(3, size=(N, 2)), c=y.astype("float32"),
    )  # fmt: skip
    lines = [f"{a:.3f},{n},{b:.3f},{c:.3f},{i % 4}" for i, ((a, b, c), n) in
             enumerate(zip(x, names, strict=True))]  # fmt: skip
    (folder / "rows.csv").write_text("\n".join(["a,kind,b,c,i", *lines]), encoding="utf-8")
    keras.utils.set_random_seed(0)
    make(
        "table",
        folder,
        (3,),
        likelihood="gaussian",
        objective=kv.objectives.ELBO() + kv.objectives.Classifier(3),
    )
    make("plain", folder, (3,), likelihood=kv.likelihoods.Masked(kv.likelihoods.Gaussian()))
    make("m2", folder, (3,), likelihood="gaussian", objective=kv.objectives.SemiSupervised(),
         condition=kv.conditions.OneHot(3))  # fmt: skip
    make("images", folder, (8, 8, 1), likelihood="bernoulli")
    make("conditional", folder, (8, 8, 1), condition=kv.conditions.Continuous(1))
    make("point", folder, (3,), "point", likelihood="gaussian", objective="rae")
    return folder


def make(name, folder, shape, posterior="diagonal_normal", **parts):
    encoder = kv.VariationalEncoder(3, kv.networks.DenseEncoder((8,)), posterior=posterior)
    vae = kv.VAE(encoder, kv.networks.DenseDecoder(shape, (8,)), **parts)
    vae.compile()
    vae.build((None, *shape))
    vae.save(folder / f"{name}.keras")


def evaluate(folder, output, model, array, *options, draws=5):
    arguments = [folder / f"{model}.keras", folder / "rows.npz", "--array", array]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an untrained point model
        return run(["evaluate", *map(str, arguments), "--draws", str(draws), "--report",
                    str(output), *options])  # fmt: skip


def rows_of(folder):
    with np.load(folder / "rows.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


def test_the_numbers_are_those_of_the_functions(folder, tmp_path, capsys):
    output, file = tmp_path / "new" / "report", tmp_path / "numbers.json"
    options = ["--labels", "y", "--factors", "factors", "--json", str(file)]
    assert evaluate(folder, output, "table", "x", *options) == 0
    assert "index.html, report.json" in " ".join(capsys.readouterr().out.split())
    found, page = read(output)
    rows, vae = rows_of(folder), keras.saving.load_model(folder / "table.keras")
    x, known = rows["x"].astype("float32"), np.flatnonzero(rows["y"] >= 0)
    y = rows["y"][known]
    logs = vae.evaluate(x, verbose=0, return_dict=True)
    for name in ("negative_elbo", "reconstruction_loss", "kl_loss"):
        assert found[name] == pytest.approx(logs[name], rel=0.2, abs=0.2)  # another draw
    log_p = vae.log_likelihood(x, 5, seed=0).log_likelihood.mean()
    assert found["log_likelihood"] == pytest.approx(float(log_p), rel=1e-4)
    np.testing.assert_allclose(found["kl_per_dimension"], vae.kl_per_dimension(x), rtol=1e-4)
    assert sum(found["kl_per_dimension"]) == pytest.approx(found["kl_loss"], rel=1e-4)
    assert found["active_units"] == vae.active_units(x)
    p = vae.classify(x[known])
    assert found["accuracy"] == pytest.approx(np.mean(p.argmax(axis=1) == y))
    error = evaluation.expected_calibration_error(p, y)
    assert found["calibration_error"] == pytest.approx(error, abs=1e-5)
    assert found["brier_score"] == pytest.approx(evaluation.brier_score(p, y), abs=1e-5)
    order = np.random.default_rng(0).permutation(known)  # not by class
    for name, value in evaluation.representation(vae, x[order], rows["y"][order]).items():
        assert found[name] == pytest.approx(value, abs=1e-3)
    scores = evaluation.disentanglement(vae, x, rows["factors"], verbose=0)
    assert found["disentanglement"] == pytest.approx(scores, abs=1e-3)
    assert found.items() >= json.loads(file.read_text()).items()
    assert set(page.pictures) == {
        "KL of each latent dimension", "Codes", "Scores", "Calibration of the classifier",
        "Factors in the code",
    }  # fmt: skip
    assert f"{found['negative_elbo']:.2f}" in page.text
    assert f"{found['disentanglement']['mig']:.3f}" in page.text


def test_the_settings_are_kept(folder, tmp_path):
    assert evaluate(folder, tmp_path / "r", "plain", "x", "--rows", "50", "--seed", "3") == 0
    found, page = read(tmp_path / "r")
    assert found["settings"] == {
        "model_file": str(folder / "plain.keras"), "data": str(folder / "rows.npz"), "array": "x",
        "condition": None, "labels": None, "factors": None, "rows": 50, "rows_of_data": N,
        "draws": 5, "seed": 3,
    }  # fmt: skip
    assert found["versions"]["keras"] == keras.__version__
    assert BACKEND in found["versions"]
    assert found["model"]["posterior"] == "DiagonalNormal"
    assert str(folder / "plain.keras") in page.text and keras.__version__ in page.text
    assert evaluate(folder, tmp_path / "r", "plain", "x", draws=0) == 0  # in its own place
    assert read(tmp_path / "r")[0]["rows"] == N


def test_images_are_drawn(folder, tmp_path):
    assert evaluate(folder, tmp_path / "r", "images", "images") == 0
    of_images = {"Reconstructions", "Samples", "Traversal", "The least usual images"}
    assert of_images < set(read(tmp_path / "r")[1].pictures)
    options = ("--condition", "c")
    assert evaluate(folder, tmp_path / "c", "conditional", "images", *options) == 0
    assert of_images < set(read(tmp_path / "c")[1].pictures)


def test_a_table_names_its_labels_and_factors_by_column(folder, tmp_path):
    options = ["--labels", "kind", "--factors", "kind, i", "--draws", "0", "--report"]
    arguments = [str(folder / "plain.keras"), str(folder / "rows.csv")]
    assert run(["evaluate", *arguments, *options, str(tmp_path / "r")]) == 0
    found, page = read(tmp_path / "r")
    assert set(found["disentanglement"]) >= {"mig", "dci", "factor_vae"}
    assert "accuracy" not in found and found["linear_probe"] > 0.3
    assert found["settings"]["factors"] == ["kind", "i"]
    assert "What the code tells of the labels" in page.text


def test_models_that_lack_some_numbers_have_a_report(folder, tmp_path):
    assert evaluate(folder, tmp_path / "m2", "m2", "x", "--labels", "y") == 0
    found, page = read(tmp_path / "m2")
    assert 0 <= found["accuracy"] <= 1 and "Calibration of the classifier" in page.pictures
    assert evaluate(folder, tmp_path / "point", "point", "x") == 0
    found, page = read(tmp_path / "point")
    assert "kl_per_dimension" not in found and set(page.pictures) == {"Codes"}
    assert evaluate(folder, tmp_path / "holes", "plain", "holes", "--labels", "y") == 0
    found, page = read(tmp_path / "holes")
    assert "knn_probe" in found and "trustworthiness" not in found


def test_what_is_given_wrongly_is_said_before_long_work(folder, tmp_path, capsys, monkeypatch):
    def refused(*options, model="table", output=None):
        assert evaluate(folder, output or tmp_path / "r", model, "x", *options) == 2
        error = capsys.readouterr().err
        assert len(error.splitlines()) == 1
        return error

    monkeypatch.setattr(kv.VAE, "evaluate", None)  # what begins the work
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("")
    assert "holds other things than a report, such as thesis.tex" in refused(output=mine)
    assert "is a file" in refused(output=mine / "thesis.tex")
    assert "has 6 labelled rows" in refused("--labels", "few")
    assert "of 1 classes" in refused("--labels", "one", model="plain")
    assert "Factor 0 has one value" in refused("--factors", "one,y")
    assert "2 factors or more" in refused("--factors", "y")
    assert "no array 'size'" in refused("--factors", "y,size")
    assert "60 values in 60 rows" in refused("--factors", "x")
    monkeypatch.setattr("keras_vae.cli.package.is_installed", lambda *names: "sklearn" in names)
    assert 'pip install "keras-vae[plots]"' in refused()
    monkeypatch.setattr("keras_vae.cli.package.is_installed", lambda *names: "sklearn" not in names)
    assert 'pip install "keras-vae[sklearn]"' in refused("--labels", "y")
    assert list(tmp_path.iterdir()) == [mine]
    file = [str(folder / "plain.keras"), str(folder / "rows.npz")]
    assert run(["evaluate", *file, "--array", "x", "--factors", "factors"]) == 2
    assert "--factors goes with --report" in capsys.readouterr().err


def test_a_failure_leaves_the_old_report(folder, tmp_path, monkeypatch):
    assert evaluate(folder, tmp_path / "r", "plain", "x", draws=0) == 0
    before = read(tmp_path / "r")[0]
    monkeypatch.setattr(report, "PAGE", "no/such/folder.html")
    assert evaluate(folder, tmp_path / "r", "plain", "x", "--rows", "9", draws=0) == 2
    monkeypatch.undo()
    assert read(tmp_path / "r")[0] == before


def test_text_is_escaped_and_what_json_lacks_is_null(folder, tmp_path):
    rows = [("<script>", "1 & 2", '"')]
    html = report_page.page("a < b", "x", [report_page.Table("t", rows)], [], [("<", "&")])
    assert "<script>" in Page(html).text and "1 & 2" in Page(html).text
    vae = keras.saving.load_model(folder / "plain.keras")
    made = report.Report({"loss": float("nan"), "kl": [1.0, float("inf")]}, [], [])
    report.write(tmp_path / "r", made, "t", {"labels": None}, vae)
    found = read(tmp_path / "r")[0]
    assert found["loss"] is None and found["kl"] == [1.0, None]


@pytest.mark.skipif(BACKEND == "jax", reason="the command is the same everywhere")
def test_it_runs_in_a_process_of_its_own(folder, tmp_path):
    status, text = finish(
        "evaluate", folder / "plain.keras", folder / "rows.npz", "--array", "x", "--draws", 0,
        "--report", tmp_path / "r", "--backend", BACKEND, KERAS_BACKEND="",
    )  # fmt: skip
    assert status == 0, text
    assert read(tmp_path / "r")[0]["rows"] == N
