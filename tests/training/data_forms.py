"""The same rows in every form that a VAE takes."""

import tempfile

import keras
import numpy as np
from scipy import sparse


class Frame:
    """Behaves as a pandas DataFrame of columns of several types does."""

    def __init__(self, columns):
        self.data = columns
        self.columns = list(columns)
        self.shape = (len(next(iter(columns.values()))), len(columns))

    def __len__(self):
        return self.shape[0]

    def to_numpy(self):
        return np.array(list(zip(*self.data.values(), strict=True)), dtype=object)


def frame(x):
    kinds = ("bool", "int64", "float64", "float32")
    columns = {f"c{i}": list(x[:, i].astype(kinds[i % 4])) for i in range(x.shape[1])}
    return Frame(columns)


class Table:
    """Behaves as a Hugging Face dataset in numpy format does."""

    def __init__(self, **columns):
        self.columns = columns
        self.column_names = list(columns)

    def __len__(self):
        return len(next(iter(self.columns.values())))

    def __getitem__(self, rows):
        assert isinstance(rows, (int, slice, list))
        return {name: column[rows] for name, column in self.columns.items()}

    def __iter__(self):
        return (self[i] for i in range(len(self)))


class Batches(keras.utils.PyDataset):
    def __init__(self, *arrays, size=37):
        super().__init__()
        self.arrays, self.size = arrays, size

    def __len__(self):
        return -(-len(self.arrays[0]) // self.size)

    def __getitem__(self, i):
        return tuple(a[i * self.size : (i + 1) * self.size] for a in self.arrays)


def memory_map(x):
    file = tempfile.TemporaryFile()  # noqa: SIM115
    file.write(x.tobytes())
    file.flush()
    return np.memmap(file, x.dtype, "r", shape=x.shape)


def of_tensorflow(x):
    import tensorflow as tf

    return tf.constant(x)


def of_torch(x):
    import torch

    return torch.tensor(x, requires_grad=True)


def of_jax(x):
    import jax

    return jax.numpy.asarray(x)


def sparse_tensor(x):
    import tensorflow as tf

    return tf.sparse.from_dense(x)


def sparse_jax(x):
    from jax.experimental import sparse as jax_sparse

    return jax_sparse.BCOO.fromdense(x)


def sparse_torch(x):
    import torch

    return torch.tensor(x).to_sparse()


ROWS = {
    "float64": lambda x: x.astype("float64"),
    "list": lambda x: x.tolist(),
    "memory map": memory_map,
    "frame": frame,
    "tensorflow": of_tensorflow,
    "torch": of_torch,
    "jax": of_jax,
    "csr": sparse.csr_matrix,
    "coo array": lambda x: sparse.coo_array(x),
    "tf.SparseTensor": sparse_tensor,
    "BCOO": sparse_jax,
    "sparse torch": sparse_torch,
    "table": lambda x: Table(image=x),
}


def tf_dataset(*arrays):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(arrays if len(arrays) > 1 else arrays[0]).batch(37)


def sparse_tf_dataset(x):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(tf.sparse.from_dense(x)).batch(37)


def loader(*arrays):
    import torch

    tensors = [torch.from_numpy(a) for a in arrays]
    data = tensors[0] if len(tensors) == 1 else torch.utils.data.TensorDataset(*tensors)
    return torch.utils.data.DataLoader(data, batch_size=37)


def generator(*arrays):
    for i in range(0, len(arrays[0]), 37):
        batch = tuple(a[i : i + 37] for a in arrays)
        yield batch if len(batch) > 1 else batch[0]


STREAMS = {
    "tf.data": tf_dataset,
    "sparse tf.data": sparse_tf_dataset,
    "PyDataset": Batches,
    "DataLoader": loader,
    "generator": generator,
    "generator of sparse": lambda x: (sparse.csr_matrix(b) for b in generator(x)),
    "iterator": lambda x: map(np.asarray, [x[:1], x[1:200], x[200:200], x[200:]]),
}
FORMS = {**ROWS, **STREAMS}
