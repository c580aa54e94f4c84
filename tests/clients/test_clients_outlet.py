"""Frames that leave in volleys, over io_uring and through transports: sockets take all, a part, or nothing."""

import asyncio
import gc
import os
import random
import socket

import pytest

from e2e.audio.library import load_tape
from e2e.clients.framing import Frames
from e2e.clients.lane import Lane
from e2e.clients.listen import ListenSession
from e2e.clients.outlet import VOLLEY, DirectOutlet, Outlet, best_outlet
from e2e.clients.ring import SendRing
from e2e.clients.timing import Stream
from e2e.errors import UsageError
from e2e.protocol import listen
from tests.clients.conftest import LOOPS, Bench, websocket_server


def ring() -> SendRing:
    try:
        return SendRing()
    except OSError as error:
        pytest.skip(f"no io_uring here: {error}")


OUTLETS = {"transport": DirectOutlet, "ring": ring}


class Pipe(Stream):
    """A stream over a pair of sockets, its own line; what the ring cannot send goes to `written`, in order."""

    def __init__(self, frames: Frames, buffer: int | None = None) -> None:
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.far.setblocking(False)
        if buffer is not None:
            self.near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        self.raw_fd = self.near.fileno()
        self.count, self.frames, self.lane, self.written = None, frames, None, []
        self.line = self.transport = self
        self.rider = self.error = None
        self.expected = b""

    def fail(self, error: Exception) -> None:
        self.error = error

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def received(self) -> bytes:
        data = b""
        try:
            while piece := self.far.recv(1 << 20):
                data += piece
        except BlockingIOError:
            pass
        return data

    def close(self) -> None:
        self.near.close()
        self.far.close()


def in_lane(*streams: Pipe, at: int = 0) -> Lane:
    """A lane in which each of these is at piece `at`."""
    lane = Lane(streams[0].frames, 0, 1, lambda stream, lane: None)
    for stream in streams:
        lane.join(stream, at)
    return lane


def take_turn(outlet: Outlet, lane: Lane) -> None:
    lane.begin_turn()
    outlet.send(lane, 0, len(lane))
    lane.end_turn()


@pytest.fixture
def pipes():
    made = []

    def make(*arguments, **options) -> Pipe:
        made.append(Pipe(*arguments, **options))
        return made[-1]

    yield make
    for pipe in made:
        pipe.close()


def test_volleys_of_every_size_arrive_whole_and_in_order_round_and_round_the_ring(pipes):
    outlet, dice = ring(), random.Random(5)
    frames = Frames([bytes([k % 251]) * dice.choice([1, 100, 125, 126, 3200]) for k in range(80)])
    streams = [pipes(frames) for _ in range(VOLLEY)]
    lane = in_lane(*streams)
    for turn in range(300):
        if turn % 40 == 0:  # each goes on from a place of its own
            for stream in streams:
                stream.leave()
                lane.join(stream, dice.randrange(40))
        first = dice.randrange(VOLLEY)
        last = dice.randint(first + 1, VOLLEY)
        lane.begin_turn()
        outlet.send(lane, first, last)
        for row in range(first, last):
            lane.streams[row].expected += frames.whole[lane.pieces[row]]
        lane.end_turn()
        if dice.random() < 0.2:
            for stream in streams:
                assert stream.received() == stream.expected and stream.written == []
                stream.expected = b""


def test_what_a_socket_does_not_take_goes_to_its_transport_and_nobody_else_waits(pipes):
    outlet, frames = ring(), Frames([b"x" * 60_000, b"y" * 60_000])
    small, healthy = pipes(frames, buffer=4096), pipes(frames)
    lane = in_lane(small, healthy)
    take_turn(outlet, lane)
    sent = frames.whole[:1]
    if not small.written:  # this kernel took the first one whole: then there is no room for the second
        take_turn(outlet, lane)
        sent = frames.whole
    assert small.written and small.received() + b"".join(small.written) == b"".join(sent)
    assert healthy.received() == b"".join(sent) and not healthy.written


def test_a_full_socket_and_a_dead_one_leave_the_whole_frame_to_the_transport(pipes):
    outlet, frames = ring(), Frames([b"x" * 3200])
    full, dead, healthy = pipes(frames), pipes(frames), pipes(frames)
    with pytest.raises(BlockingIOError):
        while True:
            full.near.send(b"z" * 65536)
    dead.far.close()
    take_turn(outlet, in_lane(full, dead, healthy))
    assert full.written == dead.written == [frames.whole[0]]
    assert healthy.received() == frames.whole[0] and not healthy.written


@pytest.mark.parametrize("name", OUTLETS)
def test_a_transport_that_raises_fails_its_stream_alone(pipes, name):
    outlet, frames = OUTLETS[name](), Frames([b"x" * 100])
    broken, healthy = pipes(frames), pipes(frames)
    broken.write = lambda data: 1 // 0
    broken.far.close()  # so that the ring leaves it to the transport
    take_turn(outlet, in_lane(broken, healthy))
    assert isinstance(broken.error, ZeroDivisionError)
    assert healthy.error is None and healthy.received() + b"".join(healthy.written) == frames.whole[0]


def test_a_ring_that_does_not_work_closes_its_file_once(monkeypatch):
    ring()
    gc.collect()
    closed = []
    monkeypatch.setattr(SendRing, "_prove", lambda self: 1 // 0)
    monkeypatch.setattr(os, "close", lambda fd, close=os.close: closed.append(fd) or close(fd))
    with pytest.raises(ZeroDivisionError):
        SendRing()
    gc.collect()
    assert len(closed) == len(set(closed)) == 1


def test_a_ring_that_breaks_hands_everything_to_the_transports_once_and_for_good(pipes):
    outlet, frames = ring(), Frames([b"x" * 100] * 3)
    streams = [pipes(frames) for _ in range(3)]
    lane = in_lane(*streams)
    take_turn(outlet, lane)
    os.close(outlet._fd)
    outlet._fd = os.open(os.devnull, os.O_RDONLY)  # any other file: the kernel refuses it
    take_turn(outlet, lane)
    take_turn(outlet, lane)
    for stream in streams:
        assert stream.received() == frames.whole[0] and stream.written == [frames.whole[0]] * 2


def test_the_outlet_is_chosen_by_what_the_kernel_allows_or_by_the_environment(monkeypatch):
    monkeypatch.delenv("E2E_SEND", raising=False)
    assert best_outlet().name in ("ring", "transport")
    monkeypatch.setenv("E2E_SEND", "transport")
    assert isinstance(best_outlet(), DirectOutlet)
    monkeypatch.setenv("E2E_SEND", "pigeon")
    with pytest.raises(UsageError, match="E2E_SEND=pigeon"):
        best_outlet()


def test_without_io_uring_frames_go_through_the_transports(monkeypatch):
    def refused(*_: object) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(SendRing, "_call", refused)
    monkeypatch.delenv("E2E_SEND", raising=False)
    assert isinstance(best_outlet(), DirectOutlet)
    monkeypatch.setenv("E2E_SEND", "ring")
    with pytest.raises(UsageError, match="io_uring cannot be used here: Operation not permitted"):
        best_outlet()


def ways():
    """Each takes seconds: three show every loop, every outlet and TLS; the slow tests show the other three."""
    quick = {("asyncio", "transport", False), ("uvloop", "ring", False), ("uvloop", "ring", True)}
    for loop in LOOPS:
        for name, secure in (("transport", False), ("ring", False), ("ring", True)):
            marks = () if (loop.id, name, secure) in quick else (pytest.mark.slow,)
            how = f"{loop.id}-{name}{'-tls' if secure else ''}"
            yield pytest.param(*loop.values, name, secure, id=how, marks=(*loop.marks, *marks))


@pytest.mark.parametrize(("factory", "name", "secure"), [*ways()])
def test_a_server_that_reads_in_fits_gets_every_chunk_in_order_between_control_frames(
    request, tmp_path, factory, name, secure
):
    """The sockets fill and drain again and again, while pongs and texts cross the audio: framing must hold."""
    tape = load_tape("podcast", chunks=10)
    # 3.2 MB/s: more than the buffers of both sides hold while nobody reads.
    quick = type(tape)("q", "pcm16", 16000, 0.01, tuple(chunk * 10 for chunk in tape.chunks) * 20, (), None, "")

    context = request.getfixturevalue("tls") if secure else None

    async def main() -> None:
        bench = Bench(tmp_path, speed=1.0, outlet=OUTLETS[name]())
        heard: dict[int, list[bytes]] = {}
        waited: list[bool] = []

        async def backend(connection) -> None:
            received = heard[len(heard)] = []
            await connection.send('{"type":"service_status","status":"ready"}')
            async for message in connection:
                if isinstance(message, str):
                    continue
                received.append(message)
                if len(received) % 40 == 20:
                    await connection.ping()
                    connection.transport.pause_reading()
                    await asyncio.sleep(0.5)
                    connection.transport.resume_reading()

        async def device(number: int) -> None:
            params = listen.ListenParams()
            async with ListenSession(bench.link, f"s{number}", origin, params, {}, uid=f"u{number}") as session:
                await session.ready()
                playing = asyncio.create_task(session.play(quick))
                while not playing.done():
                    assert secure == (session.connection().raw_fd < 0)
                    waited.append(not session.connection().quick)
                    session.send_text('{"type":"speaker_assigned"}')
                    await asyncio.sleep(0.05)
                await playing
                assert session.chunks_sent == 200 and session.bytes_sent == 200 * 32000

        async with websocket_server(backend, close_timeout=5, ssl=context) as origin:
            await asyncio.gather(*(device(number) for number in range(4)))
        assert len(heard) == 4 and True in waited and False in waited
        for received in heard.values():
            assert received == list(quick.chunks)
        closed = bench.records("session", event="closed")
        assert [record["code"] for record in closed] == [1000] * 4
        assert bench.link.pacer.take_counts().n == 800

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
