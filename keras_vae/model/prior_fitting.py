"""Prior fitting: a prior that is fitted to the codes of a trained VAE, and takes its place."""

import keras
import numpy as np
from keras import ops

from keras_vae import backend, priors
from keras_vae.backend.keras_internals import compile_arguments, put_in_place
from keras_vae.conditions import NOTHING
from keras_vae.evaluation.by_name import arrays_by_name
from keras_vae.evaluation.draws import fresh_seed
from keras_vae.model.connect import check_parts
from keras_vae.model.fitting import Fitting
from keras_vae.model.frozen import inner_optimizer
from keras_vae.priors import Prior
from keras_vae.saving import random_state
from keras_vae.training.prior_model import PriorModel
from keras_vae.validation.arguments import check_count, check_positive


class PriorFitting(Fitting):
    """The methods of a `VAE` that give it another prior than it was trained with."""

    def build_prior(self, prior: Prior) -> None:
        """Tells a prior of the encoder and the condition, and builds it."""
        prior.connect(self._posterior_again, self.input_features)
        prior.condition_size = 0 if self.condition is None else self.condition.size
        if not prior.built:
            prior.build((None, *self.latent_shape))

    def fit_prior(
        self,
        x,
        prior,
        epochs: int = 50,
        batch_size: int = 256,
        condition=None,
        learning_rate=5e-3,
        verbose="auto",
    ) -> keras.callbacks.History:
        """Fits a prior to the codes of data, and gives it the place of the model's prior.

        It maximizes E_q(z|x)[log p(z)] over x by the weights of p(z) alone: encoder, decoder
        and all else stay as they are. So the ELBO rises by as much as that does, which is
        KL(q(z) ‖ p_old) - KL(q(z) ‖ p_new), q(z) being the codes of all data as a whole.
        Afterwards `sample`, `score`, `log_likelihood`, `evaluate`, files and exports are of
        the new prior. The model can be trained on, the prior with it; its optimizer then begins
        anew, with the settings that it has, while a schedule of β goes on.

        What fails or is interrupted leaves the model with its old prior.

        Args:
            x: data, `(n, *features)`, in any form that `encode` takes.
            prior: a name or object of `keras_vae.priors`. A `GaussianMixture` begins with
                clusters of the codes and a `VampPrior` with rows of x; one that is built
                already goes on from where it is. One without weights takes the place at once.
            epochs: how often each row is taken, with a new draw of z each time.
            batch_size: rows of a step.
            condition: what is given beside x, one for all rows or one for each.
            learning_rate: of Adam, from which it falls to 0 along a cosine, or a schedule.
            verbose: as for `keras.Model.fit`.

        Returns:
            The history, whose `loss` is the mean of -log p(z) of each epoch, in nats; for a
            prior whose `log_prob` is a lower bound (`TwoStage`), of that. It is empty for a
            prior without weights.

        Raises:
            ValueError: if the model is not built, the prior does not go with its other parts
                or was built for other codes, or an argument is out of its range.

        Reference:
            Hoffman & Johnson, "ELBO surgery", 2016; Dai & Wipf, "Diagnosing and enhancing
            VAE models", 2019; Ghosh et al., "From variational to deterministic
            autoencoders", 2020.

        Example:
            >>> vae.fit_prior(x, keras_vae.priors.GaussianMixture(50))
            >>> images = vae.sample(16)
        """
        self.check_built("fit a prior")
        if backend.process(self)[1] > 1:
            raise ValueError(
                "fit_prior runs in one process. Save the model, load it in a program of its own, "
                "fit the prior there and save it again."
            )
        prior = priors.get(prior)
        self._check_prior(prior)
        epochs, batch_size = check_count("epochs", epochs), check_count("batch_size", batch_size)
        if not isinstance(learning_rate, keras.optimizers.schedules.LearningRateSchedule):
            learning_rate = check_positive("learning_rate", learning_rate)
        backend.synchronizer(self)()
        begins = not prior.built
        with backend.scope(self):
            self.build_prior(prior)
        history = keras.callbacks.History()
        if prior.trainable_weights:
            rows, x = self._posteriors(x, batch_size, condition, prior.starts_from_data and begins)
            with backend.scope(self):
                model = PriorModel(prior, self._posterior_of)
                if begins:
                    model.start(rows, np.random.default_rng(fresh_seed()), x)
                history = model.fit_rows(rows, epochs, batch_size, learning_rate, verbose)
        self._take(prior)
        return history

    def _check_prior(self, prior):
        parts = (self.likelihood, prior, self.objective, self.condition)
        check_parts(self.encoder, self.decoder, *parts)
        prior.check_latent_shape(self.latent_shape)
        if prior.built and tuple(prior.event_shape) != self.latent_shape:
            raise ValueError(
                f"The prior was built for codes of shape {tuple(prior.event_shape)}, but those of "
                f"this VAE are {self.latent_shape}. Make a new one for it."
            )

    def _posteriors(self, x, batch_size, condition, with_x):
        """Returns the parameters of q(z|x), what the condition gives, and x if asked for."""

        def posteriors(x, given=NOTHING):
            found = self.posterior_params(x, given=given)
            if given.vector is not None:
                found = {**found, " vector": given.vector}
            return {**found, " x": x} if with_x else found

        name = "fit_prior with x" if with_x else "fit_prior"
        found = arrays_by_name(self, name, posteriors, x, batch_size, condition)
        x, vector = found.pop(" x", None), found.pop(" vector", None)
        rows = {"params": found}
        return (rows if vector is None else {**rows, "vector": vector}), x

    def _take(self, prior):
        """Puts the prior in the place of the old one, and forgets what was compiled with that."""
        put_in_place(self, "prior", prior)
        random_state.own(self)
        self.compiled_inference.clear()
        self.compiled_loops.clear()
        if not self.compiled:
            return
        step = None if self.training_step is None else ops.convert_to_numpy(self.training_step)
        arguments = compile_arguments(self)
        optimizer = inner_optimizer(self.optimizer)
        with backend.scope(self):
            # It knows the variables of the old prior, and no others.
            arguments["optimizer"] = type(optimizer).from_config(optimizer.get_config())
        arguments["jit_compile"] = self.requested_jit_compile
        self.compile(**arguments, device_loop=self.requested_device_loop)
        if self.training_step is not None:
            self.training_step.assign(int(step))
