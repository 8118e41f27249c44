"""What was learned from labels is exported with the other functions."""

import keras
import numpy as np
import pytest
from helpers import make_vae

import keras_vae as kv

BACKEND = keras.backend.backend()
LABELS = np.arange(256) % 3


@pytest.fixture(scope="module", params=["m2", "classifier"])
def model(request):
    x = (np.random.default_rng(0).random((256, 12)) < 0.5).astype("float32")
    if request.param == "m2":
        objective, given = kv.objectives.SemiSupervised(), {"condition": kv.conditions.OneHot(3)}
    else:
        objective, given = kv.objectives.ELBO() + kv.objectives.Classifier(3), {}
    vae = make_vae(objective=objective, **given)
    vae.fit(x, labels=LABELS, verbose=0)
    return vae, x


@pytest.mark.in_turn
def test_classify_is_exported(model, tmp_path):
    vae, x = model
    expected = vae.classify(x[:3])
    if BACKEND == "torch":
        import torch

        vae.export(tmp_path / "classify.pt2", format="torch", endpoint="classify")
        program = torch.export.load(tmp_path / "classify.pt2").module()
        with torch.no_grad():
            found = np.concatenate([program(torch.from_numpy(row[None])).numpy() for row in x[:3]])
    else:
        tf = pytest.importorskip("tensorflow")
        assert "classify" in vae.export(tmp_path / "folder")
        loaded = tf.saved_model.load(str(tmp_path / "folder"))
        found = loaded.signatures["classify"](x=tf.constant(x[:3]))["probabilities"].numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
