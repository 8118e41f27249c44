"""Inference: what a trained VAE is used for."""

import numpy as np

from keras_vae import encoders, evaluation
from keras_vae.evaluation import draws
from keras_vae.model.flow import Flow
from keras_vae.numerics.arcs import arcs
from keras_vae.training.beside import Rows
from keras_vae.validation.arguments import is_count, plain


class Inference(Flow):
    """The methods of a `VAE` that run it on data or codes, in batches."""

    def encode(
        self,
        x,
        batch_size: int = 128,
        draw: bool = False,
        seed: int | None = None,
        condition=None,
    ) -> np.ndarray:
        """Returns the posterior means of x, `(n, *latent_shape)`, or a draw of q(z|x) per row.

        Args:
            x: data, `(n, *features)`.
            batch_size: rows per compiled call.
            draw: whether to draw z.
            seed: makes draws repeatable, with the same `batch_size` on the same backend.
            condition: what is given beside x, one for all rows or one for each.
        """
        draws.check_seed(draw, seed)
        if draw:
            return draws.encode(self, x, seed, batch_size, condition)
        function = self.of_inputs(self.posterior_mean)
        return self.compiled_inference(
            "encode", function, x, self.input_features, batch_size, condition=condition
        )

    def encode_distribution(
        self,
        x,
        n_samples: int = 1000,
        seed: int | None = 0,
        batch_size: int = 128,
        condition=None,
    ) -> draws.EncodedDistribution:
        """Returns `z_mean`, the standard deviations `z_std` and all parameters of q(z|x).

        Args:
            x: data, `(n, *features)`.
            n_samples: draws per input from which a flow's standard deviations
                are estimated, to 1 / √(2·n_samples) of their size; other
                posteriors know them in closed form.
            seed: of these draws; `None` draws anew.
            batch_size: rows per compiled call, at most.
            condition: what is given beside x, one for all rows or one for each.

        Returns:
            A named tuple of `z_mean` and `z_std`, each `(n, *latent_shape)`, and
            `params`, a dict of arrays such as `z_mean` and `z_log_var`.
        """
        return draws.encode_distribution(self, x, n_samples, seed, batch_size, condition)

    def decode(
        self,
        z,
        batch_size: int = 128,
        draw: bool = False,
        seed: int | None = None,
        condition=None,
    ) -> np.ndarray:
        """Returns the means of p(x|z), `(n, *features)`, or a draw of it per code.

        Args:
            z: codes, `(n, *latent_shape)`.
            batch_size: rows per compiled call.
            draw: whether to draw x, with the noise of the likelihood.
            seed: makes draws repeatable, with the same `batch_size` on the same backend.
            condition: what is given beside z, one for all rows or one for each.
        """
        draws.check_seed(draw, seed)
        if draw:
            return draws.decode(self, z, seed, batch_size, condition)
        function = self.of_inputs(self.mean_given, main="z")
        return self.compiled_inference(
            "decode", function, z, self.latent_shape, batch_size, condition=condition, main="z"
        )

    def reconstruct(
        self,
        x,
        batch_size: int = 128,
        draw: bool = False,
        seed: int | None = None,
        condition=None,
    ) -> np.ndarray:
        """Returns the means of p(x|z) at the posterior means of x, or draws of it there.

        `decode(encode(x, draw=True), draw=True)` draws z too.

        Args:
            x: data, `(n, *features)`.
            batch_size: rows per compiled call.
            draw: whether to draw the reconstruction, with the noise of the likelihood.
            seed: makes draws repeatable, with the same `batch_size` on the same backend.
            condition: what is given beside x, one for all rows or one for each.
        """
        draws.check_seed(draw, seed)
        if draw:
            return draws.reconstruct(self, x, seed, batch_size, condition)
        return self.compiled_inference(
            "reconstruct", self.call, x, self.input_features, batch_size, condition=condition
        )

    def transfer(self, x, from_condition, to_condition, batch_size: int = 128) -> np.ndarray:
        """Decodes the codes of x with another condition: the same z, another c.

        Args:
            x: data, `(n, *features)`.
            from_condition: that of x, one for all rows or one for each.
            to_condition: what takes its place.
            batch_size: rows per compiled call.

        Returns:
            Shape `(n, *features)`.

        Raises:
            ValueError: if the model has no condition.
        """
        z = self.encode(x, batch_size, condition=from_condition)
        return self.decode(z, batch_size, condition=to_condition)

    def sample(
        self,
        n: int,
        seed: int | None = None,
        batch_size: int = 128,
        draw: bool = False,
        condition=None,
    ) -> np.ndarray:
        """Returns the means of p(x|z) at `n` draws of the prior, `(n, *features)`.

        Args:
            n: how many.
            seed: makes draws repeatable, those of x with the same `batch_size`.
            batch_size: rows per compiled call.
            draw: whether to draw x too, with the noise of the likelihood.
            condition: what is given, one for all or one for each of the n.
        """
        self.check_built("sample")
        draws.warn_of_prior(self)
        if not is_count(n):
            raise ValueError(f"sample needs a number of at least 1; received {n!r}.")
        z = draws.codes(self, int(n), plain(seed), condition)
        if draw:
            return draws.decode(self, z, seed, batch_size, condition)
        return self.decode(z, batch_size, condition=condition)

    def interpolate(
        self,
        start,
        end,
        n_steps: int = 10,
        batch_size: int = 128,
        spherical: bool = False,
        condition=None,
    ) -> np.ndarray:
        """Decodes the ways between codes of data, both ends included.

        They are straight lines, or the arcs of `keras_vae.numerics.arcs`: on the sphere always.

        Args:
            start: data, `(n, *features)`.
            end: data, as much.
            n_steps: codes on each way.
            batch_size: rows per compiled call.
            spherical: whether to go along arcs, on which the norm changes evenly.
            condition: what is given on the ways, one for all or one for each of the n.

        Returns:
            Shape `(n, n_steps, *features)`.
        """
        z_start = self.encode(start, batch_size, condition=condition)
        z_end = self.encode(end, batch_size, condition=condition)
        if z_start.shape != z_end.shape:
            raise ValueError(f"start has {len(z_start)} samples, but end has {len(z_end)}.")
        if spherical or self.on_sphere():
            flat = [z.reshape(len(z), -1) for z in (z_start, z_end)]
            z = arcs(flat[0], flat[1], n_steps, self.on_sphere())
            z = z.reshape(*z.shape[:2], *self.latent_shape)
        else:
            z = np.linspace(z_start, z_end, n_steps, axis=1)
        if condition is not None:
            rows = self.beside(inference=True).read({"condition": condition}, len(z))
            condition = Rows({k: np.repeat(row, n_steps, axis=0) for k, row in rows.items()})
        decoded = self.decode(z.reshape(-1, *self.latent_shape), batch_size, condition=condition)
        return decoded.reshape(*z.shape[:2], *decoded.shape[1:])

    def on_sphere(self) -> bool:
        """Returns whether codes are unit vectors, as of a von Mises-Fisher posterior."""
        return encoders.get(self.encoder).posterior_class.support == "sphere"

    def impute(
        self,
        x,
        n_samples: int = 1000,
        n_imputations: int | None = None,
        seed: int | None = 0,
        batch_size: int = 100,
        condition=None,
        return_ess: bool = False,
    ) -> np.ndarray | evaluation.Imputation:
        """Fills what is missing of x by means or draws of p(x_m|x_o), see `evaluation.impute`."""
        how = (n_samples, n_imputations, seed, batch_size, condition, return_ess)
        return evaluation.impute(self, x, *how)
