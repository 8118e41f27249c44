"""What is trained: networks layer by layer, sizes, data and initial weights."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

KERNEL_SIZE = 4
NEGATIVE_SLOPE = 0.2  # of leaky ReLU, the default of keras.activations.leaky_relu
LEARNING_RATE, BETA_1, BETA_2, EPSILON = 1e-3, 0.9, 0.999, 1e-7
EVALUATION_ROWS = 1000
EVALUATION_BATCH = 250


@dataclass(frozen=True)
class Layer:
    """A dense layer or a convolution of stride 2, or its transpose, in channels-last shapes.

    A layer reshapes its input to `input_shape` first, so that flattening and
    reshaping need no layers of their own.
    """

    name: str
    kind: str  # "dense", "conv" or "conv_transpose"
    input_shape: tuple[int, ...]
    outputs: int
    activation: str | None = None
    flat_input: tuple[int, ...] | None = None  # (height, width, channels) of flattened images
    flat_output: tuple[int, ...] | None = None  # the same of an output that becomes images

    @property
    def kernel_shape(self) -> tuple[int, ...]:
        """The shape in Keras's layout."""
        inputs = self.input_shape[-1]
        if self.kind == "dense":
            return (inputs, self.outputs)
        channels = (inputs, self.outputs) if self.kind == "conv" else (self.outputs, inputs)
        return (KERNEL_SIZE, KERNEL_SIZE, *channels)

    @property
    def output_shape(self) -> tuple[int, ...]:
        if self.kind == "dense":
            return (self.outputs,)
        height, width, _ = self.input_shape
        if self.kind == "conv":
            return (height // 2, width // 2, self.outputs)
        return (height * 2, width * 2, self.outputs)


@dataclass(frozen=True)
class Workload:
    """One model, its objective and the size of a round."""

    name: str
    batch: int
    steps: int  # per round
    latent: int
    input_shape: tuple[int, ...]
    activation: str
    units: tuple[int, ...] = ()  # of dense networks, or of the dense layer beside convolutions
    filters: tuple[int, ...] = ()
    beta: float = 1.0
    n_samples: int | None = None  # K of IWAE; None for the ELBO

    @property
    def encoder(self) -> tuple[Layer, ...]:
        layers, shape = [], self.input_shape
        for n in self.filters:
            layers.append(Layer(f"encoder_{len(layers)}", "conv", shape, n, self.activation))
            shape = layers[-1].output_shape
        for n in self.units:
            flat = shape if len(shape) == 3 else None
            name = f"encoder_{len(layers)}"
            layers.append(
                Layer(name, "dense", (math.prod(shape),), n, self.activation, flat_input=flat)
            )
            shape = (n,)
        return tuple(layers)

    @property
    def heads(self) -> tuple[Layer, Layer]:
        """The layers to the mean and the log-variance of q(z|x)."""
        shape = self.encoder[-1].output_shape
        flat = shape if len(shape) == 3 else None
        features = (math.prod(shape),)
        return tuple(
            Layer(name, "dense", features, self.latent, flat_input=flat)
            for name in ("z_mean", "z_log_var")
        )

    @property
    def decoder(self) -> tuple[Layer, ...]:
        layers, shape = [], (self.latent,)
        for n in reversed(self.units):
            layers.append(Layer(f"decoder_{len(layers)}", "dense", shape, n, self.activation))
            shape = (n,)
        if not self.filters:
            layers.append(Layer(f"decoder_{len(layers)}", "dense", shape, self.input_shape[0]))
            return tuple(layers)
        height, width, channels = self.input_shape
        scale = 2 ** len(self.filters)
        small = (height // scale, width // scale, self.filters[-1])
        name, size = f"decoder_{len(layers)}", math.prod(small)
        layers.append(Layer(name, "dense", shape, size, self.activation, flat_output=small))
        shape = small
        outputs = (*reversed(self.filters[:-1]), channels)
        for i, n in enumerate(outputs):
            activation = None if i == len(outputs) - 1 else self.activation
            name = f"decoder_{len(layers)}"
            layers.append(Layer(name, "conv_transpose", shape, n, activation))
            shape = layers[-1].output_shape
        return tuple(layers)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All layers, in the order of the weights of a keras_vae model."""
        return (*self.encoder, *self.heads, *self.decoder)


WORKLOADS = {
    w.name: w
    for w in (
        Workload("mlp", 100, 200, 200, (784,), "leaky_relu", units=(400, 400)),
        Workload("iwae", 20, 400, 50, (784,), "tanh", units=(200, 200), n_samples=5),
        Workload(
            "conv",
            64,
            20,
            10,
            (64, 64, 1),
            "relu",
            units=(256,),
            filters=(32, 32, 64, 64),
            beta=4.0,
        ),
        Workload("conv_rgb", 32, 8, 128, (64, 64, 3), "relu", filters=(64, 128, 256, 512)),
        Workload("inference", 100, 1, 200, (784,), "leaky_relu", units=(400, 400)),
    )
}


def initial_weights(workload: Workload, seed: int = 0) -> dict[str, np.ndarray]:
    """Returns kernels, Glorot uniform, and small biases by name, in Keras's layouts.

    Biases are not zero, so that one in the wrong place shows in the loss.
    """
    rng = np.random.default_rng(seed)
    weights = {}
    for layer in workload.layers:
        *window, a, b = layer.kernel_shape
        limit = math.sqrt(6.0 / (math.prod(window) * (a + b)))
        weights[f"{layer.name}/kernel"] = rng.uniform(-limit, limit, layer.kernel_shape)
        weights[f"{layer.name}/bias"] = rng.uniform(-0.02, 0.02, layer.outputs)
    return {name: value.astype("float32") for name, value in weights.items()}


def training_data(workload: Workload, rows: int, mnist: Path | None = None) -> np.ndarray:
    """Returns `rows` images in [0, 1], channels last: digits or shapes, in the end noise."""
    rng = np.random.default_rng(0)
    if workload.input_shape == (64, 64, 1):
        import keras_vae as kv

        return kv.datasets.Sprites().sample(rows, seed=0)[0]
    if len(workload.input_shape) == 3:
        return rng.random((rows, *workload.input_shape), dtype="float32")
    if mnist is None:
        codes, patterns = rng.normal(size=(rows, 10)), rng.normal(size=(10, 784))
        intensities = 1.0 / (1.0 + np.exp(2.0 - 2.0 * codes @ patterns))
    else:
        with np.load(mnist) as arrays:
            intensities = arrays["x_train"][:rows].reshape(-1, 784) / 255
    if len(intensities) < rows:
        raise ValueError(f"{mnist} has {len(intensities)} images; a round needs {rows}.")
    return (rng.random(intensities.shape) < intensities).astype("float32")


@dataclass(frozen=True)
class Inputs:
    """What all contestants start from."""

    workload: Workload
    x: np.ndarray
    weights: dict[str, np.ndarray]

    def write(self, folder: Path) -> None:
        np.save(folder / "x.npy", self.x)
        np.savez(folder / "weights.npz", **self.weights)

    @classmethod
    def read(cls, folder: Path, workload: Workload) -> "Inputs":
        with np.load(folder / "weights.npz") as weights:
            return cls(workload, np.load(folder / "x.npy"), dict(weights))

    def rows(self, steps: int) -> np.ndarray:
        """Returns the images of a round of `steps` steps."""
        return self.x[: steps * self.workload.batch]

    def evaluation_batches(self) -> list[np.ndarray]:
        x = self.x[:EVALUATION_ROWS]
        return [x[i : i + EVALUATION_BATCH] for i in range(0, len(x), EVALUATION_BATCH)]
