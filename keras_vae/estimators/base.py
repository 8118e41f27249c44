"""VAEEstimator: how the estimators make, train, run and pickle their VAE."""

import contextlib
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from keras_vae import likelihoods, networks
from keras_vae.encoders import VariationalEncoder
from keras_vae.model.vae import VAE
from keras_vae.saving.load_model import load_model

ROWS = 128  # of each compiled call
_PICKLED = "vae_file"


class VAEEstimator(BaseEstimator):
    """A scikit-learn estimator that trains a VAE of dense networks on a table.

    A subclass keeps these constructor arguments and its own, calls `_fit_vae` in `fit`, and
    `_checked` where it takes X. After `fit` the model is its attribute `vae_`.

    Args:
        latent_dim: the number of latent dimensions.
        hidden_units: width of each layer of the encoder; the decoder has them in reverse.
        likelihood: a name or object of `keras_vae.likelihoods`.
        sigma: σ of `likelihood="gaussian"`, as `keras_vae.likelihoods.Gaussian` takes it.
        epochs: how often the data is gone through, at most.
        batch_size: rows per training step.
        learning_rate: of Adam.
        validation_fraction: the share of rows that early stopping is judged by.
        patience: epochs without a better loss of these rows until training stops, with the best
            weights; `None` trains on all rows for all epochs.
        random_state: makes fits repeatable: a number, a `RandomState` or `None`.
        verbose: as for `keras.Model.fit`.
    """

    latent_dim: int
    hidden_units: tuple[int, ...]
    likelihood: Any
    sigma: float | str
    epochs: int
    batch_size: int
    learning_rate: float
    validation_fraction: float
    patience: int | None
    random_state: Any
    verbose: int

    vae_: VAE
    n_features_in_: int

    def _checked(self, X, fit: bool = False, **options) -> np.ndarray:  # noqa: N803
        """Returns X as floats, `(n, n_features_in_)`; outside of `fit` of a fitted estimator."""
        if not fit:
            check_is_fitted(self)
        dtypes = (np.float64, np.float32)
        return validate_data(self, X, reset=fit, dtype=dtypes, **options)

    def _fit_vae(self, x, labels=None, labelled_per_batch=None, **parts) -> None:
        """Makes a VAE and trains it.

        Args:
            x: data, `(n, n_features_in_)`.
            labels: classes of the rows, -1 where unknown.
            labelled_per_batch: as for `VAE.fit`.
            **parts: arguments of `VAE`, besides the networks; by default its likelihood too.
        """
        rng = check_random_state(self.random_state)
        data = {"x": np.array(x, "float32")}  # a copy, as x may be read-only
        if labels is not None:
            data["labels"] = labels
        train, held_out = self._split(data, rng)
        with _seeded(rng.randint(2**31 - 1)):
            vae = self._make_vae(**{"likelihood": self._new_likelihood(), **parts})
            history = vae.fit(
                **train,
                batch_size=self.batch_size,
                epochs=self.epochs,
                verbose=self.verbose,
                validation_data=held_out,
                callbacks=self._callbacks(),
                labelled_per_batch=labelled_per_batch,
            )
        self.vae_, self.n_iter_ = vae, len(history.epoch)
        self.history_ = history.history

    def _make_vae(self, **parts):
        units = tuple(np.atleast_1d(self.hidden_units).tolist())
        n_params = self.n_features_in_ * parts["likelihood"].params_per_feature
        vae = VAE(
            VariationalEncoder(self.latent_dim, networks.DenseEncoder(units)),
            networks.DenseDecoder(n_params, units[::-1]),
            **parts,
        )
        vae.compile(keras.optimizers.Adam(self.learning_rate))
        return vae

    def _new_likelihood(self):
        """Returns a likelihood of this fit alone, as it may have weights."""
        if self.likelihood == "gaussian":
            return likelihoods.Gaussian(self.sigma)
        given = likelihoods.get(self.likelihood)
        return type(given).from_config(given.get_config())

    def _split(self, data, rng):
        """Returns the rows to train on and, for early stopping, those to judge by or `None`."""
        if self.patience is None:
            return data, None
        n = len(data["x"])
        if not 0.0 < self.validation_fraction < 1.0:
            raise ValueError(
                "validation_fraction must be a number between 0 and 1; received "
                f"{self.validation_fraction!r}."
            )
        # Training keeps a row of each class.
        kept = np.unique(data["labels"], return_index=True)[1] if "labels" in data else [0]
        others = rng.permutation(np.setdiff1d(np.arange(n), kept))
        held_out = others[: max(1, round(n * self.validation_fraction))]
        if not len(held_out):
            raise ValueError(
                f"Early stopping needs rows to be judged by, and n_samples={n} leaves none. Give "
                "more rows, or patience=None."
            )
        rest = np.setdiff1d(np.arange(n), held_out)
        return tuple({k: a[rows] for k, a in data.items()} for rows in (rest, held_out))

    def _callbacks(self):
        if self.patience is None:
            return []
        return [
            keras.callbacks.EarlyStopping(
                "val_loss", patience=self.patience, restore_best_weights=True
            )
        ]

    def __getstate__(self) -> dict:
        state = dict(super().__getstate__())
        if "vae_" in state:
            state[_PICKLED] = _to_bytes(state.pop("vae_"))
        return state

    def __setstate__(self, state) -> None:
        state = dict(state)
        if _PICKLED in state:
            state["vae_"] = _from_bytes(state.pop(_PICKLED))
        super().__setstate__(state)


def in_full_batches(function: Callable, x: np.ndarray) -> np.ndarray:
    """Returns `function(x)` by rows, each the same bits whatever rows stand beside it.

    Matrix products sum in another order for another number of rows.
    """
    n = len(x)
    rows = np.zeros((-(-n // ROWS) * ROWS, *x.shape[1:]), "float32")
    rows[:n] = x
    return function(rows)[:n]


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seeds Keras, and gives the generators of NumPy and Python back as they were."""
    of_python, of_numpy = random.getstate(), np.random.get_state()
    keras.utils.set_random_seed(seed)
    try:
        yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)


def _to_bytes(vae):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vae.keras"
        vae.save(path)
        return path.read_bytes()


def _from_bytes(file):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vae.keras"
        path.write_bytes(file)
        return load_model(path)
