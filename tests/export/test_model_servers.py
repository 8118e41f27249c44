"""Folders for TensorFlow Serving and Triton, read by the schemas that their servers read by."""

import keras
import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from helpers import make_vae

import keras_vae as kv

BACKEND = keras.backend.backend()
FIELD = descriptor_pb2.FieldDescriptorProto
# The messages of model_config.proto and of model_server_config.proto, as far as they are used:
# by field its number, its type and whether it is repeated.
TRITON = {
    "Shape": {"shape": (1, FIELD.TYPE_INT64, True)},
    "Input": {
        "name": (1, FIELD.TYPE_STRING, False),
        "data_type": (2, "DataType", False),
        "dims": (4, FIELD.TYPE_INT64, True),
        "reshape": (5, "Shape", False),
    },
    "Output": {
        "name": (1, FIELD.TYPE_STRING, False),
        "data_type": (2, "DataType", False),
        "dims": (3, FIELD.TYPE_INT64, True),
        "reshape": (5, "Shape", False),
    },
    "DynamicBatching": {},
    "ModelConfig": {
        "name": (1, FIELD.TYPE_STRING, False),
        "max_batch_size": (4, FIELD.TYPE_INT32, False),
        "input": (5, "Input", True),
        "output": (6, "Output", True),
        "dynamic_batching": (11, "DynamicBatching", False),
        "backend": (17, FIELD.TYPE_STRING, False),
    },
}
TENSORFLOW_SERVING = {
    "ModelConfig": {
        "name": (1, FIELD.TYPE_STRING, False),
        "base_path": (2, FIELD.TYPE_STRING, False),
        "model_platform": (4, FIELD.TYPE_STRING, False),
    },
    "ModelConfigList": {"config": (1, "ModelConfig", True)},
    "ModelServerConfig": {"model_config_list": (1, "ModelConfigList", False)},
}
DATA_TYPES = {"TYPE_INVALID": 0, "TYPE_INT32": 8, "TYPE_FP32": 11}


def parse(text, schema, message):
    """Parses a text as a message of the schema; what is not in it is an error."""
    package = f"schema_{message}".lower()
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package)
    file.syntax = "proto3"
    types = file.enum_type.add(name="DataType")
    for name, number in DATA_TYPES.items():
        types.value.add(name=name, number=number)
    for name, fields in schema.items():
        described = file.message_type.add(name=name)
        for field, (number, kind, repeated) in fields.items():
            label = FIELD.LABEL_REPEATED if repeated else FIELD.LABEL_OPTIONAL
            added = described.field.add(name=field, number=number, label=label)
            if isinstance(kind, str):
                is_enum = kind == "DataType"
                added.type = FIELD.TYPE_ENUM if is_enum else FIELD.TYPE_MESSAGE
                added.type_name = f".{package}.{kind}"
            else:
                added.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{message}"))
    return text_format.Parse(text, kind())


@pytest.fixture(scope="module")
def vae():
    vae = make_vae(condition=kv.conditions.OneHot(3))
    x = np.random.default_rng(0).random((30, 12)).astype("float32")
    vae.fit(x, condition=np.arange(30) % 3, verbose=0)
    return vae


def test_triton_finds_a_model_for_each_function(vae, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    differences = vae.export(tmp_path / "models", format="triton")
    assert max(differences.values()) < 1e-5
    folders = {path.name: path for path in (tmp_path / "models").iterdir()}
    assert folders.keys() == {"vae_encode", "vae_decode", "vae_reconstruct", "vae_score"}
    for name, folder in folders.items():
        config = parse((folder / "config.pbtxt").read_text(), TRITON, "ModelConfig")
        assert (config.name, config.backend) == (name, "onnxruntime")
        assert config.max_batch_size > 1 and config.HasField("dynamic_batching")
        session = onnxruntime.InferenceSession(folder / "1" / "model.onnx")
        for described, tensors in (
            (config.input, session.get_inputs()),
            (config.output, session.get_outputs()),
        ):
            assert [tensor.name for tensor in described] == [tensor.name for tensor in tensors]
        # What a client sends by the configuration, as Triton gives it to the model.
        feeds = {}
        for tensor in config.input:
            dtype = "int32" if tensor.data_type == DATA_TYPES["TYPE_INT32"] else "float32"
            feeds[tensor.name] = np.ones((2, *tensor.dims), dtype).reshape(2, *shape_of(tensor))
        for tensor, found in zip(config.output, session.run(None, feeds), strict=True):
            assert found.shape == (2, *shape_of(tensor))
            assert found.dtype == "float32" and tensor.data_type == DATA_TYPES["TYPE_FP32"]


def shape_of(tensor):
    """Returns the shape of a sample in the model; an empty one is written as a reshape."""
    return tuple(tensor.reshape.shape if tensor.HasField("reshape") else tensor.dims)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="the folder of a SavedModel is one of all")
def test_tensorflow_serving_finds_a_version_of_the_model(vae, tmp_path):
    import tensorflow as tf

    vae.export(tmp_path / "models", format="tensorflow_serving")
    text = (tmp_path / "models" / "models.config").read_text()
    config = parse(text, TENSORFLOW_SERVING, "ModelServerConfig").model_config_list.config
    assert [(model.name, model.model_platform) for model in config] == [("vae", "tensorflow")]
    folder = tmp_path / "models" / config[0].base_path.removeprefix("/models/")
    assert [path.name for path in folder.iterdir()] == ["1"]
    loaded = tf.saved_model.load(str(folder / "1"))
    x = np.random.default_rng(1).random((5, 12)).astype("float32")
    c = np.array([0, 1, 2, 0, 1])
    condition = tf.constant(c, "int32")
    found = loaded.signatures["encode"](x=tf.constant(x), condition=condition)
    np.testing.assert_allclose(found["z_mean"], vae.encode(x, condition=c), atol=1e-5)
    vae.export(tmp_path / "models", format="tensorflow_serving")  # in place of the older one
