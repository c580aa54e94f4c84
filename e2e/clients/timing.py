"""The small interface between a session and the one clock that sends for all of them.

The pacer implements it (`e2e/engine/pacer.py`); sessions are given it.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from e2e.errors import SessionError
from e2e.record.histogram import Histogram

Clock = Callable[[], float]
"""Seconds from one monotonic clock."""


class Stream:
    """Something to be sent piece by piece: piece `k` is due at `start + k * interval` seconds of the clock.

    `send(k)` writes piece `k` and returns True, or returns False when the socket does not take more now. `count` is
    the number of pieces (None: until cancelled). An `interval` of 0 means as fast as the socket takes them. `lateness`
    holds actual - intended send instants in ms, and only of a `measured` stream (audio): a keep-alive is no chunk.
    """

    __slots__ = ("count", "done", "interval", "last_sent", "lateness", "measured", "send", "sent", "start")

    def __init__(
        self, send: Callable[[int], bool], interval: float, count: int | None = None, measured: bool = True
    ) -> None:
        self.send = send
        self.measured = measured
        self.interval = interval
        self.count = count
        self.start = 0.0
        self.sent = 0
        self.last_sent = 0.0
        self.lateness = Histogram()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def fail(self, error: SessionError) -> None:
        """End the stream with an error, which whoever waits for `done` gets."""
        if not self.done.done():
            self.done.set_exception(error)
            self.done.exception()  # a stream that nobody waits for any more is no defect

    def cancel(self) -> None:
        """End the stream where it is."""
        if not self.done.done():
            self.done.set_result(None)


class Pacer(Protocol):
    """Sends the pieces of all streams at their deadlines."""

    speed: float | None
    """1.0: realtime; N: N times quicker; None: as fast as the sockets take it."""

    def add(self, stream: Stream, start: float | None = None) -> None:
        """Begin at the clock's `start` (default: now). Piece 0 is due then."""
