"""Classification: the classes that a VAE's objective has learned from labels."""

import numpy as np
from keras import ops

from keras_vae.conditions import NOTHING, Given
from keras_vae.model.flow import Flow
from keras_vae.objectives import Classifying
from keras_vae.training.beside import Beside
from keras_vae.typing import Tensor


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

    @property
    def has_classifier(self) -> bool:
        """Whether a part of the objective learns from labels."""
        return any(isinstance(part, Classifying) for part in self.objective.parts())

    @property
    def classifies_codes(self) -> bool:
        """Whether the classifier takes codes, which may depend on a condition, and not x."""
        return self._classifying().classifies_codes

    def class_log_probabilities_given(self, x, given: Given = NOTHING) -> Tensor:
        """Returns log q(y|x) of the tensor x, `(batch, n_classes)`, as a tensor."""
        code = self.posterior_mean(x, given=given) if self.classifies_codes else None
        return self._classifying().class_log_probabilities(self._encoder_input(x, given), code)

    def class_probabilities_given(self, x, given: Given = NOTHING) -> Tensor:
        """Returns `classify` of the tensor x as a tensor."""
        return ops.exp(self.class_log_probabilities_given(x, given))

    def _class_log_probabilities(self, x, batch_size, condition):
        function = self.class_log_probabilities_given
        # Of x itself nothing beside it is needed.
        reader = None if self.classifies_codes else Beside()
        return self.compiled_inference(
            "classify",
            self.of_inputs(function) if self.classifies_codes else function,
            x,
            self.input_features,
            batch_size,
            condition=condition,
            reader=reader,
        )
