"""The small interface between a session and the one clock that sends for all of them.

The pacer implements it (`e2e/engine/pacer.py`); sessions are given it.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from e2e.clients.framing import Frames
from e2e.clients.lane import Lane
from e2e.errors import SessionError

Clock = Callable[[], float]
"""Seconds from one monotonic clock."""


class Writable(Protocol):
    """What takes bytes and keeps those that the socket does not take yet, such as an `asyncio.Transport`."""

    def write(self, data: bytes) -> None: ...


class Line(Protocol):
    """Where frames go, such as a connection.

    While it is `quick`, it is open and nothing waits in it. Then bytes may be sent on the socket `raw_fd` behind the
    back of its `transport`; -1 forbids that, as TLS does. When it is quick no longer, its `rider` leaves its lane.
    """

    quick: bool
    raw_fd: int
    rider: "Stream | None"

    @property
    def transport(self) -> Writable: ...


class Stream:
    """Something to be sent piece by piece: piece `k` is due at `start + k * interval` seconds of the clock.

    `count` is the number of pieces (None: until cancelled). An `interval` of 0 means as fast as the socket takes
    them. Only a `measured` stream (audio) counts for send lateness: a keep-alive is no chunk.

    Each piece is sent by `send`, which a subclass says. A stream that has `frames` need not go that way as long as its
    `line` is quick: then it may be in a lane, which sends for many streams at once.
    """

    __slots__ = (
        "_sent",
        "count",
        "done",
        "frames",
        "interval",
        "lane",
        "last_sent",
        "line",
        "measured",
        "over",
        "row",
        "start",
        "step",
    )

    def __init__(self, interval: float, count: int | None = None, measured: bool = True) -> None:
        self.measured = measured
        self.interval = interval
        self.count = count
        self.frames: Frames | None = None
        self.line: Line | None = None
        self.lane: Lane | None = None
        self.row = 0  # the lane's: where the stream is in it
        self.start = 0.0
        self.step = 0  # the pacer's: how many of its slots lie between two pieces, if that is a whole number
        self._sent = 0
        self.last_sent = 0.0
        self.over = False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def sent(self) -> int:
        """How many pieces are sent."""
        return self._sent if self.lane is None else self.lane.sent(self)

    @sent.setter
    def sent(self, pieces: int) -> None:
        self._sent = pieces

    def leave(self) -> None:
        """Leave the lane, if it is in one."""
        if self.lane is not None:
            self.lane.leave(self)

    def send(self, k: int) -> bool:
        """Write piece `k`. False: the socket does not take more now.

        Raises:
            SessionError: the stream cannot go on.
        """
        raise NotImplementedError

    def watch(self, k: int) -> None:
        """See, before piece `k` is sent, whether the other side still takes what is sent.

        Raises:
            SessionError: it does not.
        """

    def fail(self, error: Exception) -> None:
        """End the stream with an error, which whoever waits for `done` gets as a SessionError."""
        if not isinstance(error, SessionError):
            error = SessionError(f"cannot send: {error!r}")
        self.over = True
        self.leave()
        if not self.done.done():
            self.done.set_exception(error)
            self.done.exception()  # a stream that nobody waits for any more is no defect

    def cancel(self) -> None:
        """End the stream where it is."""
        self.over = True
        self.leave()
        if not self.done.done():
            self.done.set_result(None)


class Beat(Stream):
    """Calls a function now and then; no audio."""

    __slots__ = ("_beat",)

    def __init__(self, beat: Callable[[], None], interval: float) -> None:
        super().__init__(interval, measured=False)
        self._beat = beat

    def send(self, k: int) -> bool:
        self._beat()
        return True


class Pacer(Protocol):
    """Sends the pieces of all streams at their deadlines."""

    speed: float | None
    """1.0: realtime; N: N times quicker; None: as fast as the sockets take it."""

    def begin(self, interval: float, device: int) -> float:
        """The instant at which a stream of that interval (s) should begin, so that streams do not all send at once."""

    def add(self, stream: Stream, start: float) -> None:
        """Take a stream whose piece 0 is due at the clock's `start`."""
