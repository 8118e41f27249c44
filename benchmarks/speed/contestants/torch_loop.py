"""A plain PyTorch loop, eager or with torch.compile."""

import math

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import nn
from workloads import BETA_1, BETA_2, EPSILON, KERNEL_SIZE, LEARNING_RATE, NEGATIVE_SLOPE

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "leaky_relu": lambda: nn.LeakyReLU(NEGATIVE_SLOPE)}


def channels_first(shape) -> tuple[int, ...]:
    """Returns the shape of one image, or a flat shape as it is."""
    return (shape[-1], *shape[:-1])


def sequential(layers) -> nn.Sequential:
    """Returns the layers as a module."""
    modules = []
    for layer in layers:
        inputs = layer.input_shape[-1]
        if layer.kind == "dense":
            if layer.flat_input:
                modules.append(nn.Flatten())
            modules.append(nn.Linear(inputs, layer.outputs))
        else:
            kind = nn.Conv2d if layer.kind == "conv" else nn.ConvTranspose2d
            modules.append(kind(inputs, layer.outputs, KERNEL_SIZE, stride=2, padding=1))
        if layer.activation:
            modules.append(ACTIVATIONS[layer.activation]())
        if layer.flat_output:
            modules.append(nn.Unflatten(1, channels_first(layer.flat_output)))
    return nn.Sequential(*modules)


def set_weights(module: nn.Module, layers, weights) -> None:
    """Copies weights by name, in Keras's layouts, to the modules that have any, in order."""
    with_weights = [m for m in module.modules() if hasattr(m, "weight")]
    for target, layer in zip(with_weights, layers, strict=True):
        kernel = torch.tensor(weights[f"{layer.name}/kernel"])
        bias = torch.tensor(weights[f"{layer.name}/bias"])
        if layer.flat_input:
            kernel = kernel.reshape(*layer.flat_input, -1).permute(2, 0, 1, 3).flatten(0, 2)
        if layer.flat_output:
            kernel = kernel.reshape(-1, *layer.flat_output).permute(0, 3, 1, 2).flatten(1)
            bias = bias.reshape(layer.flat_output).permute(2, 0, 1).flatten()
        with torch.no_grad():
            target.weight.copy_(kernel.T if layer.kind == "dense" else kernel.permute(3, 2, 0, 1))
            target.bias.copy_(bias)


def images(x) -> torch.Tensor:
    """Returns a batch of vectors or channels-last images as PyTorch takes it."""
    x = torch.from_numpy(x)
    return (x.permute(0, 3, 1, 2).contiguous() if x.ndim == 4 else x).to(DEVICE)


class Model(nn.Module):
    """A VAE whose forward pass is its loss."""

    def __init__(self, workload):
        super().__init__()
        self.workload = workload
        self.encoder = sequential(workload.encoder)
        self.mean, self.log_var = (sequential((head,)) for head in workload.heads)
        self.decoder = sequential(workload.decoder)

    def load(self, weights) -> None:
        workload = self.workload
        set_weights(self.encoder, workload.encoder, weights)
        set_weights(self.mean, workload.heads[:1], weights)
        set_weights(self.log_var, workload.heads[1:], weights)
        set_weights(self.decoder, workload.decoder, weights)

    def forward(self, x):
        """Returns -ELBO with β, or the IWAE bound, of a batch, in nats."""
        features, k = self.encoder(x), self.workload.n_samples
        mean, log_var = self.mean(features), self.log_var(features)
        noise = torch.randn(mean.shape if k is None else (k, *mean.shape), device=mean.device)
        z = mean + torch.exp(0.5 * log_var) * noise
        logits = self.decoder(z.flatten(0, -2)).reshape(*z.shape[:-1], -1)
        target = x.flatten(1).expand_as(logits)
        log_px = -F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(-1)
        if k is None:
            kl = 0.5 * (torch.exp(log_var) + mean**2 - 1.0 - log_var).sum(-1)
            return (self.workload.beta * kl - log_px).mean()
        # (z - mean)² / σ² is the squared noise.
        log_w = log_px + 0.5 * (noise**2 + log_var - z**2).sum(-1)
        return math.log(k) - torch.logsumexp(log_w, 0).mean()


class TorchLoop:
    """The model, its data on the device, and a loop over shuffled batches.

    Args:
        inputs: the `Inputs` of the workload.
        compiled: whether the loss is compiled.
    """

    def __init__(self, inputs, compiled: bool):
        self.inputs = inputs
        self.data = images(inputs.x)
        self.model = Model(inputs.workload).to(DEVICE)
        self.loss = torch.compile(self.model) if compiled else self.model
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), LEARNING_RATE, (BETA_1, BETA_2), EPSILON, fused=True
        )

    def load_weights(self) -> None:
        self.model.load(self.inputs.weights)

    def train(self, steps: int) -> float:
        batch, total = self.inputs.workload.batch, torch.zeros((), device=DEVICE)
        for rows in torch.randperm(steps * batch, device=DEVICE).reshape(steps, batch):
            self.optimizer.zero_grad(set_to_none=True)
            value = self.loss(self.data[rows])
            value.backward()
            self.optimizer.step()
            total += value.detach()
        return total.item() / steps

    def evaluate(self) -> float:
        batches = self.inputs.evaluation_batches()
        with torch.no_grad():
            return sum(self.model(images(batch)).item() for batch in batches) / len(batches)
