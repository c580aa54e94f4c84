"""The pacer's timing rules, under a clock that only moves when told."""

import pytest

from e2e.clients.timing import Stream
from e2e.engine.pacer import SLOT_SECONDS, STALL_SECONDS, Pacer
from e2e.errors import SessionError


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

    return Stream(send, interval, count), at


async def test_every_piece_is_sent_at_its_absolute_deadline(time):
    pacer = Pacer(time, call_at=time.call_at)
    stream, at = recording_stream(time, 0.1, 50)
    pacer.add(stream, start=100.0)
    time.advance(10)
    assert stream.done.done() and stream.sent == 50
    assert all(-1e-6 <= sent - k * 0.1 <= SLOT_SECONDS + 1e-6 for k, sent in enumerate(at))
    assert stream.lateness.count == 50 and stream.lateness.max <= SLOT_SECONDS * 1000


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
    assert stream.lateness.max == pytest.approx(450, rel=0.01)


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
    assert pacer.take_counts()[0] == 5000 and pacer.take_counts()[0] == 0


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
    pacer.add(stream)
    time.advance(1)
    assert len(at) == 10 and not stream.done.done()
    open_until[0] = 10_000
    time.advance(1)
    assert stream.done.done() and stream.sent == 1000 and stream.lateness.count == 0


async def test_an_unpaced_stream_whose_socket_never_takes_anything_fails_alone(time):
    pacer = Pacer(time, speed=None, call_at=time.call_at)
    stuck, _ = recording_stream(time, 0.0, 10, accept=lambda: False)
    healthy, at = recording_stream(time, 0.1, 1000)
    pacer.add(stuck)
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

    bad = Stream(broken, 0.1, 5)
    good, at = recording_stream(time, 0.1, 5)
    pacer.add(bad, start=100.0)
    pacer.add(good, start=100.0)
    time.advance(1)
    assert bad.done.exception() is not None and len(at) == 5
