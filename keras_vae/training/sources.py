"""Sources: what brings the batches of each epoch to a `StreamLoop`."""

import collections
import itertools
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np

from keras_vae import backend
from keras_vae.reading import streams
from keras_vae.reading.lazy_rows import LazyRows
from keras_vae.reading.mapped_rows import MappedRows

Arrays = dict[str, np.ndarray]


class Source(ABC):
    """Brings the batches of each epoch.

    A new kind inherits from this and defines `open`; the smallest is

        class Noise(Source):
            def open(self):
                return ({"x": np.random.rand(100, 784)} for _ in range(10))

    Attributes:
        n_batches: how many `open` gives, `None` where nobody knows.
        opens_once: whether `open` goes on where it was, as of a generator.
    """

    n_batches: int | None = None
    opens_once = False

    @abstractmethod
    def open(self) -> Iterator[Arrays]:
        """Returns the batches from the first: arrays by name, `(batch, *features)`.

        It is read in another thread; arrays need to last until the next is asked for.
        """

    def begin_epoch(self) -> None:  # noqa: B027
        """Called before an epoch."""

    def end_epoch(self) -> None:  # noqa: B027
        """Called after an epoch, and once before the first."""

    def use_up(self) -> None:  # noqa: B027
        """Called where an epoch took all there is, before `end_epoch`."""


class Rows(Source):
    """Data whose rows are read in an order that is chosen here: memory maps, sparse, tables.

    Args:
        arrays: arrays or `LazyRows` of one number of rows, by name.
        batch_size: rows of a batch.
        n_rows: how many rows an epoch takes.
        next_order: gives their numbers for each epoch.
    """

    def __init__(self, arrays: dict, batch_size: int, n_rows: int, next_order: Callable):
        self.arrays, self.batch_size, self.next_order = arrays, batch_size, next_order
        self.n_batches = -(-n_rows // batch_size)

    def open(self) -> Iterator[Arrays]:
        return self._batches(self.next_order())

    def _batches(self, order):
        # Read into the same memory again and again, as fresh memory takes longer to fill.
        memory = {
            id(a): np.empty((self.batch_size, *a.shape[1:]), a.dtype) for a in self.arrays.values()
        }
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            # What is x and target at once is read once.
            read = {id(a): _rows_of(a, rows, memory[id(a)]) for a in self.arrays.values()}
            yield {name: read[id(a)] for name, a in self.arrays.items()}


def _rows_of(array, rows, memory):
    memory = memory[: len(rows)]
    if isinstance(array, MappedRows):
        array.read_into(memory, rows)
        return memory
    if isinstance(array, LazyRows):
        return array[rows]
    return np.take(array, rows, axis=0, out=memory, mode="clip")


class Numbered(Source):
    """A `keras.utils.PyDataset`, whose batches are asked for by number.

    Args:
        name: what it is called in errors.
        dataset: the dataset.
        next_order: gives the numbers of the batches in their order for each epoch, given how many
            there are; `None` for Keras's own, which is drawn from the generator of the process.
        shuffle: whether Keras would shuffle them.
    """

    def __init__(self, name: str, dataset, next_order: Callable | None, shuffle: bool):
        self.name, self.dataset = name, dataset
        self.next_order, self.shuffle = next_order, shuffle
        self.n_batches = dataset.num_batches

    def begin_epoch(self) -> None:
        self.dataset.on_epoch_begin()

    def end_epoch(self) -> None:
        self.dataset.on_epoch_end()

    def open(self) -> Iterator[Arrays]:
        return _read(self.name, self._batches(self._order()))

    def _order(self):
        if self.n_batches is None:
            return itertools.count()
        if self.next_order is not None:
            return self.next_order(self.n_batches).tolist()
        order = list(range(self.n_batches))
        if self.shuffle:
            random.shuffle(order)
        return order

    def _batches(self, order):
        if self.dataset.workers > 1:
            return _by_workers(self.dataset, iter(order))
        return (self.dataset[number] for number in order)


def _by_workers(dataset, order):
    """Yields batches in their order, of which several threads make some beforehand."""
    pool, waiting = ThreadPoolExecutor(dataset.workers), collections.deque()
    try:
        for number in itertools.islice(order, dataset.max_queue_size):
            waiting.append(pool.submit(dataset.__getitem__, number))
        while waiting:
            batch = waiting.popleft().result()
            for number in itertools.islice(order, 1):
                waiting.append(pool.submit(dataset.__getitem__, number))
            yield batch
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class Stream(Source):
    """Anything that can be iterated over: tf.data, torch DataLoader, generator.

    Args:
        name: what it is called in errors.
        stream: the stream.
    """

    def __init__(self, name: str, stream: Iterable):
        self.name, self.stream = name, stream
        self.opens_once = isinstance(stream, Iterator)
        self.n_batches = streams.length(stream)

    def open(self) -> Iterator[Arrays]:
        return _read(self.name, streams.once_through(self.stream))


class TensorFlowStream(Stream):
    """A `tf.data.Dataset`."""

    def use_up(self) -> None:
        if backend.OPENS_STREAMS_ONCE_MORE:
            iter(self.stream)  # a shuffled one has another order each time


class Loader(Stream):
    """A torch `DataLoader`."""

    is_known = False

    def open(self) -> Iterator[Arrays]:
        if backend.OPENS_STREAMS_ONCE_MORE and not self.is_known:
            collections.deque(itertools.islice(self.stream, 2), maxlen=0)
            self.is_known = True
        return super().open()

    def use_up(self) -> None:
        if backend.OPENS_LOADERS_AFTER_EPOCHS:
            iter(self.stream)  # which draws a seed, so that a shuffled one has another order


def _read(name, batches):
    for number, batch in enumerate(batches):
        yield streams.as_batch(name, number, batch).by_name()


def of_stream(name: str, stream, next_order: Callable | None = None, shuffle=False) -> Source:
    """Returns the source of a stream of any kind; the arguments are those of `Numbered`."""
    if isinstance(stream, keras.utils.PyDataset):
        return Numbered(name, stream, next_order, shuffle)
    if streams.is_tf_dataset(stream):
        return TensorFlowStream(name, stream)
    if streams.is_loader(stream):
        return Loader(name, stream)
    return Stream(name, stream)
