"""TensorBoardVAE: what the model learned, in TensorBoard, beside the losses."""

import io
import os
import time
from functools import partial

import keras
import numpy as np

from keras_vae import evaluation
from keras_vae.callbacks.watched_rows import WatchedRows
from keras_vae.training.beside import Rows
from keras_vae.validation.arguments import is_count

# Rows that are looked at, which bounds the cost of an epoch.
_MAX_ROWS = 512
_MAX_DIMENSIONS = 16
# TensorBoard shows pictures about 3.5 inches wide: more columns would be too small to see.
_COLUMNS, _INCHES = 7, 3.5


class TensorBoardVAE(keras.callbacks.Callback):
    r"""Writes pictures, the use of the code and an embedding to TensorBoard.

    The scalars of the losses come from `keras.callbacks.TensorBoard`, which may
    write to the same folder. This callback adds, for at most 512 rows of `x`:

    - for images: reconstructions below their inputs, samples of the prior, with a condition a
      row for each class, and traversals, a row for each of the 16 most informative latent
      dimensions,
    - the KL of each latent dimension, in nats, and the number of active units,
      as scalars; the KLs and the codes as histograms,
    - the codes for the projector, with `labels` and, for images, the images.

    It needs the extra `plots`, and TensorFlow on no backend but its own. One
    writing costs about half a second for 64×64 images on a CPU, the first about three,
    and does not disturb the draws of the training.

    Args:
        log_dir: the folder that TensorBoard shows; this callback writes to
            `log_dir/vae`.
        x: data of shape `(n, *features)`, in any form that `fit` takes, best such
            that the model does not train on; also a dict of `x` and `condition`.
        labels: a label for each row of x, of shape `(n,)`; tabs and line breaks in them are
            written as `\t` and `\n`.
        every: epochs from one writing to the next. The last epoch is written too.
        condition: what is given beside x, where the model has a condition, one for all rows
            or one for each; a stream brings its own.

    Raises:
        ValueError: if `labels` and `x` differ in length, `labels` has several
            columns, or `every` is not positive.

    Example:
        >>> board = keras_vae.callbacks.TensorBoardVAE("logs", x_val, labels=y_val)
        >>> vae.fit(x, epochs=20, callbacks=[keras.callbacks.TensorBoard("logs"), board])
    """

    def __init__(self, log_dir: str | os.PathLike, x, labels=None, every: int = 5, condition=None):
        super().__init__()
        self.rows = WatchedRows(x, condition, _MAX_ROWS)
        self.x, is_stream = self.rows.x, self.rows.is_stream
        n = len(self.x) if is_stream else self.rows.n
        if labels is not None and len(labels) != n and not (is_stream and len(labels) > n):
            raise ValueError(f"x has {n} rows, but there are {len(labels)} labels.")
        self.log_dir = os.path.join(log_dir, "vae")
        self.labels = None if labels is None else np.asarray(labels)[: len(self.x)]
        if self.labels is not None and self.labels.ndim != 1:
            raise ValueError(
                f"labels must hold one label for each row of x; received the shape "
                f"{self.labels.shape}. Pass one of its columns."
            )
        if not is_count(every):
            raise ValueError(f"every must be a positive number of epochs; received {every!r}.")
        self.every = int(every)
        self.writer = None

    def on_epoch_end(self, epoch, logs=None) -> None:
        if (epoch + 1) % self.every == 0 or epoch + 1 == self.params["epochs"]:
            self.write(epoch)

    def on_train_end(self, logs=None) -> None:
        if self.writer:
            self.writer.close()
            self.writer = None

    def write(self, epoch: int) -> None:
        """Writes everything as of `epoch`."""
        from tensorboard.plugins.histogram.summary_v2 import histogram_pb
        from tensorboard.plugins.scalar.summary_v2 import scalar_pb

        vae, given = self.model, self.rows.condition_for(self.model)
        z = vae.encode(self.x, condition=given).reshape(len(self.x), -1)
        active = evaluation.active_units(vae, self.x, condition=given)
        values = [scalar_pb("latent/active_units", active), histogram_pb("latent/z_mean", z)]
        if evaluation.has_kl_per_dimension(vae):
            kl = vae.kl_per_dimension(self.x, condition=given).ravel()
            values.append(histogram_pb("latent/kl_per_dimension", kl))
            values += [scalar_pb(f"kl_per_dimension/z_{i:03}", value) for i, value in enumerate(kl)]
        for value in values:
            self._add(value, epoch)
        if is_image(self.x):
            for name, draw in self._pictures(given).items():
                self._add(_image_pb(f"pictures/{name}", draw), epoch)
        self._embed(z)
        self._opened().flush()

    def _pictures(self, given):
        from keras_vae import plots

        model, x, columns = self.model, self.x, _COLUMNS
        of_x = {"condition": given}
        how_many = {"condition": self._to_sample(given)} if model.condition else {"rows": columns}
        return {
            "reconstructions": partial(plots.reconstructions, model, x, n=columns, **of_x),
            "samples": partial(plots.samples, model, columns=columns, seed=0, **how_many),
            "traversal": partial(
                plots.traversal, model, x, rows=_MAX_DIMENSIONS, columns=columns, **of_x
            ),
        }

    def _to_sample(self, given):
        """Returns the conditions to sample with: all classes, or those of the first rows."""
        if given is None or self.model.condition.all_values() is not None:
            return None
        return Rows({name: rows[:_COLUMNS] for name, rows in given.items()})

    def _add(self, summary, epoch):
        from tensorboard.compat.proto.event_pb2 import Event

        event = Event(step=epoch, wall_time=time.time(), summary=summary)
        self._opened().add_event(event)

    def _opened(self):
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self.writer = self.writer or EventFileWriter(self.log_dir)
        return self.writer

    def _embed(self, z):
        """Writes the files of the projector, which shows the last codes only."""
        from google.protobuf import text_format
        from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

        config = ProjectorConfig()
        embedding = config.embeddings.add(tensor_name="z_mean", tensor_path="z_mean.tsv")
        np.savetxt(self._path("z_mean.tsv"), z, delimiter="\t", fmt="%.5g")
        if self.labels is not None:
            embedding.metadata_path = "labels.tsv"
            with open(self._path("labels.tsv"), "w", encoding="utf-8", newline="\n") as file:
                file.writelines(f"{_one_line(label)}\n" for label in self.labels)
        if is_image(self.x):
            embedding.sprite.image_path = "sprites.png"
            embedding.sprite.single_image_dim.extend(self.x.shape[2:0:-1])
            _sprites(self.x).save(self._path("sprites.png"))
        with open(self._path("projector_config.pbtxt"), "w", encoding="utf-8") as file:
            file.write(text_format.MessageToString(config))

    def _path(self, name):
        return os.path.join(self.log_dir, name)


def _one_line(label) -> str:
    """Returns a label as one cell of a file of one column, as the projector reads it.

    A line break would shift the rows, a tab would make the first row a header, and a row
    without anything to see would be left out.
    """
    text = label.decode(errors="replace") if isinstance(label, bytes) else str(label)
    if not text.strip():
        return repr(text)
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def is_image(x) -> bool:
    """Returns whether x has the shape `(n, height, width, 1 or 3 channels)`."""
    return x.ndim == 4 and x.shape[-1] in (1, 3)


def _image_pb(name, draw):
    from matplotlib.figure import Figure
    from PIL import Image
    from tensorboard.compat.proto.summary_pb2 import Summary

    figure, file = Figure((_INCHES, 3 * _INCHES), dpi=200, layout="constrained"), io.BytesIO()
    draw(ax=figure.add_subplot())
    figure.savefig(file, format="png", bbox_inches="tight", pad_inches=0.02)
    width, height = Image.open(file).size
    image = Summary.Image(
        height=height, width=width, colorspace=4, encoded_image_string=file.getvalue()
    )
    return Summary(value=[Summary.Value(tag=name, image=image)])


def _sprites(images):
    """Returns the images in rows of a square, as the projector takes them."""
    from PIL import Image

    side = int(np.ceil(np.sqrt(len(images))))
    padded = np.zeros((side * side, *images.shape[1:]), "float32")
    padded[: len(images)] = np.clip(images, 0.0, 1.0)
    rows = padded.reshape(side, side, *images.shape[1:]).swapaxes(1, 2)
    pixels = (255 * rows.reshape(side * images.shape[1], side * images.shape[2], -1)).astype(
        "uint8"
    )
    return Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)
