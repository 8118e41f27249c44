"""`keras-vae train`: its options, and how they and a config file become one config."""

import time
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from keras_vae.cli import run_config, training
from keras_vae.cli.part_names import NAMES
from keras_vae.cli.run_config import RunConfig

DATA, MODEL, TRAINING, RUN = "Data", "Model", "Training", "Run"
Text: TypeAlias = str | None
Count: TypeAlias = int | None
Number: TypeAlias = float | None


def _option(help: str, default=None, panel: str = MODEL, names: tuple[str, ...] = ()):
    shown = "" if default is None else f" [dim]\\[default: {default}][/]"
    return typer.Option(*names, help=help + shown, show_default=False, rich_help_panel=panel)


def _names(folder):
    *names, last = NAMES[folder]
    return f"{', '.join(names)} or {last}"


def train(
    data: Annotated[Text, _option(
        "'sprites' (generated, no download), 'mnist', 'fashion_mnist', 'cifar10' or 'cifar100' "
        "(downloaded by Keras), a .npy, .npz or .csv file, or a folder of images.",
        RunConfig.data, DATA)] = None,
    array: Annotated[Text, _option(
        "Name of the array in a .npz file.", "x_train, or the only one", DATA)] = None,
    condition: Annotated[Text, _option(
        "Name of what is given beside x: an array in the .npz file, a column of the .csv file, "
        "'labels' of mnist and the like, or a factor of the sprites, such as shape. Integers and "
        "texts are categories, floats are numbers.", "nothing is given", DATA)] = None,
    labels: Annotated[Text, _option(
        "Name of classes to learn, found as those of --condition are; -1 and empty cells are "
        "unknown. They add a classifier of z to the objective, its loss taken 20 times; with "
        "--objective semi_supervised they make the model M2.", "nothing is learned", DATA)] = None,
    latent_dim: Annotated[Count, _option("Size of the code z.", RunConfig.latent_dim)] = None,
    beta: Annotated[Number, _option(
        "Weight of the KL in the loss.", "4; with another objective than elbo, its own")] = None,
    likelihood: Annotated[Text, _option(
        f"p(x|z): {_names('likelihoods')}.",
        "bernoulli for data from 0 to 1, else gaussian")] = None,
    sigma: Annotated[Text, _option(
        "Of a gaussian likelihood: a number, 'learned', 'per_feature', 'decoder' or 'optimal'.",
        1)] = None,
    prior: Annotated[Text, _option(
        f"p(z): {_names('priors')}; conditional ones go with --condition.",
        RunConfig.prior)] = None,
    posterior: Annotated[Text, _option(
        f"q(z|x): {_names('posteriors')}; von_mises_fisher goes with --prior uniform_on_sphere.",
        RunConfig.posterior)] = None,
    objective: Annotated[Text, _option(
        f"The loss: {_names('objectives')}; semi_supervised goes with --labels.",
        RunConfig.objective)] = None,
    network: Annotated[Text, _option(
        "'conv' or 'dense'.", "conv for images, else dense")] = None,
    layers: Annotated[Text, _option(
        "Filters (conv) or units (dense) of the encoder's layers, such as 32,64; the decoder "
        "mirrors them.", "by the data")] = None,
    epochs: Annotated[Count, _option(
        "Passes over the data.", RunConfig.epochs, TRAINING)] = None,
    batch_size: Annotated[Count, _option(
        "Samples per step.", RunConfig.batch_size, TRAINING)] = None,
    learning_rate: Annotated[Number, _option(
        "Of Adam.", RunConfig.learning_rate, TRAINING)] = None,
    seed: Annotated[Count, _option(
        "The same seed repeats a run.", RunConfig.seed, TRAINING)] = None,
    backend: Annotated[Text, _option(
        "What Keras computes with: tensorflow, jax or torch.", "$KERAS_BACKEND, else tensorflow",
        RUN)] = None,
    config: Annotated[Path | None, _option(
        "A .toml or .json file of these options, such as the config.toml of a run, which is then "
        "repeated; options given besides come first.", None, RUN)] = None,
    output: Annotated[Path | None, _option(
        "Folder to write; files of an earlier run in it are replaced.", "runs/<time>", RUN)] = None,
    distribute: Annotated[Text, _option(
        "Several devices or processes: mirrored (TensorFlow, the GPUs of this machine), "
        "multi_worker (TensorFlow, as TF_CONFIG says), data_parallel (JAX, all devices, and the "
        "processes that KERAS_DISTRIBUTION_* name) or torch (by torchrun).", None, RUN)] = None,
    no_saved_model: Annotated[bool, _option(
        "Do not export the model for serving.", None, RUN, ("--no-saved-model",))] = False,
) -> None:  # fmt: skip
    """Train a VAE and leave a folder with the model and its pictures.

    The folder holds vae.keras (the model), saved_model/ (for serving), config.toml (all options,
    to repeat the run), history.csv, logs/ (for TensorBoard) and, for images, reconstructions.png,
    samples.png and traversal.png. Ctrl-C ends the training early; the folder is then made from
    what was learned so far.

    [bold]Examples[/]

      keras-vae train
      keras-vae train --data mnist --latent-dim 16 --beta 1 --epochs 20
      keras-vae train --data table.csv --likelihood gaussian --sigma optimal
      keras-vae train --data mnist --condition labels --prior conditional_normal
      keras-vae train --data cells.csv --labels kind --objective semi_supervised
      keras-vae train --data images.npy --posterior planar_flow --prior vamp
      keras-vae train --config runs/first/config.toml --seed 1
    """
    given = RunConfig() if config is None else run_config.read(config)
    options = given.changed(
        data=data,
        array=array,
        condition=condition,
        labels=labels,
        latent_dim=latent_dim,
        beta=beta,
        likelihood=likelihood,
        sigma=_sigma(sigma),
        prior=prior,
        posterior=posterior,
        objective=objective,
        network=network,
        layers=_layers(layers),
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        backend=backend,
    )
    output = output or Path("runs") / time.strftime("%Y%m%d-%H%M%S")
    training.run(options, output, saved_model=not no_saved_model, distributed=distribute)


def _sigma(text: str | None) -> float | str | None:
    try:
        return text if text is None else float(text)
    except ValueError:
        return text


def _layers(text: str | None) -> tuple[int, ...] | str | None:
    try:
        return text if text is None else tuple(int(part) for part in text.split(","))
    except ValueError:
        return text  # which the config refuses
