"""The one clock that sends every piece of every stream at its absolute deadline.

A calendar of slots: each slot holds the streams that are due in it, a heap holds the slots, and one timer of the
event loop waits for the first. A stream costs neither a task nor a timer. A late piece is sent at once; none is
skipped, and no deadline moves.
"""

import asyncio
import heapq
from collections.abc import Callable
from typing import Protocol

from e2e.clients.timing import Clock, Stream
from e2e.errors import SessionError
from e2e.record.histogram import Histogram

SLOT_SECONDS = 0.002
"""Width of a slot, and so the largest lateness that the calendar itself adds."""

ROUNDING = 1e-6
"""Seconds by which floating point may misjudge a deadline."""

BURST = 32
"""How many pieces an unpaced stream may send in one turn, so that the others and the event loop get theirs."""

STALL_SECONDS = 30.0
"""An unpaced stream whose socket takes nothing for this long is failed."""


class Cancellable(Protocol):
    """A timer that has not called yet."""

    def cancel(self) -> None: ...


class Pacer:
    """Implements `e2e.clients.timing.Pacer`.

    `speed` is 1.0 for realtime, N for N times quicker, None for as fast as the sockets take it. `clock` returns
    seconds; `call_at(instant, callback)` calls back at an instant of it (default: the event loop's).
    `sent` and `lateness` (ms) count over all measured streams since `take_counts` last took them.
    """

    def __init__(
        self,
        clock: Clock,
        speed: float | None = 1.0,
        call_at: Callable[[float, Callable[[], None]], Cancellable] | None = None,
    ) -> None:
        self.speed = speed
        self._clock = clock
        self._call_at = call_at or self._loop_call_at
        self._slots: dict[int, list[Stream]] = {}
        self._order: list[int] = []
        self._wake_at: float | None = None
        self._timer: Cancellable | None = None
        self.lateness = Histogram()
        self.sent = 0

    def add(self, stream: Stream, start: float | None = None) -> None:
        now = self._clock()
        stream.start = now if start is None else start
        stream.last_sent = now
        self._schedule(stream, stream.start)
        self._arm()

    def take_counts(self) -> tuple[int, Histogram]:
        """Pieces sent since the last call, and their lateness in ms."""
        counts = self.sent, self.lateness
        self.sent, self.lateness = 0, Histogram()
        return counts

    def tick(self) -> None:
        """Send all that is due now."""
        self._wake_at = None
        # Read once: what becomes due meanwhile is for the next tick, so that reading sockets gets its turn.
        now = self._clock()
        while self._order and self._order[0] * SLOT_SECONDS <= now:
            for stream in self._slots.pop(heapq.heappop(self._order)):
                if stream.done.done():
                    continue
                try:
                    self._send_due(stream)
                except SessionError as error:
                    stream.fail(error)
                except Exception as error:  # such as a connection that is closing: one stream must not stop the others
                    stream.fail(SessionError(f"cannot send: {error}", "closed"))
        self._arm()

    def _send_due(self, stream: Stream) -> None:
        """Send the pieces of a stream that are due, and put it into the slot of the next one."""
        interval, burst = stream.interval, BURST
        while True:
            now = self._clock()
            due = stream.start + stream.sent * interval
            if due > now + ROUNDING or not burst:
                self._schedule(stream, due if interval else now + SLOT_SECONDS)
                return
            if not stream.send(stream.sent):
                if now - stream.last_sent > STALL_SECONDS:
                    raise SessionError(f"the socket took nothing for {STALL_SECONDS:g} s", "backpressure")
                self._schedule(stream, now + SLOT_SECONDS)
                return
            stream.sent += 1
            stream.last_sent = now
            if stream.measured:
                self.sent += 1
                if interval:
                    late = (now - due) * 1000
                    stream.lateness.add(late)
                    self.lateness.add(late)
            if not interval:
                burst -= 1
            if stream.sent == stream.count:
                stream.cancel()
                return

    def _schedule(self, stream: Stream, due: float) -> None:
        # Rounded up: a piece is never sent before its deadline (but for the rounding of floating point).
        slot = -int(-(due - ROUNDING / 2) // SLOT_SECONDS)
        streams = self._slots.get(slot)
        if streams is None:
            self._slots[slot] = [stream]
            heapq.heappush(self._order, slot)
        else:
            streams.append(stream)

    def _arm(self) -> None:
        if not self._order:
            return
        at = self._order[0] * SLOT_SECONDS
        if self._wake_at is None or at < self._wake_at:
            if self._wake_at is not None and self._timer is not None:
                self._timer.cancel()
            self._wake_at = at
            self._timer = self._call_at(at, self.tick)

    def _loop_call_at(self, instant: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        loop = asyncio.get_running_loop()
        return loop.call_at(loop.time() + max(0.0, instant - self._clock()), callback)
