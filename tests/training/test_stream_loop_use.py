"""The loop over streams: errors, ends, back pressure, and where Keras's own loop runs instead."""

import itertools
import queue
import threading
import traceback

import keras
import numpy as np
import pytest
from data_forms import Batches as Numbered
from data_forms import generator, memory_map, tf_dataset
from helpers import make_vae

from keras_vae.training import device_loop
from keras_vae.training.sources import of_stream

BACKEND = keras.backend.backend()


@pytest.fixture(scope="module")
def compiled():
    keras.utils.set_random_seed(1)
    vae = make_vae(compile_kwargs={"jit_compile": BACKEND == "jax"})
    vae.fit(np.zeros((37, 12), "float32"), verbose=0)
    return vae


@pytest.fixture
def vae(compiled):
    """A model whose compiled loops serve all tests."""
    compiled.optimizer.iterations.assign(0)
    compiled.compiled_loops.n_steps.clear()
    return compiled


def uses_loop(vae):
    return bool(vae.compiled_loops.n_steps)


def n_steps(vae):
    return int(vae.optimizer.iterations)


class Grouped(keras.callbacks.Callback):
    """Notes the numbers of the steps after which it is called, and what `look` gives then."""

    takes_groups_of_batches = True

    def __init__(self, look=lambda: None, stop_at=None):
        super().__init__()
        self.steps, self.seen, self.look, self.stop_at = [], [], look, stop_at

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(batch)
        self.seen.append(self.look())
        self.model.stop_training = batch == self.stop_at


@pytest.fixture
def chunks_of_two(monkeypatch):
    monkeypatch.setattr(device_loop, "_MIN_STEPS", 2)


class Counted:
    """A generator without end that counts what was taken of it, and may fail."""

    def __init__(self, x, fails_at=None):
        self.x, self.fails_at, self.n = x, fails_at, 0

    def batches(self):
        for self.n in itertools.count(1):
            if self.n - 1 == self.fails_at:
                self.open_a_file_that_is_not_there()
            yield (self.x[:37],)

    def open_a_file_that_is_not_there(self):
        raise OSError("the disk is gone")


def readers():
    return [t for t in threading.enumerate() if t.name == "keras_vae reader"]


@pytest.mark.parametrize("n", [0, 3, 4, 5])
def test_an_error_of_the_source_is_raised_after_the_batches_before_it(vae, x, n, chunks_of_two):
    source = Counted(x, fails_at=n + 1)  # the first is looked at before
    counted = Grouped()
    with pytest.raises(OSError, match="the disk is gone") as error:
        vae.fit(source.batches(), steps_per_epoch=9, verbose=0, callbacks=[counted])
    frames = traceback.extract_tb(error.value.__traceback__)
    assert frames[-1].name == "open_a_file_that_is_not_there"
    assert uses_loop(vae)
    assert n_steps(vae) == n + 1
    assert counted.steps[-1] == n
    assert not readers()
    vae.fit(tf_dataset(x), verbose=0)  # and the model goes on
    assert n_steps(vae) == n + 8


@pytest.mark.parametrize("n", [2, 3, 10], ids=["within", "at the last batch", "after it"])
def test_an_iterator_of_tf_data_ends_in_a_thread_of_its_own(x, n):
    ended = queue.SimpleQueue()

    class Iterator:
        def __init__(self):
            self.left = 3

        def __iter__(self):
            return self

        def __next__(self):
            if not self.left:
                raise StopIteration
            self.left -= 1
            return (x,)

        def __del__(self):  # that of tf.data may sleep here
            ended.put(threading.current_thread())

    class Dataset:
        element_spec = None

        def __iter__(self):
            return Iterator()

    batches = of_stream("x", Dataset()).open()
    assert len(list(itertools.islice(batches, n))) == min(n, 3)
    del batches
    assert ended.get(timeout=10) is not threading.current_thread()


def test_an_error_while_validating(vae, x):
    class Fails(Numbered):
        def __getitem__(self, i):
            if i == 2:
                raise OSError("the disk is gone")
            return super().__getitem__(i)

    with pytest.raises(OSError, match="the disk is gone"):
        vae.fit(tf_dataset(x), verbose=0, validation_data=Fails(x))
    assert n_steps(vae) == 7
    with pytest.raises(OSError, match="the disk is gone"):
        vae.evaluate(Fails(x), verbose=0)
    assert not readers()


def test_no_more_is_read_than_is_trained_on(vae, x, chunks_of_two):
    source = Counted(x)
    ahead = Grouped(lambda: source.n)
    vae.fit(source.batches(), epochs=2, steps_per_epoch=7, verbose=0, callbacks=[ahead])
    assert ahead.steps == 2 * [1, 3, 5, 6]
    trained = np.array(ahead.steps) + 1 + np.repeat([0, 7], 4)
    assert (ahead.seen - trained <= 4).all()  # two chunks
    assert source.n == n_steps(vae) == 14

    source = Counted(x)
    stop = Grouped(stop_at=3)
    vae.fit(source.batches(), epochs=2, steps_per_epoch=39, verbose=0, callbacks=[stop])
    assert stop.steps == [1, 3]
    assert source.n <= 4 + 4
    assert not readers()


def test_a_generator_that_runs_out_ends_the_training(vae, x):
    with pytest.warns(UserWarning, match="ran out of data"):
        history = vae.fit(generator(x), epochs=5, steps_per_epoch=5, verbose=0)
    assert history.epoch == [0, 1]
    assert n_steps(vae) == 7


def test_the_progress_bar_knows_the_length_where_the_source_does(
    vae, x, monkeypatch, chunks_of_two
):
    seen = []
    update = keras.utils.Progbar.update

    def noted(self, current, values=None, finalize=None):
        if not finalize:
            seen.append((current, self.target))
        update(self, current, values, finalize)

    monkeypatch.setattr(keras.utils.Progbar, "update", noted)
    vae.fit(tf_dataset(x), verbose=1)
    assert sorted(seen) == [(2, 7), (4, 7), (6, 7), (7, 7)]
    seen.clear()
    vae.fit(tf_dataset(x).filter(lambda batch: True), verbose=1)
    assert {target for _, target in seen} == {None}


def test_batches_of_other_parts_or_shapes_are_named(vae, x):
    def loses_its_target():
        yield (x[:37], x[:37])
        yield (x[37:74],)

    with pytest.raises(ValueError, match="has x; the first one has x, y"):
        vae.fit(_Again(loses_its_target), verbose=0)

    def changes_its_shape():
        yield (x[:37],)
        yield (x[:37, :5],)

    with pytest.raises(ValueError, match=r"\(5,\)"):
        vae.fit(changes_its_shape(), verbose=0)


class _Again:
    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        return self.batches()


class EachBatch(keras.callbacks.Callback):
    n = 0

    def on_train_batch_end(self, batch, logs=None):
        self.n += 1


def test_what_keras_alone_does_is_left_to_it(vae, x):
    each = EachBatch()
    vae.fit(tf_dataset(x), verbose=0, callbacks=[each])
    assert each.n == 7
    processes = Numbered(x)
    processes.use_multiprocessing = True  # its own threads do it, where there are no workers
    vae.fit(processes, verbose=0)
    # Keras gives the first two batches again.
    vae.fit(generator(x), epochs=2, verbose=0)
    vae.fit(memory_map(x), steps_per_epoch=2, verbose=0)
    assert not uses_loop(vae)
    with pytest.raises(ValueError, match="no classes to weigh"):
        vae.fit(tf_dataset(x), class_weight={0: 1.0})


def test_streams_that_keras_knows_not_are_read(vae, x):
    vae.fit(_Again(lambda: generator(x)), epochs=2, verbose=0)
    assert n_steps(vae) == 14


@pytest.mark.parametrize("source", [Numbered, memory_map])
def test_a_run_goes_on_in_another_process_with_the_same_batches(x, tmp_path, source):
    def make():
        keras.utils.set_random_seed(1)
        return make_vae(compile_kwargs={"jit_compile": BACKEND == "jax"})

    def fit(vae, **kwargs):
        options = {} if source is Numbered else {"batch_size": 37}
        vae.fit(source(x), verbose=0, **options, **kwargs)
        return vae

    whole = fit(make(), epochs=3)
    fit(make(), epochs=2).save(tmp_path / "vae.keras")
    keras.utils.set_random_seed(99)  # as another process
    went_on = fit(keras.saving.load_model(tmp_path / "vae.keras"), epochs=3, initial_epoch=2)
    for value, expected in zip(went_on.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)
