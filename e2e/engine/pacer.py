"""The one clock that sends every piece of every stream at its absolute deadline.

A calendar of slots: each slot holds the lanes and the streams that are due in it, a heap holds the slots, and one timer
of the event loop waits for the first. A stream costs neither a task nor a timer. A late piece is sent at once; none is
skipped, and no deadline moves.

A stream's first piece, and whatever must be looked at or built when it is sent, goes by itself. After it, streams that
play the same tape in step go on in a lane, as long as nothing waits in their lines.
"""

import asyncio
import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from e2e.clients.framing import Frames
from e2e.clients.lane import Lane
from e2e.clients.outlet import VOLLEY, DirectOutlet, Outlet
from e2e.clients.timing import Clock, Stream
from e2e.errors import SessionError
from e2e.record.histogram import Histogram

SLOT_SECONDS = 0.005
"""Width of a slot. Streams begin on the edge of one, so that whole slots between their pieces add no lateness."""

ROUNDING = 1e-6
"""Seconds by which floating point may misjudge a deadline."""

BURST = 32
"""How many pieces an unpaced stream may send in one turn, so that the others and the event loop get theirs."""

STALL_SECONDS = 30.0
"""A stream that waits for its socket, and whose socket takes nothing for this long, is failed."""

GOLDEN = 0.6180339887498949
"""Multiples of it, modulo 1, spread evenly however many there are."""

_EXACT = 4096  # lateness below this many microseconds is counted in a plain list, which is quickest


class Cancellable(Protocol):
    """A timer that has not called yet."""

    def cancel(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Sends:
    """Pieces sent in a while, how many of them later than half their interval, lateness in ms; streams now."""

    n: int
    late: int
    lateness: Histogram
    streams: int


class Pacer:
    """Implements `e2e.clients.timing.Pacer`.

    `speed` is 1.0 for realtime, N for N times quicker, None for as fast as the sockets take it. Streams are spread
    over their interval, from a place that `seed` decides; `aligned` makes all of them send at the same instants.
    `clock` returns seconds; `call_at(instant, callback)` calls back at an instant of it (default: the event loop's).
    `outlet` sends what is framed already.
    """

    def __init__(
        self,
        clock: Clock,
        speed: float | None = 1.0,
        call_at: Callable[[float, Callable[[], None]], Cancellable] | None = None,
        *,
        seed: int = 0,
        aligned: bool = False,
        outlet: Outlet | None = None,
    ) -> None:
        self.speed = speed
        self._clock = clock
        self._call_at = call_at or self._loop_call_at
        self._outlet = outlet or DirectOutlet()
        self._slots: dict[int, list[Stream]] = {}
        self._lanes: dict[int, dict[tuple[Frames, int], Lane]] = {}
        self._now_slot = 0
        self._order: list[int] = []
        self._wake_at: float | None = None
        self._timer: Cancellable | None = None
        self._phase = random.Random(seed).random()
        self._aligned = aligned
        self._streams = 0
        self._reset_counts()

    def begin(self, interval: float, device: int) -> float:
        """The next edge of a slot at the phase of that device within the interval; at once when unpaced."""
        now = self._clock()
        if not interval:
            return now
        phase = 0.0 if self._aligned else (self._phase + device * GOLDEN) % 1.0
        edge = round(phase * interval / SLOT_SECONDS) * SLOT_SECONDS
        if not self._aligned and not device:
            # A lone stream need not wait for its phase.
            return _slot_of(now) * SLOT_SECONDS
        return edge + math.ceil((now - edge) / interval) * interval

    def add(self, stream: Stream, start: float) -> None:
        stream.start = start
        stream.last_sent = self._clock()
        stream.step = _whole_slots(start, stream.interval)
        if stream.measured:
            self._streams += 1
        self._schedule(stream, start)
        self._arm()

    def take_counts(self) -> Sends:
        """What all measured streams sent since the last call."""
        lateness = self._lateness
        for units, n in enumerate(self._exact):
            if n:
                lateness.add(units / 1000, n)
        sends = Sends(self._sent, self._late, lateness, self._streams)
        self._reset_counts()
        return sends

    def tick(self) -> None:
        """Send all that is due now."""
        self._wake_at = None
        order, slots, clock = self._order, self._slots, self._clock
        # Read once: what becomes due meanwhile is for the next tick, so that reading sockets gets its turn.
        now = clock()
        self._now_slot = int(now / SLOT_SECONDS)
        while order and order[0] * SLOT_SECONDS <= now:
            slot = heapq.heappop(order)
            self._send_slot(slot, slots.pop(slot))
        self._arm()

    def _send_slot(self, slot: int, streams: list[Stream]) -> None:
        """Send what is due on one edge: the lanes first, so that who joins one now has its next turn with it."""
        for lane in self._lanes.pop(slot, {}).values():
            self._fire(lane)
        for stream in streams:
            if stream.over:
                self._forget(stream)
            else:
                self._send_one(slot, stream)

    def _fire(self, lane: Lane) -> None:
        """Take a lane's turn. Each piece of a volley counts as sent when the last one is."""
        outlet, clock, due, n = self._outlet, self._clock, lane.slot * SLOT_SECONDS, len(lane)
        lane.begin_turn()
        for first in range(0, n, VOLLEY):
            last = min(first + VOLLEY, n)
            outlet.send(lane, first, last)
            lane.instant = clock()
            self._count(lane.instant - due, lane.step * SLOT_SECONDS, last - first)
        self._sent += n
        lane.end_turn()
        if lane:
            self._lanes_of(lane.slot)[lane.frames, lane.step] = lane

    def _join_lane(self, stream: Stream, slot: int) -> bool:
        """Let a stream whose next piece is due in that slot go on in a lane, if it can."""
        frames, line = stream.frames, stream.line
        if frames is None or line is None or not line.quick or line.raw_fd < 0 or slot <= self._now_slot:
            return False  # one that is behind catches up by itself: its lane is elsewhere
        lanes = self._lanes_of(slot)
        lane = lanes.get((frames, stream.step))
        if lane is None:
            lane = lanes[frames, stream.step] = Lane(frames, slot, stream.step, self._left)
        lane.join(stream, stream.sent)
        return True

    def _left(self, stream: Stream, lane: Lane) -> None:
        """A stream that was in a lane goes on by itself."""
        stream.last_sent = max(stream.last_sent, lane.instant)
        if stream.over:
            self._forget(stream)
        else:
            self._slot(lane.slot).append(stream)

    def _send_one(self, slot: int, stream: Stream) -> None:
        """Send a piece the long way, and all pieces that are due of a stream that does not keep to the edges."""
        try:
            if not stream.step:
                self._send_due(stream)
                return
            k, instant = stream.sent, self._clock()
            if not stream.send(k):
                self._refused(stream, instant)
                return
        except Exception as error:
            # Whatever goes wrong with one stream must not stop the others.
            stream.fail(error)
            self._forget(stream)
            return
        stream.sent = k + 1
        stream.last_sent = instant
        if stream.measured:
            self._sent += 1
            self._count(instant - slot * SLOT_SECONDS, stream.interval)
        following = slot + stream.step
        if k + 1 == stream.count:
            self._forget(stream)
            stream.cancel()
        elif not self._join_lane(stream, following):
            self._slot(following).append(stream)

    def _send_due(self, stream: Stream) -> None:
        """Send the pieces of a stream that are due, and put it into the slot of the next one."""
        interval, send, count, clock = stream.interval, stream.send, stream.count, self._clock
        burst = BURST
        while True:
            k, now = stream.sent, clock()
            due = stream.start + k * interval
            if due > now + ROUNDING or not burst:
                self._schedule(stream, due if interval else now + SLOT_SECONDS)
                return
            if not send(k):
                self._refused(stream, now)
                return
            stream.sent = k + 1
            stream.last_sent = now
            if stream.measured:
                self._sent += 1
                if interval:
                    self._count(now - due, interval)
            if not interval:
                burst -= 1
            if k + 1 == count:
                self._forget(stream)
                stream.cancel()
                return

    def _refused(self, stream: Stream, now: float) -> None:
        """The socket takes nothing now: try again soon. The stream has left the edges, and takes the longer way."""
        if now - stream.last_sent > STALL_SECONDS:
            raise SessionError(f"the socket took nothing for {STALL_SECONDS:g} s", "backpressure")
        stream.step = 0
        self._schedule(stream, now + SLOT_SECONDS)

    def _count(self, late: float, interval: float, n: int = 1) -> None:
        """Count the lateness (s) of `n` pieces of streams of that interval."""
        units = int(late * 1e6)
        if 0 <= units < _EXACT:
            self._exact[units] += n
        else:
            self._lateness.add(late * 1000, n)
        if late > interval / 2:
            self._late += n

    def _reset_counts(self) -> None:
        self._sent = self._late = 0
        self._exact = [0] * _EXACT
        self._lateness = Histogram()

    def _forget(self, stream: Stream) -> None:
        """A stream has left the slots for good."""
        if stream.measured:
            self._streams -= 1

    def _schedule(self, stream: Stream, due: float) -> None:
        self._slot(_slot_of(due)).append(stream)

    def _lanes_of(self, slot: int) -> dict[tuple[Frames, int], Lane]:
        """The lanes that are due in a slot."""
        self._slot(slot)
        return self._lanes.setdefault(slot, {})

    def _slot(self, slot: int) -> list[Stream]:
        """The streams that are due in a slot by themselves."""
        streams = self._slots.get(slot)
        if streams is None:
            streams = self._slots[slot] = []
            heapq.heappush(self._order, slot)
        return streams

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
        # Whole milliseconds, rounded up: a loop that counts in them would otherwise wake early and spin until due.
        delay = math.ceil((instant - self._clock()) * 1000) / 1000
        return asyncio.get_running_loop().call_later(max(0.0, delay), callback)


def _slot_of(instant: float) -> int:
    """The first slot whose edge is not before the instant (but for the rounding of floating point)."""
    return -int(-(instant - ROUNDING / 2) // SLOT_SECONDS)


def _whole_slots(start: float, interval: float) -> int:
    """Slots between two pieces of a stream that begins on an edge and keeps to edges; 0 for any other stream.

    And for one whose pieces follow so closely that half an interval is less than what is counted exactly.
    """
    step = round(interval / SLOT_SECONDS)
    if interval < 2e-6 * _EXACT:
        return 0
    on_edges = abs(step * SLOT_SECONDS - interval) < 1e-12 and abs(_slot_of(start) * SLOT_SECONDS - start) < ROUNDING
    return step if on_edges else 0
