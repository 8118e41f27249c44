"""A tape as a CUDA graph: on a GPU it trains as the tape does; elsewhere stand-ins are captured."""

import logging

import keras
import numpy as np
import pytest
from keras import layers, ops
from tape_runs import (
    BATCH,
    FEATURES,
    adam,
    assert_recorded,
    assert_same,
    on_torch,
    recorded,
    rests,
    rows,
    run,
    vae,
)

import keras_vae as kv
from keras_vae.backend import NAME, is_cpu

pytestmark = [on_torch, pytest.mark.usefixtures("recorded")]
__all__ = ["recorded", "rests"]  # fixtures
on_cpu = pytest.mark.skipif(NAME != "torch" or not is_cpu(), reason="There is a GPU.")
on_gpu = pytest.mark.skipif(NAME != "torch" or is_cpu(), reason="There is no GPU.")


class WithLogs(kv.VAE):
    """Logs what is no metric."""

    def train_step(self, data):
        logs = super().train_step(data)
        return {**logs, "doubled": 2.0 * logs["loss"]}


def with_logs():
    return WithLogs(kv.VariationalEncoder(2, layers.Dense(4)), layers.Dense(FEATURES))


class OnCPU(layers.Layer):
    """Reads a tensor that lies on the CPU, wherever the model computes."""

    def build(self, shape):
        import torch

        self.held = torch.full((), 2.0, device="cpu")

    def call(self, x):
        return x * self.held if x.device.type != "meta" else x


class Halved(keras.callbacks.Callback):
    """Changes variables that a step reads, while it is replayed."""

    def on_epoch_begin(self, epoch, logs=None):
        self.model.optimizer.learning_rate = 1e-2 * 0.5**epoch
        self.model.beta = 1.0 + epoch


def of_images():
    encoder = keras.Sequential(
        [kv.networks.ConvEncoder((3, 4)), layers.BatchNormalization(), layers.Dropout(0.2)]
    )
    return kv.VAE(kv.VariationalEncoder(2, encoder), kv.networks.ConvDecoder((8, 8, 1), (4, 3)))


def of_layers_of_keras():
    encoder = [layers.Conv2D(3, 3, strides=2, padding="same"), layers.Flatten()]
    decoder = [
        layers.Dense(16),
        layers.Reshape((2, 2, 4)),
        layers.UpSampling2D(2),
        layers.Conv2DTranspose(1, 3, strides=2, padding="same"),
    ]
    return kv.VAE(kv.VariationalEncoder(2, keras.Sequential(encoder)), keras.Sequential(decoder))


def with_noise_of_torch():
    import torch

    class Wrapper(layers.TorchModuleWrapper):
        def compute_output_spec(self, x):
            return keras.KerasTensor(x.shape, x.dtype)

    return vae(Wrapper(torch.nn.Dropout(0.3)))


def decaying():
    return keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(1e-2, 3, 0.5))


def named(name):
    return lambda: getattr(keras.optimizers, name)(1e-2)


RUNS = {
    "elbo": (vae, adam(), {}),
    "iwae": (lambda: vae(objective="iwae"), adam(), {}),
    "factor": (lambda: vae(objective="factor_vae"), adam(), {}),
    "dropout": (lambda: vae(layers.Dropout(0.3)), adam(), {}),
    "noise of a torch module": (with_noise_of_torch, adam(), {}),
    "batch statistics": (lambda: vae(layers.BatchNormalization()), adam(), {}),
    "a flow": (lambda: vae(encoder={"posterior": "inverse_autoregressive_flow"}), adam(), {}),
    "a full covariance": (lambda: vae(encoder={"posterior": "full_covariance_normal"}), adam(), {}),
    "a mixture": (lambda: vae(prior="gaussian_mixture"), adam(), {}),
    "a schedule": (vae, decaying, {}),
    "clipped": (vae, adam(clipnorm=0.1), {}),
    "averaged": (vae, adam(use_ema=True), {}),
    "amsgrad": (vae, adam(amsgrad=True), {}),
    "RMSprop": (vae, named("RMSprop"), {}),
    "AdamW": (vae, lambda: keras.optimizers.AdamW(1e-2, weight_decay=0.1), {}),
    "callbacks": (lambda: vae(beta=2.0), adam(), {"callbacks": [Halved()]}),
    "validation": (vae, adam(), {"validation_split": 0.4}),
    "metrics": (vae, adam(), {"compile_kwargs": {"metrics": ["mse"]}}),
    "logs of one's own": (with_logs, adam(), {}),
    "images": (of_images, adam(), {"x": rows("images")}),
    "layers of Keras": (of_layers_of_keras, adam(), {"x": rows("images")}),
}


@pytest.fixture
def refused(monkeypatch):
    """Returns a function that lets nothing be captured from then on."""
    from keras_vae.backend.torch_tape import recorded_step
    from keras_vae.backend.torch_tape.errors import CannotRecordError

    def refuse(*args):
        raise CannotRecordError("The test has it so.")

    return lambda: monkeypatch.setattr(recorded_step, "captured", refuse)


@pytest.fixture
def exact():
    """Lets convolutions of a GPU give the same numbers each time, all of them as float32."""
    import torch

    cudnn = torch.backends.cudnn
    before = cudnn.allow_tf32, cudnn.deterministic
    cudnn.allow_tf32, cudnn.deterministic = False, True
    yield
    cudnn.allow_tf32, cudnn.deterministic = before


class StandIn:
    """A graph that runs its function at each replay, and writes outputs that stay in place."""

    def __init__(self, function, inputs, outputs):
        self.function, self.inputs, self.outputs = function, inputs, outputs
        self.n_replays = 0

    def replay(self):
        self.n_replays += 1
        for mine, new in zip(self.outputs, self.function(*self.inputs), strict=True):
            mine.copy_(new)


@pytest.fixture(autouse=True)
def captures(monkeypatch):
    """Turns graphs on, which are off until they were seen on a GPU."""
    from keras_vae.backend.torch_tape import recorded_step

    monkeypatch.setattr(recorded_step, "CAPTURES", True)


@pytest.fixture
def captured(monkeypatch):
    """Lets stand-ins be captured, and takes the CPU for a GPU; returns those that were."""
    from keras_vae.backend.torch_tape import cuda_graph, recorded_step

    made, outputs = [], []

    def warm_up(function, inputs):
        outputs[:] = [output.clone() for output in function(*inputs)]

    def capture(function, inputs):
        made.append(StandIn(function, inputs, list(outputs)))
        return made[-1], made[-1].outputs

    def on_any_device(function, devices, batch, state):
        assert devices == {"cpu"}
        return cuda_graph.captured(function, {"cuda"}, batch, state)

    monkeypatch.setattr(cuda_graph, "_warm_up", warm_up)
    monkeypatch.setattr(cuda_graph, "_capture", capture)
    monkeypatch.setattr(recorded_step, "captured", on_any_device)
    return made


@on_cpu
@pytest.mark.parametrize("name", ["elbo", "dropout", "noise of a torch module", "validation",
                                  "callbacks", "logs of one's own"])  # fmt: skip
def test_a_captured_step_is_that_of_the_tape(name, recorded, captured, refused):
    make, optimizer, arguments = RUNS[name]
    model, history = run(make, optimizer, True, **arguments)
    assert_recorded(recorded)
    assert captured and all(graph.n_replays > 1 for graph in captured)
    assert all(each.no_graph is None for each in recorded)
    refused()
    other, expected = run(make, optimizer, True, **arguments)
    assert history == expected
    assert_same(model, other, rtol=0.0)


@on_cpu
def test_a_graph_that_differs_is_not_used(recorded, captured, monkeypatch):
    monkeypatch.setattr(StandIn, "replay", lambda self: None)
    model, _ = run(vae, adam(), True)
    assert captured and "differs" in str(recorded[0].no_graph)
    assert_recorded(recorded)
    monkeypatch.undo()
    assert_same(model, run(vae, adam(), False)[0])


@on_cpu
def test_a_failing_capture_leaves_the_tape(recorded, captured, monkeypatch):
    from keras_vae.backend.torch_tape import cuda_graph

    def fail(function, inputs):
        function(*inputs)
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(cuda_graph, "_capture", fail)
    model, _ = run(vae, adam(), True)
    assert "not permitted" in str(recorded[0].no_graph)
    assert_recorded(recorded)
    assert_same(model, run(vae, adam(), False)[0])


@on_cpu
def test_without_a_gpu_nothing_is_captured_or_said(recorded, caplog):
    with caplog.at_level(logging.INFO, "keras_vae"):
        run(vae, adam(), True)
    assert_recorded(recorded)
    assert str(recorded[0].no_graph) == "The step computes on cpu." and not caplog.records


@on_cpu
def test_copies_to_another_device_are_made_once_a_call():
    import torch
    from torch.fx.experimental.proxy_tensor import make_fx

    from keras_vae.backend.torch_tape.graph import devices
    from keras_vae.backend.torch_tape.uploads import take_out

    held, written = torch.ones(2, dtype=torch.float64), torch.ones(2)

    def step(x):
        written.add_(1.0)
        return x + held.to("meta", torch.float32) + written.to("meta")

    module = make_fx(step)(torch.zeros(2, device="meta"))
    (copy,) = take_out(module)  # what the step writes is copied at each
    assert copy.source.data_ptr() == held.data_ptr()
    assert copy.copy.device.type == "meta" and copy.copy.dtype == torch.float32
    targets = [node.target for node in module.graph.nodes]
    assert targets.count(torch.ops.aten._to_copy.default) == 1
    assert module(torch.zeros(2, device="meta")).shape == (2,)
    assert devices(module) == {"cpu", "meta"}


@on_gpu
@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("name", RUNS)
def test_a_graph_trains_as_the_tape_does(name, recorded, refused):
    make, optimizer, arguments = RUNS[name]
    model, history = run(make, optimizer, True, **arguments)
    assert_recorded(recorded)
    for each in recorded:
        assert each.no_graph is None, repr(each.no_graph)
    refused()
    other, expected = run(make, optimizer, True, **arguments)
    for log in expected:
        np.testing.assert_allclose(history[log], expected[log], 1e-5, 1e-7, err_msg=log)
    assert_same(model, other)


@on_gpu
@pytest.mark.parametrize("objective", ["elbo", "iwae"])
def test_twenty_steps_of_a_graph_give_the_losses_of_keras(objective, recorded):
    arguments = {"x": rows()[:BATCH], "epochs": 20}
    model, history = run(lambda: vae(objective=objective), adam(), True, **arguments)
    assert recorded[0].no_graph is None and recorded[0].n_replayed == 19
    other, expected = run(lambda: vae(objective=objective), adam(), False, **arguments)
    np.testing.assert_allclose(history["loss"], expected["loss"], 1e-5)
    assert_same(model, other)


@on_gpu
def test_a_second_fit_goes_on_with_the_graph(recorded):
    def two_fits(on):
        model, _ = run(vae, adam(), on)
        model.fit(rows()[::-1].copy(), batch_size=BATCH, epochs=2, verbose=0)
        return model

    model = two_fits(True)
    assert recorded[0].n_recordings == 1 and recorded[0].no_graph is None
    assert_same(model, two_fits(False))


@on_gpu
def test_what_lies_on_the_cpu_stays_a_tape(recorded):
    model, _ = run(lambda: vae(OnCPU()), adam(), True)
    assert_recorded(recorded)
    assert str(recorded[0].no_graph) == "The step computes on cpu, cuda."
    other, _ = run(lambda: vae(OnCPU()), adam(), False)
    assert_same(model, other)


@on_gpu
def test_process_draws_go_on_after_a_capture(recorded):
    run(with_noise_of_torch, adam(), True)
    assert recorded[0].no_graph is None
    assert ops.convert_to_numpy(keras.random.normal((3,))).std() > 0.0
