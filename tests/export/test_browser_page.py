"""The page of an export, in a headless browser, beside what the model itself computes."""

import json
import os
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers import make_vae

import keras_vae as kv
from keras_vae.export.endpoints import ExportError

for module in ("onnx", "onnxruntime"):
    pytest.importorskip(module)
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="its files are tested on every backend as ONNX"
)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
# Where scripts/test puts the npm package.
RUNTIME = Path(sys.prefix, "web", "node_modules", "onnxruntime-web", "dist")
DIGIT = 2

# Moves the sliders of the page as a person would, and tells what is on the canvas.
DRIVER = """<!doctype html>
<iframe src="index.html?runtime=/runtime/ort.wasm.bundle.min.mjs"></iframe>
<script type="module">
  const frame = document.querySelector("iframe").contentWindow;
  const { x, codes, digit } = await (await fetch("given.json")).json();
  const wait = () => new Promise((done) => setTimeout(done, 20));
  const error = () => frame.document.getElementById("error")?.textContent;
  while (!frame.vae && !error()) await wait();
  const told = { error: error(), images: [], pixels: [], encoded: [] };
  for (const z of error() ? [] : codes) {
    const sliders = [...frame.document.querySelectorAll("[name=z]")];
    sliders.forEach((slider, place) => (slider.value = z[place]));
    frame.document.querySelector("[name=condition]").value = digit;
    const drawn = new Promise((done) => {
      const tell = (event) => done(event.detail.image);
      frame.document.addEventListener("drawn", tell, { once: true });
    });
    sliders[0].dispatchEvent(new Event("input", { bubbles: true }));
    const image = await drawn;
    const canvas = frame.document.getElementById("image");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    told.codes = [...(told.codes ?? []), sliders.map((slider) => Number(slider.value))];
    told.images.push([...image]);
    told.pixels.push([...data]);
  }
  for (const row of error() ? [] : x) {
    told.encoded.push([...(await frame.vae.encode({ x: row, condition: [digit] })).z_mean]);
  }
  await fetch("told", { method: "POST", body: JSON.stringify(told) });
</script>"""


class Handler(SimpleHTTPRequestHandler):
    def do_POST(self):
        self.server.told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()
        self.server.answered.set()

    def translate_path(self, path):
        name = path.partition("?")[0]
        inside = name.startswith("/runtime/")
        return str(RUNTIME / Path(name).name) if inside else super().translate_path(path)

    def log_message(self, *args):
        pass


def ask_browser(folder, profile):
    """Opens the driver in the folder, and returns what it tells."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    server.answered = threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    address = f"http://127.0.0.1:{server.server_port}/driver.html"
    command = [CHROMIUM, *options, f"--user-data-dir={profile}", "--remote-debugging-port=0"]
    browser = subprocess.Popen(
        [*command, address], stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        assert server.answered.wait(120), "the page told nothing"
        return server.told
    finally:
        os.killpg(browser.pid, 15)
        browser.wait(20)
        server.shutdown()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A model of 4x3 images of three classes, and the folder of its page."""
    vae = make_vae(
        encoder=kv.VariationalEncoder(3, kv.networks.DenseEncoder((8,))),
        decoder=kv.networks.DenseDecoder((4, 3), (8,)),
        condition=kv.conditions.OneHot(3),
    )
    x = np.random.default_rng(0).random((30, 4, 3)).astype("float32")
    vae.fit(x, condition=np.arange(30) % 3, verbose=0)
    folder = tmp_path_factory.mktemp("page") / "page"
    differences = vae.export(folder, format="page")
    assert max(differences.values()) < 1e-5
    return vae, x, folder


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.skipif(not RUNTIME.is_dir(), reason="onnxruntime-web is not installed")
def test_the_page_computes_what_the_model_does(exported, tmp_path):
    vae, x, folder = exported
    x, codes = x[:2], [[0.5, -1.25, 2.0], [-3.0, 0.1, 1.0]]
    folder = shutil.copytree(folder, tmp_path / "page")
    (folder / "driver.html").write_text(DRIVER)
    given = {"x": x.reshape(2, -1).tolist(), "codes": codes, "digit": DIGIT}
    (folder / "given.json").write_text(json.dumps(given))
    told = ask_browser(folder, tmp_path / "profile")
    assert told["error"] == ""
    digits = np.full(2, DIGIT)
    np.testing.assert_allclose(told["codes"], codes, atol=1e-6)  # a slider moves by any step
    images = vae.decode(np.asarray(codes, "float32"), condition=digits).reshape(2, -1)
    np.testing.assert_allclose(told["images"], images, rtol=0, atol=1e-5)
    encoded = vae.encode(x, condition=digits)
    np.testing.assert_allclose(told["encoded"], encoded, rtol=0, atol=1e-5)
    pixels = np.asarray(told["pixels"]).reshape(2, -1, 4)
    for channel in range(3):
        np.testing.assert_allclose(pixels[..., channel], 255 * images, rtol=0, atol=0.51)
    assert (pixels[..., 3] == 255).all()


def test_the_folder_holds_all_but_the_runtime(exported):
    vae, _, folder = exported
    assert {path.name for path in folder.iterdir()} == {
        "index.html", "page.js", "model.json", "encode.onnx", "decode.onnx"
    }  # fmt: skip
    assert json.loads((folder / "model.json").read_text()) == {
        "features": [4, 3],
        "inputs": {
            "z": {"shape": [3], "dtype": "float32"},
            "condition": {"shape": [], "dtype": "int32"},
            "x": {"shape": [4, 3], "dtype": "float32"},
        },
    }
    text = (folder / "index.html").read_text() + (folder / "page.js").read_text()
    assert "//" not in text.replace("// ", "")  # no other host is asked
    vae.export(folder, format="page")  # takes the place of the older one


def test_what_is_no_image_or_has_too_many_codes_is_refused(tmp_path):
    vae = make_vae(decoder=kv.networks.DenseDecoder(5, (8,)))
    vae.build((None, 12))
    with pytest.raises(ExportError, match=r"draws images.*\(12,\) and gives \(5,\)"):
        vae.export(tmp_path / "page", format="page")
    vae = make_vae(encoder=kv.VariationalEncoder(101, kv.networks.DenseEncoder((8,))))
    vae.build((None, 12))
    with pytest.raises(ExportError, match=r"slider for each.*at most 100.*101"):
        vae.export(tmp_path / "page", format="page")
    assert not (tmp_path / "page").exists()
