"""Listen and pusher sessions against servers on loopback that speak the protocol."""

import asyncio
import json
import struct
import time
from itertools import pairwise

import pytest

from e2e.audio.library import load_tape
from e2e.clients.listen import ListenSession
from e2e.clients.outlet import DirectOutlet, best_outlet
from e2e.clients.pusher import PusherSession
from e2e.errors import ScenarioError, SessionError
from e2e.protocol.listen import ListenParams
from tests.clients.conftest import Bench, raw_server, websocket_server

READY = [json.dumps({"type": "service_status", "status": s}) for s in ("initiating", "stt_initiating", "ready")]


def segment(text, end=1.0, id="a"):
    return json.dumps([{"id": id, "text": text, "start": 0.0, "end": end, "speaker": "SPEAKER_00"}])


def listening(bench, origin, **params):
    return ListenSession(bench.link, "s1", origin, ListenParams(**params), {}, uid="u")


async def greet(socket):
    for message in ("ping", *READY):
        await socket.send(message)


async def test_a_whole_listen_session_leaves_its_evidence(bench):
    received = []

    async def backend(socket):
        await greet(socket)
        async for chunk in socket:
            received.append(chunk)
            if len(received) in (5, 10):
                await socket.send(segment("hello" + " world" * (len(received) == 10)))
        await socket.close()

    async with websocket_server(backend) as origin, listening(bench, origin) as session:
        await session.ready()
        await session.play("podcast", chunks=20)
        await session.settle(quiet=0.2, at_most=2)
    assert received == list(load_tape("podcast", chunks=20).chunks)
    assert session.transcript == "hello world" and session.messages == 6
    (closed,) = bench.records("session", event="closed")
    assert closed["code"] == 1000 and closed["by"] == "client" and closed["chunks_sent"] == 20
    assert closed["chunks_planned"] == 20 and closed["bytes_sent"] == 64000 and closed["messages"] == 6
    kinds = [r["kind"] for r in bench.records("message")]
    assert kinds == ["ping", *["service_status"] * 3, "transcript", "transcript"]
    assert [r["event"] for r in bench.records("session")] == ["connecting", "open", "ready", "closed"]
    begin, end = bench.records("stream")
    assert begin["planned"] == end["sent"] == 20 and begin["pace"] == "max"


async def test_realtime_sends_each_chunk_at_its_deadline_and_measures_how_late(tmp_path):
    bench = Bench(tmp_path, speed=1.0)
    arrivals = []

    async def backend(socket):
        await greet(socket)
        async for _ in socket:
            arrivals.append(time.monotonic())

    async with websocket_server(backend) as origin, listening(bench, origin) as session:
        await session.ready()
        await session.play("podcast", chunks=8)
    sends = bench.link.pacer.take_counts()
    assert sends.n == sends.lateness.count == 8
    # Absolute deadlines: eight chunks span seven intervals, however late a single one may be.
    assert arrivals[-1] - arrivals[0] > 0.6


async def test_a_server_that_never_gets_ready_is_named_with_its_last_word(tmp_path):
    bench = Bench(tmp_path, ready_timeout=0.2)

    async def backend(socket):
        await socket.send(READY[0])
        await socket.wait_closed()

    async with websocket_server(backend) as origin:
        with pytest.raises(SessionError, match=r"not ready within 0\.2 s; its last status was 'initiating'"):
            async with listening(bench, origin) as session:
                await session.ready()
    (failed,) = bench.records("session", event="failed")
    assert failed["reason"] == "not_ready"
    assert bench.records("session", event="closed")[0]["code"] == 1000


async def test_a_close_in_mid_stream_ends_the_play_with_how_far_it_came(bench):
    async def backend(socket):
        await greet(socket)
        for _ in range(3):
            await socket.recv()
        await socket.close(1011, "transcription_service_unavailable")

    async with websocket_server(backend) as origin:
        bench.link.pacer.speed = 50.0
        with pytest.raises(SessionError, match=r"1011 'transcription_service_unavailable' after \d+ of 2000"):
            async with listening(bench, origin) as session:
                await session.ready()
                await session.play("podcast", chunks=2000)
    (failed,) = bench.records("session", event="failed")
    assert failed["reason"] == "closed"
    (closed,) = bench.records("session", event="closed")
    assert closed["code"] == 1011 and closed["by"] == "server" and 3 <= closed["chunks_sent"] < 2000
    assert bench.records("stream", event="end")[0]["sent"] == closed["chunks_sent"]


async def test_a_peer_that_stops_reading_is_backpressure_and_the_memory_stays_bounded(tmp_path):
    bench = Bench(tmp_path, speed=1.0)
    release = asyncio.Event()

    async def backend(socket):
        await greet(socket)
        socket.transport.pause_reading()
        await release.wait()

    async with websocket_server(backend, close_timeout=0.1) as origin:
        with pytest.raises(SessionError, match=r"stopped reading|takes no more") as error:
            async with listening(bench, origin) as session:
                await session.ready()
                tape = load_tape("silence", chunks=200)
                # Chunks of 3200 bytes announced as 1 ms each: a realtime stream that fills every buffer soon.
                quick = type(tape)("q", "pcm16", 16000, 0.001, tape.chunks * 100, (), None, "")
                await session.play(quick)
        release.set()
    assert error.value.reason == "backpressure"


@pytest.mark.slow
async def test_a_server_that_never_reads_is_noticed_within_five_seconds_of_audio_however_it_is_sent(tmp_path):
    async def backend(socket):
        await greet(socket)
        socket.transport.pause_reading()
        await socket.wait_closed()

    async def chunks_until_noticed(outlet):
        bench = Bench(tmp_path / outlet.name, speed=1.0, outlet=outlet)
        with pytest.raises(SessionError, match="stopped reading"):
            async with listening(bench, origin) as session:
                await session.ready()
                await session.play("podcast", chunks=80)
        return bench.records("stream", event="end")[0]["sent"]

    async with websocket_server(backend, close_timeout=0.1) as origin:
        sent = await asyncio.gather(
            *map(chunks_until_noticed, {o.name: o for o in (best_outlet(), DirectOutlet())}.values())
        )
    # The server's kernel takes some four seconds; ours would hold a second and a half more, if it were let.
    assert max(sent) <= 50


async def test_waiting_for_the_last_words_is_not_taken_for_inactivity(bench):
    received = []

    async def backend(socket):
        await greet(socket)
        assert len(await socket.recv()) == 3200
        await socket.send("ping")
        received.append(await socket.recv())
        await socket.send(segment("late words"))
        await socket.wait_closed()

    async with websocket_server(backend) as origin, listening(bench, origin) as session:
        await session.ready()
        await session.play("podcast", chunks=1)
        await session.settle(quiet=0.3, at_most=5)
    assert received == [b"\x8a\x00"] and session.transcript == "late words"


async def test_deleted_segments_leave_the_transcript(bench):
    async def backend(socket):
        await greet(socket)
        await socket.send(segment("one", id="a"))
        await socket.send(segment("two", id="b"))
        await socket.send(json.dumps({"type": "segments_deleted", "segment_ids": ["a", "unknown"]}))
        await socket.wait_closed()

    async with websocket_server(backend) as origin, listening(bench, origin) as session:
        assert await session.until(lambda: "b" in session.segments and "a" not in session.segments, 2)
        assert session.transcript == "two"


async def test_the_pusher_gets_the_frames_of_the_protocol_with_the_right_timestamps(bench):
    frames = []

    async def pusher(socket):
        async for frame in socket:
            opcode = struct.unpack_from("<I", frame)[0]
            frames.append((opcode, frame[4:]))
            if opcode == 104:
                body = {"conversation_id": json.loads(frame[4:])["conversation_id"], "success": True}
                await socket.send(struct.pack("<I", 201) + json.dumps(body).encode())

    before = time.time()
    async with websocket_server(pusher) as origin:
        async with PusherSession(bench.link, "s1", origin, uid="u 1") as session:
            session.conversation("conv-1")
            await session.play("podcast", chunks=25)
            session.transcript([{"id": "x"}], "conv-1")
            session.speaker_sample("p", "conv-1", ["x"])
            answer = await session.process_conversation("conv-1")
        assert session.url.endswith("/v1/trigger/listen?uid=u+1&sample_rate=16000")
    assert answer.success and [op for op, _ in frames] == [103, 101, 101, 101, 102, 105, 104]
    audio = [payload for op, payload in frames if op == 101]
    stamps = [struct.unpack_from("<d", payload)[0] for payload in audio]
    assert [round(b - a, 6) for a, b in pairwise(stamps)] == [1.0, 1.0]
    assert before <= stamps[0] <= time.time()
    assert b"".join(payload[8:] for payload in audio) == b"".join(load_tape("podcast", chunks=25).chunks)
    assert [len(payload) - 8 for payload in audio] == [32000, 32000, 16000]
    assert session.chunks_sent == 25 and bench.records("message")[0]["kind"] == "pusher.201"
    sent = [r["kind"] for r in bench.records("sent")]
    assert sent == ["pusher.103", "pusher.102", "pusher.105", "pusher.104"]


async def test_a_silent_pusher_and_its_keep_alive(bench, monkeypatch):
    monkeypatch.setattr("e2e.protocol.pusher.KEEP_ALIVE_SECONDS", 0.05)
    frames = []

    async def pusher(socket):
        async for frame in socket:
            frames.append(frame)

    async with websocket_server(pusher) as origin:
        with pytest.raises(SessionError, match=r"104 was not answered by 201 within 0\.3 s"):
            async with PusherSession(bench.link, "s1", origin, uid="u") as session:
                await session.process_conversation("c", timeout=0.3)
    assert frames.count(b"\x64\x00\x00\x00") >= 2
    assert bench.link.pacer.take_counts().n == 0  # keep-alives are no chunks


@pytest.mark.parametrize(
    "answer", (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", b"SSH-2.0-OpenSSH\r\n", b"")
)
async def test_a_session_that_never_opened_is_not_said_to_have_closed(bench, answer):
    async def service(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with raw_server(service) as origin:
        with pytest.raises(SessionError):
            async with listening(bench, origin):
                pass
        await asyncio.sleep(0.05)
    assert [r["event"] for r in bench.records("session")] == ["connecting", "failed"]


async def test_two_tapes_at_once_on_one_session_are_refused_and_the_first_goes_on(tmp_path):
    bench = Bench(tmp_path, speed=1.0)

    async def backend(socket):
        await greet(socket)
        async for _ in socket:
            pass

    async with websocket_server(backend) as origin, listening(bench, origin) as session:
        await session.ready()
        first = asyncio.create_task(session.play("podcast", chunks=4))
        await asyncio.sleep(0.1)
        with pytest.raises(ScenarioError, match="is playing already"):
            await session.play("podcast", chunks=4)
        await first
        assert session.chunks_sent == 4
