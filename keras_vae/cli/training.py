"""Runs a training and leaves its folder: the model, its logs and its pictures."""

import contextlib
import shlex
import sys
import tempfile
import time
from pathlib import Path

from keras_vae.cli import beside, console, data, distribute, labels, package
from keras_vae.cli.model import make_vae, resolve
from keras_vae.cli.run_config import RunConfig

CONFIG, MODEL = "config.toml", "vae.keras"
PLOTS_MISSING = 'No pictures: they need matplotlib and tensorboard, pip install "keras-vae[plots]".'


def run(config: RunConfig, output: Path, saved_model: bool, distributed: str | None = None) -> None:
    """Trains a VAE as the config says.

    Args:
        config: what to train.
        output: the folder to write; files of an earlier run in it are replaced.
        saved_model: whether to export the model too, where the backend can.
        distributed: over which devices or processes, see `distribute`; `None` for one device.

    Raises:
        ValueError: if options do not go together, or do not suit the data.
        OSError: if the data cannot be read, or the folder not be written.
    """
    labels.check_config(config)
    config = distribute.with_backend(config, distributed)
    package.load(config.backend)
    with contextlib.ExitStack() as stack:
        stack.enter_context(distribute.start(distributed))
        if distribute.process_number() > 0:
            # It takes part in all, and what it says and writes nobody needs.
            console.out.quiet = True
            output = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        _run(config, output, saved_model)


def _run(config, output, saved_model):
    import keras

    from keras_vae.cli import progress

    keras.utils.set_random_seed(config.seed)
    config = _with_path(config)
    with console.out.status(f"Loading {config.data}"):
        rows = data.load(
            config.data, config.array, config.condition, config.seed, labels=config.labels
        )
        train, validation = data.split(rows, config.data, config.seed)
    x, condition, classes = train.x, None, None
    if rows.condition is not None:
        condition = beside.condition_of(config.condition, rows.condition)
    if rows.labels is not None:
        classes = labels.classes_of(config.labels, rows.labels)
    config = resolve(config, x)
    vae = make_vae(config, x, condition, classes)
    output.mkdir(parents=True, exist_ok=True)
    config.write(output / CONFIG)
    _describe(config, train, validation, condition, classes)
    begin = time.monotonic()
    with progress.StopAtInterrupt() as stop:
        bars = progress.EpochRows()
        try:
            history = vae.fit(
                train.inputs(),
                validation_data=(validation.inputs(), None),
                batch_size=config.batch_size,
                labelled_per_batch=labels.per_batch(train.labels, config.batch_size),
                epochs=config.epochs,
                callbacks=[*_callbacks(output, validation), bars, stop],
                verbose=0,
            ).history
        finally:
            bars.close()
    vae.save(output / MODEL)
    seconds = time.monotonic() - begin
    if x.ndim == 4 and x.shape[-1] in (1, 3, 4):
        _draw(vae, validation, output, config.seed)
    if saved_model:
        _export(vae, output, config.backend)
    accuracy = None if classes is None else labels.accuracy(vae, validation)
    _report(config, history, seconds, output, accuracy)


def _with_path(config):
    """Returns the config with a file or folder named so that it is found from elsewhere."""
    path = Path(config.data)
    return config.changed(data=str(path.resolve())) if path.exists() else config


def _describe(config, train, validation, condition, classes):
    given = ""
    if condition is not None:
        given = f", given {config.condition} as {type(condition).__name__}"
    if classes is not None:
        n = labels.known(train.labels).sum()
        given += f", {n:,} labelled by {config.labels} with {classes.n} classes"
    beta = "" if config.beta is None else f", beta {config.beta:g}"
    console.out.print(
        f"Training on {len(train.x):,} samples of shape {train.x.shape[1:]}, "
        f"{len(validation.x):,} more to validate, with {config.backend}{given}.\n"
        f"[dim]{config.likelihood} likelihood, {config.prior} prior, {config.posterior} posterior, "
        f"objective {config.objective}{beta}, {config.latent_dim} latent dimensions, "
        f"{config.network} network of {', '.join(map(str, config.layers))}.\n"
        "Ctrl-C ends the training and keeps what was learned.[/]\n"
    )


def _callbacks(output, validation):
    import keras

    import keras_vae as kv

    callbacks = [
        kv.callbacks.TrainingWatch(validation.inputs()),
        keras.callbacks.CSVLogger(output / "history.csv"),
        keras.callbacks.ModelCheckpoint(output / MODEL),
    ]
    if package.is_installed("tensorboard", "matplotlib"):
        callbacks.insert(0, keras.callbacks.TensorBoard(output / "logs"))
        callbacks.insert(
            1, kv.callbacks.TensorBoardVAE(output / "logs", validation.inputs(), validation.labels)
        )
    return callbacks


def _draw(vae, validation, output, seed):
    """Writes the three pictures."""
    if not package.is_installed("matplotlib"):
        return
    from keras_vae import plots

    inputs, some = validation.inputs(), None
    if vae.condition is not None and vae.condition.all_values() is None:
        some = validation.condition[:6]  # such as numbers: a row of samples for each
    with console.out.status("Drawing"):
        plots.reconstructions(vae, inputs).savefig(output / "reconstructions.png")
        plots.samples(vae, seed=seed, condition=some).savefig(output / "samples.png")
        plots.traversal(vae, inputs).savefig(output / "traversal.png")


def _export(vae, output, backend):
    if backend == "torch":
        console.note("No SavedModel: Keras writes that format on TensorFlow and JAX only.")
        return
    try:
        with console.out.status("Exporting"):
            vae.export(output / "saved_model")
    except (RuntimeError, ImportError, OSError) as error:  # the model is saved already
        console.note(f"No SavedModel: {error}")


def _report(config, history, seconds, output, accuracy):
    last = {name: values[-1] for name, values in history.items() if values}

    def row(name, log, meaning):
        return name, f"{last[log]:,.2f}", meaning

    lines = [
        ("negative ELBO", "val_negative_elbo", "nats, of the validation data; lower is better"),
        ("reconstruction", "val_reconstruction_loss", "-log p(x|z), a part of it"),
        ("KL", "val_kl_loss", "KL(q(z|x) ‖ p(z)), the other part"),
    ]
    rows = [row(*line) for line in lines if line[1] in last]
    if "active_units" in last:
        used = f"{last['active_units']:.0f} of {config.latent_dim}"
        rows.append(("active units", used, "latent dimensions in use"))
    if accuracy is not None:
        rows.append(labels.row(accuracy))
    epochs = len(next(iter(history.values()), []))
    rows.append(("epochs", f"{epochs} of {config.epochs}", f"in {seconds:,.0f} seconds"))
    console.table("Results", rows)
    names = sorted(path.name + "/" * path.is_dir() for path in output.iterdir())
    console.out.print(f"\nWrote [bold]{output}/[/]: {', '.join(names)}")
    if not package.is_installed("tensorboard", "matplotlib"):
        console.note(PLOTS_MISSING)
    _print_next(config, output)


def _print_next(config, output):
    command = sys.argv[0] if sys.argv[0].endswith("keras-vae") else "keras-vae"
    # As it was called: the commands of an environment are found beside one another.
    beside = command.removesuffix("keras-vae")
    folder, source = shlex.quote(str(output)), shlex.quote(config.data)
    named = {"array": config.array, "condition": config.condition, "labels": config.labels}
    names = "".join(f" --{option} {shlex.quote(name)}" for option, name in named.items() if name)
    steps = [
        f"{command} evaluate {folder}/{MODEL} {source}{names}",
        f"{command} train --config {folder}/{CONFIG}",
    ]
    if (output / "logs").exists():
        steps.insert(0, f"{beside}tensorboard --logdir {folder}/logs")
    if (output / "saved_model").exists():
        steps.append(f"{command} serve {folder}/saved_model")
    console.out.print("\nTo go on:")
    for step in steps:
        console.out.print(f"  {step}", soft_wrap=True, markup=False)
