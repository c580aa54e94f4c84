"""The small interface between a session and the one clock that sends for all of them.

The pacer implements it (`e2e/engine/pacer.py`); sessions are given it.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from e2e.errors import SessionError

Clock = Callable[[], float]
"""Seconds from one monotonic clock."""


class Stream:
    """Something to be sent piece by piece: piece `k` is due at `start + k * interval` seconds of the clock.

    `send(k)` writes piece `k` and returns True, or returns False when the socket does not take more now. `count` is
    the number of pieces (None: until cancelled). An `interval` of 0 means as fast as the socket takes them. Only a
    `measured` stream (audio) counts for send lateness: a keep-alive is no chunk.
    """

    __slots__ = ("count", "done", "interval", "last_sent", "measured", "over", "send", "sent", "start", "step")

    def __init__(
        self, send: Callable[[int], bool], interval: float, count: int | None = None, measured: bool = True
    ) -> None:
        self.send = send
        self.measured = measured
        self.interval = interval
        self.count = count
        self.start = 0.0
        self.step = 0  # the pacer's: how many of its slots lie between two pieces, if that is a whole number
        self.sent = 0
        self.last_sent = 0.0
        self.over = False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def fail(self, error: SessionError) -> None:
        """End the stream with an error, which whoever waits for `done` gets."""
        self.over = True
        if not self.done.done():
            self.done.set_exception(error)
            self.done.exception()  # a stream that nobody waits for any more is no defect

    def cancel(self) -> None:
        """End the stream where it is."""
        self.over = True
        if not self.done.done():
            self.done.set_result(None)


class Pacer(Protocol):
    """Sends the pieces of all streams at their deadlines."""

    speed: float | None
    """1.0: realtime; N: N times quicker; None: as fast as the sockets take it."""

    def begin(self, interval: float, device: int) -> float:
        """The instant at which a stream of that interval (s) should begin, so that streams do not all send at once."""

    def add(self, stream: Stream, start: float) -> None:
        """Take a stream whose piece 0 is due at the clock's `start`."""
