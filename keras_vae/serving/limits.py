"""What the server lets in: how much, how many at once, and for how long."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from starlette.exceptions import HTTPException

# With an error raised while the body still comes: the answer is the last of its connection.
UNREAD = {"Connection": "close"}
BODIES = 16  # bodies of the largest size that are held at once


@dataclass(frozen=True)
class Limits:
    """What the command line sets.

    max_bytes: of a body, and of the arrays in it.
    max_requests: that are worked on at once, their bodies read.
    max_rows: of one call of the model, in which requests that wait together share.
    head_seconds, body_seconds: in which the head of a request has come, and then its body.
    """

    max_bytes: int = 64 * 2**20
    max_requests: int = 256
    max_rows: int = 64
    head_seconds: float = 10.0
    body_seconds: float = 60.0


class Room:
    """Counts what is under way, and refuses what there is no room for by 503."""

    def __init__(self, limits: Limits):
        self.limits = limits
        self.requests = 0
        self.bytes = 0

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """Counts a request that is worked on."""
        self.check()
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1

    def check(self) -> None:
        """Refuses one more request where `max_requests` are worked on."""
        if self.requests >= self.limits.max_requests:
            raise self._full(f"{self.requests} requests are under way")

    def take(self, size: int) -> None:
        """Counts bytes of a body; who takes them gives them back by a negative size."""
        if size > 0 and self.bytes + size > BODIES * self.limits.max_bytes:
            raise self._full("the requests under way fill its memory")
        self.bytes += size

    def _full(self, why):
        headers = {"Retry-After": "1", **UNREAD}
        return HTTPException(503, f"The server is busy: {why}. Try again.", headers)


def limit(what: str, size: int, max_bytes: int, headers: dict | None = None) -> None:
    """Refuses what is larger than `max_bytes`."""
    if size > max_bytes:
        reason = f"{what} is over the limit of {max_bytes / 2**20:g} MiB."
        fix = "Send fewer samples, or serve with a larger --max-mib."
        raise HTTPException(413, f"{reason} {fix}", headers)
