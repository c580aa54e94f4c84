"""The sink that judges all clients is itself held against an independent WebSocket client."""

import asyncio
import base64
import contextlib
import hashlib
import json
import socket
import subprocess

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK
from websockets.frames import Frame, Opcode

from benchmarks.programs import Sink
from e2e.protocol import listen

CHUNK = bytes(3200)


@pytest.fixture
def sink(programs, core):
    with Sink(programs, core, chunks=3, warm=0.0) as sink:
        yield sink


def address(sink: Sink) -> str:
    return f"ws://127.0.0.1:{sink.port}/v4/listen?codec=pcm16"


async def heard(connection, wanted: type[listen.Message], count: int = 1) -> list[listen.Message]:
    messages: list[listen.Message] = []
    async with asyncio.timeout(20):
        while len(messages) < count:
            message = listen.decode(await connection.recv())
            if isinstance(message, wanted):
                messages.append(message)
    return messages


async def test_says_what_a_backend_says_and_repeats_one_segment(sink):
    async with connect(address(sink), additional_headers={"Authorization": "Bearer x"}) as connection:
        assert listen.decode(await connection.recv()) == listen.Ping()
        statuses = await heard(connection, listen.ServiceStatus, 4)
        assert [status.status for status in statuses][-1] == "ready"
        first, second = await heard(connection, listen.Transcript, 2)
    (before,), (after,) = first.segments, second.segments
    assert before.id == after.id and before.text != after.text and before.end < after.end


async def test_counts_chunks_and_not_keep_alives_and_answers_pings_and_closes(sink):
    async with connect(address(sink)) as connection:
        for _ in range(3):
            await connection.send(CHUNK)
        await connection.send([CHUNK[:1000], CHUNK[1000:]])  # one message in two frames
        await connection.send(listen.KEEP_ALIVE)
        await connection.send("text")
        await (await connection.ping(b"are you there"))
        await connection.close(4321, "enough")
        assert connection.close_code == 4321
    counted = sink.report()
    assert (counted["chunks"], counted["extra"], counted["lost"], counted["other_messages"]) == (4, 1, 0, 2)
    assert (counted["streams"], counted["complete"], counted["clean_closes"], counted["unmasked"]) == (1, 1, 1, 0)


async def test_a_stream_that_ends_early_has_lost_the_rest(sink):
    async with connect(address(sink)) as connection:
        await connection.send(CHUNK)
    counted = sink.report()
    assert (counted["complete"], counted["lost"]) == (0, 2)
    assert counted["judged"] is None


async def test_frames_may_arrive_in_pieces_and_several_at_once(sink):
    chunk = Frame(Opcode.BINARY, CHUNK).serialize(mask=True)
    ping = Frame(Opcode.PING, b"p").serialize(mask=True)
    reader, writer = await asyncio.open_connection("127.0.0.1", sink.port)
    request = f"GET /v4/listen HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Key: {'k' * 22}==\r\n\r\n"
    for piece in (request[:10], request[10:]):
        writer.write(piece.encode())
        await writer.drain()
        await asyncio.sleep(0.05)  # so that they are two reads
    answer = await reader.readuntil(b"\r\n\r\n")
    accept = hashlib.sha1(f"{'k' * 22}==258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
    assert base64.b64encode(accept) in answer
    for data in (chunk[:1], chunk[1:7], chunk[7:], chunk + ping + chunk[:5], chunk[5:]):
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(0.05)
    async with asyncio.timeout(20):
        await reader.readuntil(b"\x8a\x01p")
    writer.close()
    assert sink.report()["chunks"] == 3


def test_lateness_is_the_distance_to_the_grid_of_the_earliest_arrival(programs, core):
    async def stream(port: int) -> None:
        async with connect(f"ws://127.0.0.1:{port}/v4/listen") as connection:
            start = asyncio.get_running_loop().time()
            for k in range(25):
                late = 0.4 if k == 13 else 0.0
                await asyncio.sleep(start + k * 0.1 + late - asyncio.get_running_loop().time())
                await connection.send(CHUNK)

    with Sink(programs, core, chunks=25, warm=0.0) as sink:
        asyncio.run(stream(sink.port))
        judged = sink.report()["judged"]
    # Chunk 13 was held back, and those behind it had to wait for it.
    assert judged["whole"]["max"] >= 390
    assert judged["whole"]["max"] == max(second["max"] for second in judged["seconds"])
    assert judged["whole"]["n"] == sum(second["n"] for second in judged["seconds"])


async def test_a_deaf_sink_reads_nothing_of_every_nth_stream(programs, core):
    with Sink(programs, core, chunks=1, warm=0.0, deaf_every=2) as sink:
        async with connect(address(sink)) as first, connect(address(sink), close_timeout=0.1) as second:
            await first.send(CHUNK)
            await second.send(CHUNK)
            await heard(second, listen.Transcript)  # it speaks all the same
            await first.close()
            with pytest.raises(ConnectionClosed) as ended:
                await first.recv()
                while True:
                    await first.recv()
            assert isinstance(ended.value, ConnectionClosedOK)
        counted = sink.report()
    assert (counted["streams"], counted["deaf"], counted["chunks"], counted["lost"]) == (2, 1, 1, 0)


def test_answers_plain_http_so_that_a_run_finds_its_service_healthy(sink):
    origin = f"http://127.0.0.1:{sink.port}"
    assert httpx.get(f"{origin}/v1/health").status_code == 200
    assert httpx.get(f"{origin}/openapi.json").json()["paths"]
    assert sink.report()["streams"] == 0


def test_survives_what_is_no_request(sink):
    with socket.create_connection(("127.0.0.1", sink.port)) as connection:
        connection.sendall(b"x" * 8000)
        connection.settimeout(20)
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(10) == b""
    assert sink.report()["streams"] == 0


def test_the_c_client_does_what_it_is_told(programs, core):
    with Sink(programs, core, chunks=12, warm=0.0) as sink:
        command = [programs / "client", str(sink.port), "10", "12"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        counted = sink.report()
    said = json.loads(done.stdout)
    assert said["sent"] == counted["chunks"] == 120 and counted["lost"] == 0
    assert said["messages"] == counted["texts_sent"]
    assert counted["clean_closes"] == 10 and counted["unmasked"] == 0
