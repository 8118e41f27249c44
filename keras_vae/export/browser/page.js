// Sliders move the code, and the canvas shows what the decoder makes of it.
// onnxruntime-web lies in the folder runtime/, or where ?runtime=... says.

const asked = new URLSearchParams(location.search).get("runtime");
const runtime = new URL(asked ?? "runtime/ort.wasm.bundle.min.mjs", location.href);
const canvas = document.getElementById("image");
const form = document.getElementById("code");

function sizeOf(shape) {
  return shape.reduce((product, size) => product * size, 1);
}

class Model {
  static async load(ort) {
    ort.env.wasm.numThreads = 1; // more need headers that few servers send
    const model = new Model();
    model.ort = ort;
    model.about = await (await fetch("model.json")).json();
    [model.encoder, model.decoder] = await Promise.all(
      ["encode.onnx", "decode.onnx"].map((file) => ort.InferenceSession.create(file)),
    );
    return model;
  }

  // Gives the outputs by name, of one sample whose numbers are given by name of the input.
  async run(session, numbers) {
    const feeds = {};
    for (const name of session.inputNames) {
      const { shape, dtype } = this.about.inputs[name];
      const Numbers = dtype === "int32" ? Int32Array : Float32Array;
      feeds[name] = new this.ort.Tensor(dtype, Numbers.from(numbers[name]), [1, ...shape]);
    }
    const outputs = await session.run(feeds);
    return Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, value.data]));
  }

  encode(numbers) {
    return this.run(this.encoder, numbers);
  }

  async decode(numbers) {
    return (await this.run(this.decoder, numbers)).reconstruction;
  }
}

function addSlider(name, place, { shape, dtype }) {
  const label = document.createElement("label");
  const slider = document.createElement("input");
  const value = document.createElement("output");
  const isCode = name === "z";
  slider.type = isCode ? "range" : "number";
  slider.step = dtype === "int32" ? 1 : "any";
  if (isCode) [slider.min, slider.max] = [-4, 4];
  slider.value = 0;
  slider.name = name;
  label.append(sizeOf(shape) > 1 ? `${name} ${place}` : name, slider, isCode ? value : "");
  form.append(label);
}

function numbersOf(name) {
  return [...form.querySelectorAll(`[name="${name}"]`)].map((slider) => Number(slider.value));
}

function allNumbers(model) {
  return Object.fromEntries(model.decoder.inputNames.map((name) => [name, numbersOf(name)]));
}

// Rows, columns and channels of a sample; a vector is a square where it can be one.
function imageShape(features) {
  if (features.length === 1) {
    const side = Math.round(Math.sqrt(features[0]));
    return side * side === features[0] ? [side, side, 1] : [1, features[0], 1];
  }
  return features.length === 2 ? [...features, 1] : features;
}

function draw(image, features) {
  const [height, width, channels] = imageShape(features);
  [canvas.height, canvas.width] = [height, width];
  const pixels = new ImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    for (let c = 0; c < 3; c++) {
      const value = image[i * channels + Math.min(c, channels - 1)];
      pixels.data[4 * i + c] = Math.round(255 * Math.min(1, Math.max(0, value)));
    }
    pixels.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

let newest = 0;
async function update(model) {
  const number = ++newest;
  for (const slider of form.querySelectorAll("[type=range]")) {
    slider.nextElementSibling.value = Number(slider.value).toFixed(2);
  }
  const image = await model.decode(allNumbers(model));
  if (number !== newest) return; // a later move has come
  draw(image, model.about.features);
  document.dispatchEvent(new CustomEvent("drawn", { detail: { image } }));
}

// Gives the numbers of a picture at the size of the model.
async function read(file, features) {
  const [height, width, channels] = imageShape(features);
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(await createImageBitmap(file), 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const numbers = [];
  for (let i = 0; i < height * width; i++) {
    const [red, green, blue] = [0, 1, 2].map((c) => data[4 * i + c] / 255);
    numbers.push(...(channels === 1 ? [(red + green + blue) / 3] : [red, green, blue]));
  }
  return numbers;
}

async function showCodeOf(file, model) {
  const x = await read(file, model.about.features);
  const { z_mean: code } = await model.encode({ ...allNumbers(model), x });
  form.querySelectorAll('[name="z"]').forEach((slider, place) => (slider.value = code[place]));
  await update(model);
}

async function start() {
  const model = await Model.load(await import(runtime.href));
  for (const name of model.decoder.inputNames) {
    const input = model.about.inputs[name];
    for (let place = 0; place < sizeOf(input.shape); place++) addSlider(name, place, input);
  }
  form.addEventListener("input", () => update(model));
  form.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("encoder").hidden = !model.encoder.outputNames.includes("z_mean");
  document
    .getElementById("file")
    .addEventListener("change", (event) => showCodeOf(event.target.files[0], model));
  await update(model);
  window.vae = model;
}

start().catch((error) => {
  document.getElementById("error").textContent =
    `${error.message ?? error}. The page has to come from a web server, ` +
    `and onnxruntime-web has to lie at ${runtime.pathname}.`;
  throw error;
});
