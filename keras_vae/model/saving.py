"""Saving: what of a VAE files hold."""

import tempfile
from pathlib import Path
from typing import Self

import keras

from keras_vae import backend
from keras_vae.backend.keras_internals import flatten_layers, portable_config
from keras_vae.model import frozen
from keras_vae.model.flow import Flow
from keras_vae.objectives import loss_weight
from keras_vae.saving import random_state
from keras_vae.saving.atomic_write import written_beside
from keras_vae.saving.file_names import check_format, check_model_name, check_weights_name
from keras_vae.saving.load_model import check_version
from keras_vae.saving.registry import check_classes
from keras_vae.version import __version__


class Saving(Flow):
    """The methods of a `VAE` that write it to files and read it again."""

    def get_compile_config(self) -> dict:
        config = super().get_compile_config()
        if config:
            # The backend that loads the file resolves "auto" for itself.
            config["jit_compile"] = self.requested_jit_compile
            config["device_loop"] = self.requested_device_loop
            config["optimizer"] = portable_config(config["optimizer"])
            if self.optimizer.built:
                config["optimized"] = frozen.optimized(self)
        return config

    def compile_from_config(self, config) -> None:
        config = dict(config)
        optimized = config.pop("optimized", None)
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            frozen.build_optimizer(self, optimized)

    def get_build_config(self) -> dict | None:
        config = super().get_build_config()
        return config and {
            **config,
            "frozen": frozen.frozen(self),
            "own_target": self.own_target,
        }

    def build_from_config(self, config) -> None:
        config = dict(config)
        places = config.pop("frozen", None)
        self.own_target = config.pop("own_target", False)
        super().build_from_config(config)
        frozen.freeze(self, places)

    def save_own_variables(self, store) -> None:
        super().save_own_variables(store)
        random_state.save(self, store)

    def load_own_variables(self, store) -> None:
        super().load_own_variables(random_state.load(self, store))

    def save(self, filepath, overwrite=True, **kwargs) -> None:
        """As `keras.Model.save`; a save that fails leaves an older file as it was.

        Of processes that train the model together all call it, as some engines have to bring
        its weights together, and the first one's file is kept.

        Raises:
            ValueError: if the name does not end in `.keras`, but for `zipped=False` and
                the Hugging Face Hub (`hf://`).
        """
        check_model_name(filepath, kwargs.get("zipped"))
        if backend.process(self)[0] > 0:
            with tempfile.TemporaryDirectory() as folder:
                super().save(Path(folder) / Path(filepath).name, overwrite=True, **kwargs)
            return
        if not overwrite or not str(filepath).endswith(".keras") or "://" in str(filepath):
            super().save(filepath, overwrite=overwrite, **kwargs)
            return
        if self.built and self.compiled and not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)  # as the model that loads will expect
        with written_beside(filepath) as path:
            super().save(path, overwrite=True, **kwargs)

    def save_weights(self, filepath, overwrite=True, **kwargs) -> None:
        """As `keras.Model.save_weights`; a save that fails leaves an older file as it was.

        Of processes that train the model together all call it, as some engines have to bring
        its weights together, and the first one's file is kept.

        Raises:
            ValueError: if the name of a single file does not end in `.weights.h5`.
        """
        if backend.process(self)[0] > 0:
            with tempfile.TemporaryDirectory() as folder:
                super().save_weights(Path(folder) / Path(filepath).name, **kwargs)
            return
        if not overwrite or "://" in str(filepath) or kwargs.get("max_shard_size"):
            super().save_weights(filepath, overwrite=overwrite, **kwargs)
            return
        check_weights_name(filepath)
        with written_beside(filepath) as path:
            super().save_weights(path, overwrite=True)

    def export(
        self,
        filepath,
        format: str = "tf_saved_model",
        endpoint: str = "reconstruct",
        draws: bool = False,
        quantize: str | None = None,
        representative=None,
    ) -> dict[str, float]:
        """Writes the model for serving, without randomness, and checks what it wrote.

        The functions are `reconstruct`, `encode`, `decode` and `score`. A
        SavedModel holds them all, and `sample`, see
        `keras_vae.export.saved_model`; docs/serving.md has the table of what
        each backend can write.

        Args:
            filepath: the folder of a SavedModel; for the other formats a file
                that ends in `.onnx`, `.tflite` or `.pt2`, or else a folder for
                one such file per function.
            format: `"tf_saved_model"`, `"onnx"`, `"litert"`, `"torch"`, or a folder made of
                these: `"tensorflow_serving"`, `"triton"`, `"page"` for browsers.
            endpoint: the function that a single file holds.
            draws: whether a SavedModel holds `draw_z` and `draw_x` too, which
                draw from q(z|x) and p(x|z) by a `seed`.
            quantize: for LiteRT from TensorFlow, `"float16"`, `"dynamic"` (8-bit
                weights) or `"int8"` (8-bit activations too); float32 by default.
            representative: rows of data that `"int8"` measures ranges on, and
                what is quantized is compared on; `(x, y)` where `score` takes y, and for
                x a dict `{"x": x, "condition": c}` where the model has a condition.

        Returns:
            The largest difference between what the file and what the model
            computes, by function, in parts of the largest value where that is above 1.

        Raises:
            ValueError: if the model is not built, or a name is unknown.
            RuntimeError: if the backend cannot write the format, or what it
                wrote does not compute what the model does, quantized to within
                0.01 (`"float16"`), 0.1 (`"dynamic"`) or 0.2 (`"int8"`).
            ImportError: if a package that the format needs is not installed.
        """
        from keras_vae.export import export  # which few processes need

        return export(self, filepath, format, endpoint, draws, quantize, representative)

    def get_config(self) -> dict:
        check_format()
        check_classes(flatten_layers(self))
        names = ["encoder", "decoder", "likelihood", "prior", "objective", "regularizer"]
        names += [] if self.condition is None else ["condition"]
        parts = {k: keras.saving.serialize_keras_object(getattr(self, k)) for k in names}
        strength = {
            name: keras.saving.serialize_keras_object(value)
            for name, value in loss_weight.numbers(self).items()
        }
        saved_by = {"keras_vae": __version__, "backend": backend.NAME}
        return {**super().get_config(), **parts, **strength, "saved_by": saved_by}

    @classmethod
    def from_config(cls, config) -> Self:
        config = dict(config)
        check_version(config.pop("saved_by")["keras_vae"])
        return cls(**{k: keras.saving.deserialize_keras_object(v) for k, v in config.items()})
