"""The connection against real servers on loopback, polite and hostile."""

import asyncio
import base64
import hashlib
import socket
import time

import pytest

from e2e.clients.address import checked_address, is_loopback
from e2e.clients.wire import connect
from e2e.errors import AuthRefused, ConfigError, SessionError
from tests.clients.conftest import raw_server, websocket_server


class Inbox:
    def __init__(self) -> None:
        self.messages: list = []
        self.ends: list = []
        self.arrived = asyncio.Event()

    def opened(self, connected, upgraded) -> None:
        assert connected <= upgraded and not self.messages

    def message(self, payload) -> None:
        self.messages.append(payload)
        self.arrived.set()

    def closed(self, closed) -> None:
        self.ends.append(closed)
        self.arrived.set()

    async def wait(self, messages=0, ends=0) -> None:
        async with asyncio.timeout(5):
            while len(self.messages) < messages or len(self.ends) < ends:
                self.arrived.clear()
                await self.arrived.wait()


async def opened(origin: str, inbox: Inbox, **options):
    url = origin.replace("http", "ws") + "/v4/listen?x=1"
    return await connect(url, options.pop("headers", {}), inbox, clock=time.monotonic, **options)


def upgrade(key: bytes) -> bytes:
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


async def read_key(reader) -> bytes:
    request = await reader.readuntil(b"\r\n\r\n")
    return next(line for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))[19:].strip()


async def test_messages_go_both_ways_without_compression_and_with_our_headers():
    seen = {}

    async def handler(socket):
        seen["headers"] = socket.request.headers
        seen["path"] = socket.request.path
        await socket.send("ping")
        await socket.send(b"\x01\x02")
        seen["received"] = [await socket.recv(), await socket.recv()]
        await socket.wait_closed()
        seen["code"] = socket.close_code

    inbox = Inbox()
    async with websocket_server(handler) as origin:
        connection = await opened(origin, inbox, headers={"Authorization": "Bearer t"})
        await inbox.wait(messages=2)
        connection.send_binary(b"audio")
        connection.send_text("{}")
        closed = await connection.close(1000, "bye")
    assert inbox.messages == ["ping", b"\x01\x02"]
    assert seen["received"] == [b"audio", "{}"] and seen["code"] == 1000 and seen["path"] == "/v4/listen?x=1"
    assert seen["headers"]["Authorization"] == "Bearer t"
    assert "Sec-WebSocket-Extensions" not in seen["headers"]
    assert (closed.code, closed.by, closed.sent_code, closed.received_code) == (1000, "client", 1000, 1000)
    assert inbox.ends == [closed]


async def test_a_close_by_the_server_keeps_its_code_and_reason():
    async def handler(socket):
        await socket.close(1008, "Bad uid")

    inbox = Inbox()
    async with websocket_server(handler) as origin:
        await opened(origin, inbox)
        await inbox.wait(ends=1)
    end = inbox.ends[0]
    assert (end.code, end.reason, end.by, end.received_code) == (1008, "Bad uid", "server", 1008)


async def test_fragments_are_joined_with_control_frames_between_them_answered():
    async def handler(reader, writer):
        writer.write(upgrade(await read_key(reader)))
        # A text in three fragments, a ping between them, split over TCP reads inside a UTF-8 character.
        frames = b"\x01\x03a\xc3\xa9" + b"\x89\x01p" + b"\x00\x01\xe2" + b"\x80\x02\x82\xac" + b"\x81\x04ping"
        for n in range(len(frames)):
            writer.write(frames[n : n + 1])
            await writer.drain()
            await asyncio.sleep(0)
        pong = await reader.readexactly(7)
        assert pong[0] == 0x8A and pong[1] == 0x81 and bytes([pong[6] ^ pong[2]]) == b"p"
        writer.write(b"\x88\x02\x03\xf3")  # 1011
        await reader.readexactly(8)  # the echo; then the server ends the TCP connection, as RFC 6455 has it
        writer.close()

    inbox = Inbox()
    async with raw_server(handler) as origin:
        await opened(origin, inbox)
        await inbox.wait(messages=2, ends=1)
    assert inbox.messages == ["aé€", "ping"]
    assert inbox.ends[0].code == 1011 and inbox.ends[0].by == "server"


async def test_a_connection_that_dies_is_1006():
    async def handler(reader, writer):
        writer.write(upgrade(await read_key(reader)) + b"\x81\x04ping")
        await writer.drain()
        writer.transport.abort()

    inbox = Inbox()
    async with raw_server(handler) as origin:
        await opened(origin, inbox)
        await inbox.wait(ends=1)
    assert inbox.ends[0].code == 1006 and inbox.ends[0].by == "lost" and inbox.ends[0].received_code is None


@pytest.mark.parametrize(
    ("frames", "sent_code"),
    [
        (b"\x83\x00", 1002),  # reserved opcode
        (b"\xc1\x00", 1002),  # reserved bit
        (b"\x81\x81\x00\x00\x00\x00a", 1002),  # masked by the server
        (b"\x80\x01a", 1002),  # continuation of nothing
        (b"\x09\x00", 1002),  # fragmented ping
        (b"\x81\x02\xff\xfe", 1007),  # not UTF-8
        (b"\x82\x7f\x00\x00\x00\x00\x01\x00\x00\x01", 1009),  # above 16 MiB
    ],
)
async def test_what_breaks_the_protocol_fails_the_connection_with_the_right_code(frames, sent_code):
    async def handler(reader, writer):
        writer.write(upgrade(await read_key(reader)) + frames)
        await reader.read()
        writer.close()

    inbox = Inbox()
    async with raw_server(handler) as origin:
        connection = await opened(origin, inbox)
        assert not await connection.ended_within(0.05)
        connection.abort()  # this server never closes
        assert await connection.ended_within(5)
        end = connection.end
    assert end.sent_code == sent_code and end.code == 1006 and inbox.messages == []


async def test_a_server_that_never_answers_the_close_is_dropped_after_the_timeout():
    async def handler(reader, writer):
        writer.write(upgrade(await read_key(reader)))
        await reader.read()
        await asyncio.sleep(30)

    inbox = Inbox()
    async with raw_server(handler) as origin:
        connection = await opened(origin, inbox)
        closed = await connection.close(timeout=0.1)
    assert closed.code == 1006 and closed.sent_code == 1000 and closed.by == "lost"


async def test_an_unanswered_ping_drops_the_connection_and_an_answered_one_does_not():
    async def quiet(reader, writer):
        writer.write(upgrade(await read_key(reader)))
        await reader.read()

    inbox = Inbox()
    async with raw_server(quiet) as origin:
        connection = await opened(origin, inbox)
        connection.ping()
        connection.ping()
        await inbox.wait(ends=1)
        assert inbox.ends[0].code == 1006

    async def polite(socket):
        await socket.send("go")
        await socket.wait_closed()

    inbox = Inbox()
    async with websocket_server(polite) as origin:
        connection = await opened(origin, inbox)
        for expected in range(1, 4):
            connection.ping()
            async with asyncio.timeout(5):
                while connection.pongs < expected:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
        assert (await connection.close()).code == 1000


@pytest.mark.parametrize("status", [401, 403, 500])
async def test_refused_credentials_are_one_outcome_that_keeps_its_status(status):
    async def handler(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 %d No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno" % status)
        writer.close()

    async with raw_server(handler) as origin:
        with pytest.raises(AuthRefused, match=f"HTTP {status}") as error:
            await opened(origin, Inbox())
    assert error.value.status == status and error.value.reason == "refused"


async def test_a_redirect_is_not_followed():
    async def handler(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 307 Away\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with raw_server(handler) as origin:
        with pytest.raises(SessionError, match="HTTP 307"):
            await opened(origin, Inbox())


@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 101 Ok\r\nUpgrade: websocket\r\n\r\n", b"\x00" * 64]
)
async def test_what_is_no_websocket_server_is_said(answer):
    async def handler(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with raw_server(handler) as origin:
        with pytest.raises(SessionError, match="does not speak WebSocket") as error:
            await opened(origin, Inbox())
    assert error.value.reason == "protocol"


async def test_nothing_listening_and_a_server_that_says_nothing():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(SessionError, match=f"cannot connect to 127.0.0.1:{port}.*is the service running") as error:
            await opened(f"http://127.0.0.1:{port}", Inbox())
    assert error.value.reason == "unreachable"

    async def mute(reader, writer):
        await reader.read()

    async with raw_server(mute) as origin:
        with pytest.raises(SessionError, match=r"did not answer the upgrade within 0\.2 s") as error:
            await opened(origin, Inbox(), timeout=0.2)
    assert error.value.reason == "timeout"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://user:pw@127.0.0.1:1", "credentials inside a URL"),
        ("http://example.com", "not loopback"),
        ("ftp://127.0.0.1", "not a URL of a service"),
        ("127.0.0.1:10220", "not a URL of a service"),
        ("http://127.0.0.1:99999", "not a URL"),
        ("http://", "not a URL of a service"),
        ("http://127.0.0.1.example.com", "not loopback"),
        ("http://localhost.example.com", "not loopback"),
    ],
)
def test_addresses_that_may_not_be_connected_to(url, says):
    with pytest.raises(ConfigError, match=says) as error:
        checked_address(url)
    assert "pw" not in str(error.value)


def test_addresses_that_may():
    assert checked_address("ws://127.0.0.1:10220/x") == ("127.0.0.1", 10220, False)
    assert checked_address("http://localhost") == ("localhost", 80, False)
    assert checked_address("https://[::1]") == ("::1", 443, True)
    assert checked_address("wss://omi.example", frozenset({"omi.example"})) == ("omi.example", 443, True)
    assert is_loopback("127.1.2.3") and not is_loopback("10.0.0.1")
