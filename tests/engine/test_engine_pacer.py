"""The pacer's timing rules, under a clock that only moves when told."""

import asyncio
import random

import pytest

from e2e.clients.framing import Frames
from e2e.clients.outlet import VOLLEY
from e2e.clients.timing import Stream
from e2e.engine.pacer import SLOT_SECONDS, STALL_SECONDS, Pacer
from e2e.errors import SessionError

FRAMES = Frames([b"frame"] * 50)


class FakeTime:
    """A clock with timers: `advance` calls back at each timer's instant, or late by `stall` seconds."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list = []

    def __call__(self) -> float:
        return self.now

    def call_at(self, instant, callback):
        timer = Timer(instant, callback, self.timers)
        self.timers.append(timer)
        return timer

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while due := [t for t in self.timers if t.instant <= end]:
            timer = min(due, key=lambda t: t.instant)
            self.timers.remove(timer)
            self.now = max(self.now, timer.instant)
            timer.callback()
        self.now = end

    def stall(self, seconds: float) -> None:
        """Time passes and nothing runs; then everything that is due does."""
        self.now += seconds
        self.advance(0)


class Timer:
    def __init__(self, instant, callback, timers) -> None:
        self.instant, self.callback, self.timers = instant, callback, timers

    def cancel(self) -> None:
        self.timers.remove(self)


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


def recording_stream(time, interval, count, accept=lambda: True):
    at: list[float] = []

    def send(k: int) -> bool:
        if not accept():
            return False
        assert k == len(at)
        at.append(round(time.now - 100.0, 6))
        return True

    return Scripted(send, interval, count), at


class Scripted(Stream):
    """A stream that sends what a function says."""

    def __init__(self, send, interval, count=None, measured=True) -> None:
        super().__init__(interval, count, measured)
        self._send = send

    def send(self, k: int) -> bool:
        return self._send(k)


class Framed(Scripted):
    """A stream, its own line, whose pieces may leave in a lane; `alone` are those that did not."""

    raw_fd, rider = 7, None

    def __init__(self, interval, count, frames=FRAMES) -> None:
        super().__init__(self._long_way, interval, count)
        self.frames, self.line = frames, self
        self.quick, self.alone = True, []

    def stumble(self) -> None:
        """Something waits in the line now."""
        self.quick = False
        if self.rider is not None:
            self.rider.leave()

    def _long_way(self, k: int) -> bool:
        self.alone.append(k)
        return True


class Volleys:
    """An outlet that remembers what was sent, and takes a while for it."""

    name = "test"

    def __init__(self, time, seconds=0.0) -> None:
        self.time, self.seconds, self.sent = time, seconds, []

    def send(self, lane, first, last) -> None:
        self.time.now += self.seconds
        self.sent.append([(lane.streams[row], int(lane.pieces[row])) for row in range(first, last)])

    def pieces(self, stream) -> list[int]:
        return [k for volley in self.sent for other, k in volley if other is stream]


async def test_every_piece_is_sent_at_its_absolute_deadline(time):
    pacer = Pacer(time, call_at=time.call_at)
    stream, at = recording_stream(time, 0.1, 50)
    pacer.add(stream, start=100.0)
    time.advance(10)
    assert stream.done.done() and stream.sent == 50
    assert all(-1e-6 <= sent - k * 0.1 <= SLOT_SECONDS + 1e-6 for k, sent in enumerate(at))
    sends = pacer.take_counts()
    assert sends.n == sends.lateness.count == 50 and sends.late == 0 and sends.lateness.max <= SLOT_SECONDS * 1000


async def test_late_pieces_go_at_once_and_none_is_skipped_or_shifted(time):
    pacer = Pacer(time, call_at=time.call_at)
    stream, at = recording_stream(time, 0.1, 20)
    pacer.add(stream, start=100.0)
    time.advance(0.35)
    time.stall(0.5)
    time.advance(5)
    assert len(at) == 20
    assert at[4:9] == [0.85] * 5  # those due at 0.4 ... 0.8 left together
    assert at[9] == pytest.approx(0.9, abs=SLOT_SECONDS)  # and the next one is on time again
    sends = pacer.take_counts()
    assert sends.lateness.max == pytest.approx(450, rel=0.01) and sends.late == 4  # 0.8 was just half a piece late


async def test_streams_do_not_disturb_each_other_and_only_one_timer_is_pending(time):
    pacer = Pacer(time, call_at=time.call_at)
    streams = [recording_stream(time, 0.1, 100) for _ in range(50)]
    for n, (stream, _) in enumerate(streams):
        pacer.add(stream, start=100.0 + 0.5 - n * 0.01)
        assert len(time.timers) == 1
    for _ in range(100):
        time.advance(0.013)
        assert len(time.timers) == 1
    time.advance(20)
    assert all(len(at) == 100 for _, at in streams)
    assert pacer.take_counts().n == 5000 and pacer.take_counts().n == 0


async def test_speed_up_is_the_interval_of_the_stream(time):
    pacer = Pacer(time, speed=20.0, call_at=time.call_at)
    stream, at = recording_stream(time, 0.1 / 20, 3000)
    pacer.add(stream, start=100.0)
    time.advance(16)
    assert stream.done.done() and at[-1] == pytest.approx(2999 * 0.005, abs=SLOT_SECONDS)


async def test_an_unpaced_stream_waits_for_its_socket_and_claims_no_lateness(time):
    open_until = [10]
    pacer = Pacer(time, speed=None, call_at=time.call_at)

    def accept() -> bool:
        open_until[0] -= 1
        return open_until[0] >= 0

    stream, at = recording_stream(time, 0.0, 1000, accept)
    pacer.add(stream, start=100.0)
    time.advance(1)
    assert len(at) == 10 and not stream.done.done()
    open_until[0] = 10_000
    time.advance(1)
    assert stream.done.done() and stream.sent == 1000 and pacer.take_counts().lateness.count == 0


async def test_an_unpaced_stream_whose_socket_never_takes_anything_fails_alone(time):
    pacer = Pacer(time, speed=None, call_at=time.call_at)
    stuck, _ = recording_stream(time, 0.0, 10, accept=lambda: False)
    healthy, at = recording_stream(time, 0.1, 1000)
    pacer.add(stuck, start=100.0)
    pacer.add(healthy, start=100.0)
    time.advance(STALL_SECONDS + 1)
    with pytest.raises(SessionError) as error:
        stuck.done.result()
    assert error.value.reason == "backpressure"
    assert len(at) == pytest.approx((STALL_SECONDS + 1) * 10, abs=1)


async def test_a_cancelled_stream_sends_nothing_more(time):
    pacer = Pacer(time, call_at=time.call_at)
    stream, at = recording_stream(time, 0.1, None)
    pacer.add(stream, start=100.0)
    time.advance(0.45)
    stream.cancel()
    time.advance(5)
    assert len(at) == 5 and not time.timers


async def test_an_error_of_a_session_ends_its_stream_only(time):
    pacer = Pacer(time, call_at=time.call_at)

    def broken(k: int) -> bool:
        raise SessionError("gone", "closed")

    bad = Scripted(broken, 0.1, 5)
    good, at = recording_stream(time, 0.1, 5)
    pacer.add(bad, start=100.0)
    pacer.add(good, start=100.0)
    time.advance(1)
    assert bad.done.exception() is not None and len(at) == 5


async def test_framed_pieces_of_many_streams_leave_in_volleys_and_none_is_skipped(time):
    outlet = Volleys(time)
    pacer = Pacer(time, call_at=time.call_at, outlet=outlet)
    streams = [Framed(0.1, 40) for _ in range(VOLLEY * 2 + 3)]
    for stream in streams:
        pacer.add(stream, start=100.0)
    time.advance(10)
    assert all(stream.done.done() and stream.sent == 40 and stream.alone == [0] for stream in streams)
    assert [len(volley) for volley in outlet.sent] == [VOLLEY, VOLLEY, 3] * 39
    pieces = [piece for volley in outlet.sent for piece in volley]
    assert pieces == [(stream, k) for k in range(1, 40) for stream in streams]
    sends = pacer.take_counts()
    assert sends.n == sends.lateness.count == 40 * len(streams) and sends.streams == 0 and not time.timers


async def test_streams_that_begin_and_end_at_different_times_share_a_lane_and_send_each_piece_once(time):
    outlet, dice = Volleys(time), random.Random(3)
    pacer = Pacer(time, call_at=time.call_at, outlet=outlet)
    other = Frames([b"other"] * 60)
    streams = [Framed(dice.choice([0.1, 0.2]), dice.randint(1, 50), dice.choice([FRAMES, other])) for _ in range(200)]
    for stream in streams:
        pacer.add(stream, start=100.0 + dice.randrange(40) * 0.1)
    for _ in range(250):
        time.advance(0.07)
        stream = dice.choice(streams)
        if dice.random() < 0.4:
            stream.stumble()
        else:
            stream.quick = True
        at = stream.sent
        assert stream.over or at == len(stream.alone) + len(outlet.pieces(stream))
    time.advance(15)
    for stream in streams:
        assert stream.done.done() and stream.sent == stream.count
        assert sorted(stream.alone + outlet.pieces(stream)) == list(range(stream.count))
    sends = pacer.take_counts()
    assert sends.n == sum(stream.count for stream in streams) and sends.streams == 0 and not time.timers
    assert sends.late == 0 and sends.lateness.max <= SLOT_SECONDS * 1000


async def test_a_lane_that_is_late_catches_up_and_skips_nothing(time):
    outlet = Volleys(time)
    pacer = Pacer(time, call_at=time.call_at, outlet=outlet)
    early, late = Framed(0.1, 30), Framed(0.1, 30)
    pacer.add(early, start=100.0)
    time.advance(0.35)
    time.stall(0.55)
    pacer.add(late, start=100.5)  # joins in the middle of what has to be caught up
    time.advance(5)
    for stream in (early, late):
        assert stream.done.done() and stream.sent == 30
        assert sorted(stream.alone + outlet.pieces(stream)) == list(range(30))
    assert pacer.take_counts().lateness.max == pytest.approx(500, rel=0.01)


async def test_a_piece_of_a_volley_is_as_late_as_the_last_of_it(time):
    pacer = Pacer(time, call_at=time.call_at, outlet=Volleys(time, seconds=0.06))
    for stream in (Framed(0.1, 2), Framed(0.1, 2)):
        pacer.add(stream, start=100.0)
    time.advance(1)
    sends = pacer.take_counts()
    assert sends.n == 4 and sends.late == 2  # 60 ms are more than half of 100
    assert sends.lateness.max == pytest.approx(60, rel=0.01)


async def test_a_line_that_is_not_quick_gets_its_piece_the_long_way_and_comes_back(time):
    outlet = Volleys(time)
    pacer = Pacer(time, call_at=time.call_at, outlet=outlet)
    stream = Framed(0.1, 10)
    pacer.add(stream, start=100.0)
    time.advance(0.35)
    stream.stumble()
    time.advance(0.3)
    stream.quick = True
    time.advance(1)
    assert stream.alone == [0, 4, 5, 6, 7] and stream.sent == 10
    assert outlet.pieces(stream) == [1, 2, 3, 8, 9]


@pytest.mark.parametrize("at", [1, 5, 9])
async def test_a_line_that_is_not_quick_after_a_piece_of_the_lane_goes_on_by_itself(time, at):
    class Stumbling(Volleys):
        def send(self, lane, first, last) -> None:
            super().send(lane, first, last)
            if (stream, at) in self.sent[-1]:
                stream.stumble()

    outlet = Stumbling(time)
    pacer = Pacer(time, call_at=time.call_at, outlet=outlet)
    stream, other = Framed(0.1, 10), Framed(0.1, 10)
    for each in (stream, other):
        pacer.add(each, start=100.0)
    time.advance(5)
    assert stream.done.exception() is None and stream.sent == other.sent == 10
    assert outlet.pieces(stream) == list(range(1, at + 1)) and stream.alone == [0, *range(at + 1, 10)]
    assert pacer.take_counts().streams == 0 and not time.timers


@pytest.mark.parametrize("what", ["tls", "unframed", "off the edges"])
async def test_what_a_lane_cannot_send_goes_the_long_way(time, what):
    outlet = Volleys(time)
    pacer = Pacer(time, call_at=time.call_at, outlet=outlet)
    stream = Framed(0.1 if what != "off the edges" else 0.0125, 10)
    if what == "tls":
        stream.raw_fd = -1
    if what == "unframed":
        stream.frames = None
    pacer.add(stream, start=100.0)
    time.advance(5)
    assert stream.alone == list(range(10)) and not outlet.sent


async def test_a_stream_that_finds_it_cannot_go_on_ends_alone(time):
    pacer = Pacer(time, call_at=time.call_at, outlet=Volleys(time))
    bad, good = Framed(0.1, 20), Framed(0.1, 20)

    def deaf(k: int) -> bool:
        raise SessionError("deaf", "backpressure")

    bad.send = deaf
    for stream in (bad, good):
        pacer.add(stream, start=100.0)
    time.advance(3)
    assert bad.done.exception().reason == "backpressure" and bad.sent == 0 and good.sent == 20
    assert pacer.take_counts().streams == 0


async def test_a_stream_that_fails_in_its_lane_ends_alone(time):
    class Breaking(Volleys):
        def send(self, lane, first, last) -> None:
            super().send(lane, first, last)
            if (bad, 3) in self.sent[-1]:
                bad.stumble()
                bad.fail(ZeroDivisionError("no"))

    outlet = Breaking(time)
    pacer = Pacer(time, call_at=time.call_at, outlet=outlet)
    bad, good = Framed(0.1, 20), [Framed(0.1, 20) for _ in range(3)]
    for stream in (bad, *good):
        pacer.add(stream, start=100.0)
    time.advance(5)
    assert bad.done.exception().reason == "closed" and bad.sent == 4 and outlet.pieces(bad) == [1, 2, 3]
    assert all(stream.sent == 20 and outlet.pieces(stream) == list(range(1, 20)) for stream in good)
    assert pacer.take_counts().streams == 0 and not time.timers


async def test_a_stream_that_is_cancelled_between_two_pieces_counts_no_more(time):
    pacer = Pacer(time, call_at=time.call_at, outlet=Volleys(time))
    stream = Framed(0.1, None)
    pacer.add(stream, start=100.0)
    time.advance(0.25)
    assert pacer.take_counts().streams == 1
    stream.cancel()
    time.advance(1)
    assert stream.sent == 3 and pacer.take_counts().streams == 0 and not time.timers


def slots_of(starts, interval=0.1):
    return sorted(round(start % interval / SLOT_SECONDS) % round(interval / SLOT_SECONDS) for start in starts)


async def test_streams_are_spread_evenly_over_the_slots_and_begin_on_their_edges(time):
    pacer = Pacer(time, call_at=time.call_at, seed=7)
    time.now = 123.4567
    starts = [pacer.begin(0.1, device) for device in range(1000)]
    assert all(time.now - 1e-6 <= start <= time.now + 0.1 + SLOT_SECONDS for start in starts)
    assert all(abs(start / SLOT_SECONDS - round(start / SLOT_SECONDS)) < 1e-3 for start in starts)
    per_slot = [slots_of(starts).count(slot) for slot in range(20)]
    assert min(per_slot) >= 45 and max(per_slot) <= 55
    assert starts == [Pacer(time, seed=7).begin(0.1, device) for device in range(1000)]
    assert starts != [Pacer(time, seed=8).begin(0.1, device) for device in range(1000)]


async def test_aligned_streams_all_send_at_the_same_instants(time):
    pacer = Pacer(time, call_at=time.call_at, aligned=True)
    starts = set()
    for device in range(100):
        time.now += 0.0301
        starts.add(slots_of([pacer.begin(0.1, device)])[0])
    assert starts == {0}


async def test_a_lone_stream_begins_at_once_and_an_unpaced_one_too(time):
    pacer = Pacer(time, call_at=time.call_at)
    assert 0 <= pacer.begin(0.1, 0) - time.now <= SLOT_SECONDS
    assert pacer.begin(0.0, 5) == time.now


async def test_a_stream_counts_while_it_runs(time):
    pacer = Pacer(time, call_at=time.call_at)
    stream, _ = recording_stream(time, 0.1, 5)
    pacer.add(stream, start=100.0)
    assert pacer.take_counts().streams == 1
    time.advance(1)
    await asyncio.sleep(0)
    assert pacer.take_counts().streams == 0
