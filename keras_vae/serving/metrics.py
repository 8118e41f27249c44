"""Numbers for Prometheus, in its text format."""

import contextlib
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from batching import Batcher
from limits import Room
from starlette.types import ASGIApp

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # of the histogram


class Metrics:
    """Counts the requests to each route.

    Args:
        room: what is under way.
        batchers: by route of the model.
    """

    MEDIA_TYPE = "text/plain; version=0.0.4"

    def __init__(self, room: Room, batchers: dict[str, Batcher]):
        self.room, self.batchers = room, batchers
        self.routes = {"/", "/health", "/metrics", *(f"/{route}" for route in batchers)}
        self.answered: Counter = Counter()  # by route and status
        self.within: Counter = Counter()  # by route and bucket
        self.seconds: dict[str, float] = defaultdict(float)  # by route

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """Wraps an ASGI app so that its requests are counted."""

        async def counted(scope, receive, send):
            if scope["type"] != "http":
                return await app(scope, receive, send)
            start, status = time.perf_counter(), None

            async def sent(message):
                nonlocal status
                status = message.get("status", status)
                await send(message)

            status_of_none = 500
            try:
                await app(scope, receive, sent)
                status_of_none = 499  # the client has gone
            finally:
                seconds = time.perf_counter() - start
                self.count(scope["path"], status or status_of_none, seconds)

        return counted

    def count(self, path: str, status: int, seconds: float) -> None:
        """Counts an answer."""
        route = path if path in self.routes else "other"  # else clients could fill the memory
        self.answered[route, status] += 1
        self.seconds[route] += seconds
        bucket = next((top for top in SECONDS if seconds <= top), float("inf"))
        self.within[route, bucket] += 1

    def text(self) -> str:
        """Gives all numbers."""
        batchers = self.batchers.items()
        requests = {(("route", r), ("status", s)): n for (r, s), n in self.answered.items()}
        calls = {(("route", f"/{route}"),): batcher.calls for route, batcher in batchers}
        rows = {(("route", f"/{route}"),): batcher.rows for route, batcher in batchers}
        lines = [
            *metric("requests_total", "counter", "Requests answered.", requests),
            *self.histogram(),
            *metric("requests_under_way", "gauge", "Requests whose body has come.",
                    {(): self.room.requests}),
            *metric("body_bytes", "gauge", "Bytes of the bodies held.", {(): self.room.bytes}),
            *metric("model_calls_total", "counter", "Calls of the model.", calls),
            *metric("model_rows_total", "counter", "Samples in these calls.", rows),
            *metric("resident_memory_bytes", "gauge", "Memory of the process.", resident_memory()),
        ]  # fmt: skip
        return "\n".join(lines) + "\n"

    def histogram(self) -> Iterator[str]:
        """Yields the times that answers took."""
        name = "request_seconds"
        yield from metric(name, "histogram", "Seconds from a request's head to its answer.", {})
        for route, total in self.seconds.items():
            count = 0
            for top in (*SECONDS, float("inf")):
                count += self.within[route, top]
                le = "+Inf" if top == float("inf") else top
                yield sample(f"{name}_bucket", (("route", route), ("le", le)), count)
            yield sample(f"{name}_sum", (("route", route),), total)
            yield sample(f"{name}_count", (("route", route),), count)


def metric(name: str, kind: str, what: str, values: Mapping) -> Iterator[str]:
    """Yields the lines of a metric, whose values are by pairs of a label and its value."""
    yield f"# HELP keras_vae_{name} {what}"
    yield f"# TYPE keras_vae_{name} {kind}"
    for labels, value in values.items():
        yield sample(name, labels, value)


def sample(name: str, labels: tuple, value: float) -> str:
    """Gives the line of one value."""
    inside = ",".join(f'{key}="{label}"' for key, label in labels)
    return f"keras_vae_{name}{{{inside}}} {value}" if inside else f"keras_vae_{name} {value}"


def resident_memory() -> dict[tuple, int]:
    """Gives the memory of the process where the system tells it."""
    with contextlib.suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return {(): pages * os.sysconf("SC_PAGE_SIZE")}
    return {}
