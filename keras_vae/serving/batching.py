"""Requests of several clients that run as one call of the model."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

Arrays = dict[str, np.ndarray]


class Batcher:
    """Runs rows that wait together as one call; one call at a time.

    Nobody waits for others to come: what comes while a call runs is what waits together.

    Args:
        run: from arrays by name, all with the rows first, to such arrays.
        max_rows: of one call. More rows of one request are several calls, between which
            others come in.
    """

    def __init__(self, run: Callable[[Arrays], Arrays], max_rows: int):
        self.run = run
        self.max_rows = max_rows
        self.calls = self.rows = 0
        self.waiting: deque[tuple[Arrays, asyncio.Future]] = deque()
        self.worker: asyncio.Task | None = None

    async def __call__(self, inputs: Arrays) -> Arrays:
        """Gives the outputs of the rows of one request."""
        rows, most = rows_of(inputs), self.max_rows
        starts = range(0, rows, most)
        parts = [await self.call(rows_from(inputs, start, start + most)) for start in starts]
        return parts[0] if len(parts) == 1 else joined(parts)

    async def call(self, inputs: Arrays) -> Arrays:
        """Gives the outputs of rows that fit in one call."""
        future = asyncio.get_running_loop().create_future()
        self.waiting.append((inputs, future))
        if self.worker is None:
            self.worker = asyncio.create_task(self.work())
        return await future

    async def work(self) -> None:
        """Runs what waits until nothing does."""
        try:
            while self.waiting:
                batch = self.take()
                # In a pool of their own: that of the requests may be full of those that are read.
                answers = await asyncio.to_thread(self.answers, [inputs for inputs, _ in batch])
                for (_, future), answer in zip(batch, answers, strict=True):
                    if future.done():  # its client has gone
                        continue
                    if isinstance(answer, Exception):
                        future.set_exception(answer)
                    else:
                        future.set_result(answer)
        finally:
            self.worker = None

    def take(self) -> list[tuple[Arrays, asyncio.Future]]:
        """Takes what goes into the next call: the first that waits, and what fits behind it."""
        batch = [self.waiting.popleft()]
        first, rows = batch[0][0], rows_of(batch[0][0])
        while self.waiting and alike(first, self.waiting[0][0]):
            rows += rows_of(self.waiting[0][0])
            if rows > self.max_rows:
                break
            batch.append(self.waiting.popleft())
        return batch

    def answers(self, batch: list[Arrays]) -> Sequence[Arrays | Exception]:
        """Runs a batch; where that fails each alone, so that it fails only who has to."""
        if len(batch) > 1:
            try:
                return self.split(self.counted(joined(batch)), [rows_of(part) for part in batch])
            except Exception:
                return [answer for part in batch for answer in self.answers([part])]
        try:
            return [self.counted(batch[0])]
        except Exception as error:
            return [error]

    def counted(self, inputs: Arrays) -> Arrays:
        """Runs the model."""
        self.calls += 1
        self.rows += rows_of(inputs)
        return self.run(inputs)

    @staticmethod
    def split(outputs: Arrays, sizes: list[int]) -> list[Arrays]:
        """Gives each request its rows."""
        ends = np.cumsum(sizes)
        pairs = zip(ends - sizes, ends, strict=True)
        return [rows_from(outputs, start, end) for start, end in pairs]


def rows_of(arrays: Arrays) -> int:
    """Returns how many rows there are."""
    return len(next(iter(arrays.values())))


def rows_from(arrays: Arrays, start: int, end: int) -> Arrays:
    """Returns some of the rows."""
    return {name: array[start:end] for name, array in arrays.items()}


def joined(parts: list[Arrays]) -> Arrays:
    """Returns the rows of all."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def alike(first: Arrays, second: Arrays) -> bool:
    """Returns whether rows have the same shapes, which may differ where a model takes any."""
    return all(array.shape[1:] == second[name].shape[1:] for name, array in first.items())
