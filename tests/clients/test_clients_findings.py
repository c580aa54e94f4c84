"""What the journal keeps to judge the protocol by: why a message was not understood, and data behind a close."""

import base64
import hashlib

import pytest

from e2e.clients.listen import ListenSession
from e2e.clients.pusher import PusherSession
from e2e.protocol.listen import ListenParams
from tests.clients.conftest import Bench, raw_server, websocket_server

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE, PONG = b"\x81\x04ping", b"\x88\x02\x03\xe8", b"\x8a\x00"


def listening(bench, origin):
    return ListenSession(bench.link, "s1", origin, ListenParams(), {}, uid="u")


async def upgrade(reader, writer):
    head = await reader.readuntil(b"\r\n\r\n")
    key = next(line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    lines = (b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade")
    writer.write(b"\r\n".join([*lines, b"Sec-WebSocket-Accept: " + accept, b"", b""]))


@pytest.mark.parametrize(
    ("writes", "counted"),
    (
        ((CLOSE,), None),
        ((CLOSE + TEXT,), 6),
        ((CLOSE, TEXT), 6),
        ((TEXT + CLOSE[:3], CLOSE[3:] + TEXT, TEXT), 12),
        ((CLOSE + PONG,), None),  # a control frame may still come
    ),
)
@pytest.mark.parametrize("by", ("server", "client"))
async def test_data_behind_the_close_frame_is_counted(tmp_path, by, writes, counted):
    async def server(reader, writer):
        await upgrade(reader, writer)
        if by == "client":
            await reader.readexactly(8)  # its close frame
        for data in writes:
            writer.write(data)
            await writer.drain()
        writer.write_eof()
        await reader.read()
        writer.close()

    bench = Bench(tmp_path)
    async with raw_server(server) as origin:
        session = listening(bench, origin)
        await session.open()
        if by == "client":
            await session.close()
        await session.until(lambda: False, 5)
    (closed,) = bench.records("session", event="closed")
    assert closed["code"] == 1000 and closed["by"] == by
    assert closed.get("after_close") == counted


async def test_why_a_message_was_not_understood_is_in_the_journal(bench):
    async def backend(socket):
        for message in ("ping", '{"type":"later"}', '{"type":"last_memory"}', "pong"):
            await socket.send(message)
        await socket.wait_closed()

    async with websocket_server(backend) as origin, listening(bench, origin) as session:
        await session.until(lambda: session.messages == 4, 5)
    problems = [r.get("problem") for r in bench.records("message")]
    assert problems[:2] == [None, "unknown type"]
    assert "missing required field `memory_id`" in problems[2] and "malformed" in problems[3]


async def test_an_answer_of_the_pusher_that_names_no_conversation_says_so(bench):
    async def backend(socket):
        await socket.send(b"\xc9\x00\x00\x00" + b'{"success":true}')
        await socket.wait_closed()

    async with websocket_server(backend) as origin, PusherSession(bench.link, "p1", origin, uid="u") as session:
        await session.until(lambda: session.messages == 1, 5)
    (record,) = bench.records("message")
    assert record["kind"] == "pusher.201" and record["data"] == {"success": True}
    assert "missing required field `conversation_id`" in record["problem"]
