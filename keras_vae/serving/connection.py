"""Connections that are closed where their client stalls, and refused where there are too many."""

import asyncio
import json
from collections.abc import Callable
from http import HTTPStatus

from uvicorn.protocols.http.h11_impl import H11Protocol

STOP_SECONDS = 2.0  # in which a body that is on its way when the server stops has come


class Connection(H11Protocol):
    """uvicorn's connection, with a deadline wherever it waits for the client.

    Of a body the application has the deadline.

    Attributes:
        head_seconds: in which the head of a request has come.
        answer_seconds: in which a client takes what it is sent of its answer.
        most: connections that are open at once, or None.
    """

    head_seconds = 10.0
    answer_seconds = 60.0
    most: int | None = None

    def connection_made(self, transport) -> None:
        self.deadlines: dict[str, asyncio.TimerHandle] = {}
        super().connection_made(transport)
        if self.most is not None and len(self.connections) > self.most:
            status = HTTPStatus.SERVICE_UNAVAILABLE
            self.refuse(status, "The server has too many connections.", "Retry-After: 1\r\n")
        else:
            self.set_deadline("head", self.head_seconds, self.refuse_late_head)

    def data_received(self, data) -> None:
        super().data_received(data)
        if self.is_under_way():
            self.end_deadline("head")
        elif "head" not in self.deadlines:
            self.set_deadline("head", self.head_seconds, self.refuse_late_head)

    def connection_lost(self, exc) -> None:
        for name in list(self.deadlines):
            self.end_deadline(name)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.set_deadline("answer", self.answer_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self.end_deadline("answer")

    def shutdown(self) -> None:
        super().shutdown()
        if self.is_under_way() and self.cycle.more_body:
            self.set_deadline("stop", STOP_SECONDS, self.close_without_body)

    def is_under_way(self) -> bool:
        """Returns whether the head of a request has come that is not answered yet."""
        return self.cycle is not None and not self.cycle.response_complete

    def set_deadline(self, name: str, seconds: float, then: Callable[[], None]) -> None:
        """Calls `then` when so much time has gone."""
        self.deadlines[name] = self.loop.call_later(seconds, then)

    def end_deadline(self, name: str) -> None:
        """Lets a deadline go, where there is one."""
        if handle := self.deadlines.pop(name, None):
            handle.cancel()

    def close_without_body(self) -> None:
        """Closes where the body still has not come."""
        if self.cycle.more_body:
            self.transport.abort()

    def refuse_late_head(self) -> None:
        """Answers that the head has not come."""
        late = f"The head of the request has not come in {self.head_seconds:g} seconds."
        self.refuse(HTTPStatus.REQUEST_TIMEOUT, late)

    def refuse(self, status: HTTPStatus, error: str, headers: str = "") -> None:
        """Answers in place of the application, and closes."""
        body = json.dumps({"error": error})
        self.transport.write(
            f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\n{headers}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        self.transport.close()
