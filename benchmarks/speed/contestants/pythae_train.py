"""pythae's own trainer and models, with the workload's networks."""

import math
import tempfile

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from pythae.data.datasets import BaseDataset
from pythae.models import IWAE, VAE, BetaVAE, BetaVAEConfig, IWAEConfig, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from workloads import BETA_1, BETA_2, EPSILON, LEARNING_RATE

from contestants.torch_loop import DEVICE, channels_first, images, sequential, set_weights


class Encoder(BaseEncoder):
    def __init__(self, workload):
        super().__init__()
        self.network = sequential(workload.encoder)
        self.mean, self.log_var = (sequential((head,)) for head in workload.heads)

    def forward(self, x):
        features = self.network(x)
        return ModelOutput(embedding=self.mean(features), log_covariance=self.log_var(features))


class Decoder(BaseDecoder):
    def __init__(self, workload):
        super().__init__()
        self.network = sequential(workload.decoder)

    def forward(self, z):
        return ModelOutput(reconstruction=torch.sigmoid(self.network(z)))


def build(workload, weights):
    """Returns pythae's model of the workload with the given weights."""
    shared = {
        "input_dim": channels_first(workload.input_shape),
        "latent_dim": workload.latent,
        "reconstruction_loss": "bce",
    }
    networks = {"encoder": Encoder(workload), "decoder": Decoder(workload)}
    if workload.n_samples is not None:
        model = IWAE(IWAEConfig(number_samples=workload.n_samples, **shared), **networks)
    elif workload.beta != 1.0:
        model = BetaVAE(BetaVAEConfig(beta=workload.beta, **shared), **networks)
    else:
        model = VAE(VAEConfig(**shared), **networks)
    load(model, workload, weights)
    return model.to(DEVICE)


def load(model, workload, weights) -> None:
    set_weights(model.encoder.network, workload.encoder, weights)
    set_weights(model.encoder.mean, workload.heads[:1], weights)
    set_weights(model.encoder.log_var, workload.heads[1:], weights)
    set_weights(model.decoder.network, workload.decoder, weights)


class Pythae:
    """`BaseTrainer.train_step`, which is pythae's epoch, without the bookkeeping between epochs."""

    def __init__(self, inputs):
        self.inputs = inputs
        self.workload = inputs.workload
        self.model = build(self.workload, inputs.weights)
        self.folder = tempfile.TemporaryDirectory()
        config = BaseTrainerConfig(
            output_dir=self.folder.name,
            per_device_train_batch_size=self.workload.batch,
            learning_rate=LEARNING_RATE,
            optimizer_params={"betas": (BETA_1, BETA_2), "eps": EPSILON},
        )
        self.trainer = BaseTrainer(self.model, self.dataset(1), training_config=config)
        self.trainer.prepare_training()
        self.loader_steps, self.epoch = 1, 0

    def dataset(self, steps):
        x = torch.from_numpy(self.inputs.rows(steps))
        x = x.permute(0, 3, 1, 2).contiguous() if x.ndim == 4 else x
        return BaseDataset(x, torch.ones(len(x)))

    def load_weights(self) -> None:
        load(self.model, self.workload, self.inputs.weights)

    def train(self, steps: int) -> float:
        if steps != self.loader_steps:
            self.trainer.train_loader = self.trainer.get_train_dataloader(self.dataset(steps))
            self.loader_steps = steps
        self.epoch += 1
        return float(self.trainer.train_step(self.epoch))

    def evaluate(self) -> float:
        batches = self.inputs.evaluation_batches()
        with torch.no_grad():
            return sum(self.bound(images(batch)).item() for batch in batches) / len(batches)

    def bound(self, x):
        """Returns the loss; of IWAE the bound, where pythae's own loss is its surrogate."""
        k = self.workload.n_samples
        if k is None:
            return self.model({"data": x}).loss
        codes = self.model.encoder(x)
        mean, log_var = codes.embedding, codes.log_covariance
        noise = torch.randn(k, *mean.shape, device=x.device)
        z = mean + torch.exp(0.5 * log_var) * noise
        means = self.model.decoder(z.flatten(0, 1)).reconstruction.reshape(k, len(x), -1)
        log_px = -F.binary_cross_entropy(
            means, x.flatten(1).expand_as(means), reduction="none"
        ).sum(-1)
        log_w = log_px + 0.5 * (noise**2 + log_var - z**2).sum(-1)
        return math.log(k) - torch.logsumexp(log_w, 0).mean()
