"""The examples of docs/search.md run, those of packages that are installed."""

import re
from pathlib import Path

import keras
import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "search.md").read_text(encoding="utf-8")
START, *SECTIONS = re.split(r"^## ", PAGE, flags=re.M)


def code_of(section):
    return "\n".join(re.findall(r"^```python\n(.*?)^```", section, re.M | re.S))


@pytest.mark.parametrize(
    ("section", "package"),
    zip(SECTIONS, ("keras_tuner", "optuna", "wandb", "mlflow"), strict=True),
    ids=lambda value: value.partition("\n")[0],
)
def test_example(section, package, tmp_path, monkeypatch):
    if keras.backend.backend() != "torch":
        pytest.skip("one backend is enough to show that the code is right")
    pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "page"}
    exec(code_of(START) + re.sub(r"\bepochs=\d+", "epochs=1", code_of(section)), namespace)
    vae = namespace.get("best") or namespace.get("vae")
    if vae is not None:
        assert vae.encode(namespace["x_val"]).shape == (100, vae.latent_dim)
    assert list(tmp_path.iterdir()) or package == "optuna"
