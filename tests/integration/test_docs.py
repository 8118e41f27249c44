"""The examples of the documentation run: those on models as they stand, others with less data."""

import re
import runpy
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_vae as kv

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^##+ ([^\n]+)\n((?:(?!^##).)*?)```python\n(.*?)```", PAGE, re.M | re.S)


@pytest.mark.parametrize(("title", "code"), [(t, c) for t, _, c in EXAMPLES], ids=lambda s: s[:30])
def test_example(title, code):
    if keras.backend.backend() != ("tensorflow" if "tfd." in code else "torch"):
        pytest.skip("one backend is enough to show that the code is right")
    namespace = {
        "keras": keras,
        "kv": kv,
        "np": np,
        "rng": np.random.default_rng(0),
        "x": (np.random.default_rng(1).random((40, 12)) < 0.3).astype("float32"),
        "network": kv.networks.DenseEncoder((8,)),
        "encoder": kv.VariationalEncoder(10, kv.networks.DenseEncoder((8,))),
        "decoder": kv.networks.DenseDecoder(12, (8,)),
    }
    if "tfd." in code:
        import tensorflow as tf
        import tensorflow_probability as tfp

        namespace |= {"tf": tf, "tfd": tfp.distributions}
    if "vae = " not in code:  # an example of use: of a trained model
        vae = kv.VAE(namespace["encoder"], namespace["decoder"])
        vae.compile("adam")
        vae.build((None, 12))
        namespace["vae"] = vae
    exec(code, namespace)
    models = {id(v): v for v in namespace.values() if isinstance(v, kv.VAE)}
    # Models of one example may share parts: one is trained.
    vae = next(iter(models.values()))
    if not vae.compiled:
        vae.compile("adam")
    assert np.isfinite(vae.fit(namespace["x"], verbose=0).history["loss"]).all()


def test_the_shelf_is_that_of_the_code():
    shelf = runpy.run_path(str(ROOT / "scripts" / "shelf.py"))
    (found,) = shelf["SHELF"].findall(PAGE)
    hint = "write it anew: .venv/bin/python scripts/shelf.py"
    assert found == shelf["shelf"](), hint
    assert shelf["NAMES_FILE"].read_text(encoding="utf-8") == shelf["names_file"](), hint
    for registry in (kv.posteriors, kv.priors, kv.likelihoods, kv.objectives):
        for name in registry.NAMES:
            assert f'"{name}"' in found


@pytest.mark.parametrize(
    ("page", "backend"),
    [
        ("README.md", "tensorflow"),
        ("CONTRIBUTING.md", "torch"),
        ("docs/using.md", "tensorflow"),
        ("docs/loss.md", "torch"),
        ("docs/choosing.md", "torch"),
        ("docs/conditions.md", "torch"),
        ("docs/labels.md", "torch"),
        ("docs/evaluation.md", "torch"),
        ("docs/missing.md", "torch"),
        ("docs/anomalies.md", "torch"),
        ("docs/estimators.md", "torch"),
    ],
)
def test_page(page, backend, tmp_path, monkeypatch):
    if keras.backend.backend() != backend:
        pytest.skip("one backend is enough to show that the code is right")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    code = re.sub(r"\bepochs=\d+", "epochs=1", "\n".join(blocks))
    code = re.sub(r"sample\(\d+_000", "sample(1_100", code)
    namespace = {"__name__": "page"}
    exec(code, namespace)
    for test in [value for name, value in namespace.items() if name.startswith("test_")]:
        test()
