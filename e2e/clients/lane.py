"""Streams in step: they send the same frames at the same interval, each its next one, at the same instants.

What is alike for all of them is kept once, and what differs lies in arrays with a row for each stream. So a turn does
not walk over objects that lie all over the memory.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from e2e.clients.framing import Frames

if TYPE_CHECKING:
    from e2e.clients.timing import Stream

_ROOM = 16
_NEVER = int(np.iinfo(np.int64).max)


class Lane:
    """In a turn, `streams[row]` sends frame `pieces[row]` on the socket `sockets[row]`.

    `slot` is the pacer's number of the next turn, `step` how many slots lie between two turns, `instant` when the last
    turn was. A stream stays until its
    line is not quick any more, or it is over; then `left` is called with it, and it knows again what it has `sent`.
    """

    __slots__ = (
        "_begins",
        "_ends",
        "_first_end",
        "_leaving",
        "_left",
        "_turn",
        "frames",
        "instant",
        "pieces",
        "slot",
        "sockets",
        "step",
        "streams",
    )

    def __init__(self, frames: Frames, slot: int, step: int, left: Callable[["Stream", "Lane"], None]) -> None:
        self.frames, self.slot, self.step, self._left = frames, slot, step, left
        self.streams: list[Stream] = []
        self.sockets = np.empty(_ROOM, np.int32)
        self.pieces = np.empty(0, np.int64)
        # The turns in which the first piece of each was due, and in which none is left.
        self._begins, self._ends = np.empty(_ROOM, np.int64), np.empty(_ROOM, np.int64)
        self._turn, self._first_end = 0, _NEVER
        self.instant = 0.0
        self._leaving: list[Stream] | None = None

    def __len__(self) -> int:
        return len(self.streams)

    def join(self, stream: "Stream", k: int) -> None:
        """Take a stream, whose line is quick, for its pieces from `k` on."""
        assert stream.line is not None
        row = len(self.streams)
        if row == len(self.sockets):
            self.sockets, self._begins, self._ends = (
                np.resize(array, 2 * row) for array in (self.sockets, self._begins, self._ends)
            )
        begin = self._turn - k
        end = _NEVER if stream.count is None else begin + stream.count
        self.sockets[row], self._begins[row], self._ends[row] = stream.line.raw_fd, begin, end
        self._first_end = min(self._first_end, end)
        self.streams.append(stream)
        stream.lane, stream.row, stream.line.rider = self, row, stream

    def sent(self, stream: "Stream") -> int:
        """How many pieces a stream of this lane has sent."""
        return int(self._turn - self._begins[stream.row])

    def leave(self, stream: "Stream") -> None:
        """Let a stream go on by itself; in the middle of a turn, when that is over."""
        if self._leaving is not None:
            self._leaving.append(stream)
            return
        row, last = stream.row, len(self.streams) - 1
        sent, stream.lane = self.sent(stream), None
        stream.sent = sent
        assert stream.line is not None
        stream.line.rider = None
        mover = self.streams.pop()
        if row != last:
            self.streams[row], mover.row = mover, row
            for array in (self.sockets, self._begins, self._ends):
                array[row] = array[last]
        self._left(stream, self)

    def begin_turn(self) -> None:
        """Say which pieces are due: `pieces`."""
        self.pieces = self._turn - self._begins[: len(self.streams)]
        self._leaving = []

    def end_turn(self) -> None:
        """All of them have been sent. Streams that are done end, and those whose line is not quick any more leave."""
        leaving, self._leaving = self._leaving or [], None
        self._turn += 1
        self.slot += self.step
        if self._turn >= self._first_end:
            ends = self._ends[: len(self.streams)]
            for stream in [self.streams[row] for row in np.flatnonzero(ends <= self._turn)]:
                stream.cancel()
            self._first_end = int(self._ends[: len(self.streams)].min(initial=_NEVER))
        for stream in leaving:
            if stream.lane is self:
                self.leave(stream)
