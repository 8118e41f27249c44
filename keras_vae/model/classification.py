"""Classification: the classes that a VAE's objective has learned from labels."""

import numpy as np

from keras_vae.model.flow import Flow
from keras_vae.objectives import Classifying
from keras_vae.training.beside import Beside


class Classification(Flow):
    """The methods of a `VAE` that name the class of data, where labels were learned from."""

    def classify(self, x, batch_size: int = 128, condition=None) -> np.ndarray:
        """Returns the probabilities of the classes, `(n, n_classes)`.

        They are the classifier's, of x or of its code without randomness, at its
        temperature: see `calibrate`.

        Args:
            x: data, `(n, *features)`.
            batch_size: rows per compiled call.
            condition: what is given beside x, of a model with a condition whose
                classifier takes codes.

        Raises:
            ValueError: if no part of the objective learns from labels.
        """
        return np.exp(self._class_log_probabilities(x, batch_size, condition))

    def calibrate(self, x, labels, batch_size: int = 128, condition=None) -> float:
        """Sets the classifier's temperature, under which held-out labels are likeliest.

        It leaves which class is likeliest as it is, and is saved with the weights.

        Args:
            x: data that the model was not trained on, `(n, *features)`.
            labels: the classes; rows of unknown ones are left out.
            batch_size: rows per compiled call.
            condition: as for `classify`.

        Returns:
            The temperature: above 1 where the classifier was too sure.

        Raises:
            ValueError: if no part of the objective learns from labels, or all are unknown.

        Reference:
            Guo et al., "On calibration of modern neural networks", 2017, section 4.2.
        """
        log_p = self._class_log_probabilities(x, batch_size, condition)
        classes = self.objective.classes_of(self.condition)
        assert classes is not None  # as there is a classifier
        rows = classes.read_labels(labels, len(log_p), learn=False)
        if not (rows >= 0).any():
            raise ValueError("All labels are unknown, so that there is nothing to calibrate by.")
        return self._classifying().set_temperature(log_p[rows >= 0], rows[rows >= 0])

    def _classifying(self):
        found = [part for part in self.objective.parts() if isinstance(part, Classifying)]
        if not found:
            raise ValueError(
                "The model has no classifier. Give it an objective that learns from labels: "
                "keras_vae.objectives.SemiSupervised(), or a bound + "
                "keras_vae.objectives.Classifier(10)."
            )
        return found[0]

    def _class_log_probabilities(self, x, batch_size, condition):
        part = self._classifying()

        def of_code(x, given):
            code = self.posterior_mean(x, given=given)
            return part.class_log_probabilities(self._encoder_input(x, given), code)

        def of_x(x):
            return part.class_log_probabilities(self._encoder_input(x), None)

        function = self.of_inputs(of_code) if part.classifies_codes else of_x
        reader = None if part.classifies_codes else Beside()
        return self.compiled_inference(
            "classify",
            function,
            x,
            self.input_features,
            batch_size,
            condition=condition,
            reader=reader,
        )
