"""A server on raw TCP (or TLS) that plays a script of bytes to one client and keeps every frame the client sends.

It knows just enough of RFC 6455 to compute the accept key and to unmask what arrives, so it can send what no library
would agree to send.
"""

import asyncio
import base64
import contextlib
import enum
import hashlib
import itertools
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA

DEADLINE = 10.0
"""Seconds until a script that hangs fails its case; nothing is measured with it."""


class Mark(enum.Enum):
    """What a script can do other than send."""

    FRAME = "wait for one more frame of the client"
    CLOSED = "wait for the close frame of the client"
    EOF = "end our direction of the TCP connection"
    RESET = "reset the TCP connection"


Step = bytes | Mark


ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: {accept}\r\n\r\n"
)


@dataclass(frozen=True)
class Script:
    """Steps after an answer to the upgrade. Every `bytes` is written, and read by the client, on its own.

    `{accept}` in the answer becomes the right accept key, `{swapped}` the key with its case swapped, `{short}` the key
    without its padding. The answer is cut
    into several writes at `cuts`; with `joined` the first step goes out in one write with (the rest of) the answer.
    """

    steps: tuple[Step, ...] = ()
    answer: bytes = ACCEPTED
    cuts: tuple[int, ...] = ()
    joined: bool = False


@dataclass
class Seen:
    """What the client sent after its upgrade request: `(opcode, fin, payload)` of each frame, and the mask keys."""

    request: bytes = b""
    frames: list[tuple[int, bool, bytes]] = field(default_factory=list)
    masks: list[bytes] = field(default_factory=list)


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bytes | None = None, form: int = 0
) -> bytes:
    """One frame of a server. `form` forces the 126 or 127 encoding of the length, `mask` does what servers must not."""
    size = len(payload)
    form = form or (size if size < 126 else 126 if size < 65536 else 127)
    length = bytes([form | (0x80 if mask else 0)])
    extended = struct.pack("!H", size) if form == 126 else struct.pack("!Q", size) if form == 127 else b""
    if mask is not None:
        payload = mask + _unmask(payload, mask)
    return bytes([(0x80 if fin else 0) | rsv << 4 | opcode]) + length + extended + payload


def header_of(opcode: int, size: int, *, fin: bool = True) -> bytes:
    """The header alone of a frame of `size` bytes, in the 127 encoding."""
    return bytes([(0x80 if fin else 0) | opcode, 127]) + struct.pack("!Q", size)


def close_frame(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, struct.pack("!H", code) + reason)


def bytewise(data: bytes) -> tuple[bytes, ...]:
    return tuple(data[n : n + 1] for n in range(len(data)))


def cut(data: bytes, at: int) -> tuple[bytes, bytes]:
    return data[:at], data[at:]


def _unmask(payload: bytes, mask: bytes) -> bytes:
    return bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))


async def settle() -> None:
    """Let the client, which runs in this loop, read what was just written. Fewer turns join writes under TLS."""
    for _ in range(4):
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def peer(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[str, "asyncio.Future[Seen]"]]:
    """Play `script` to the first client; gives the URI, and what was seen once the connection is over."""
    over: asyncio.Future[Seen] = asyncio.get_running_loop().create_future()
    over.add_done_callback(lambda _: over.cancelled() or over.exception())  # seen, also when the client failed first

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(DEADLINE):
                seen = await _Play(script, reader, writer).run()
            if not over.done():
                over.set_result(seen)
        except Exception as error:  # whatever went wrong belongs to the case, not to a log
            if not over.done():
                over.set_exception(error)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"{'wss' if tls else 'ws'}://127.0.0.1:{port}/v4/listen?x=1", over


class _Play:
    def __init__(self, script: Script, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.script, self.reader, self.writer = script, reader, writer
        self.seen = Seen()
        self.arrived = asyncio.Event()
        self.taken = 0
        self.left = False

    async def run(self) -> Seen:
        with contextlib.suppress(AttributeError, OSError):  # a write is a segment of its own
            self.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.seen.request = await self.reader.readuntil(b"\r\n\r\n")
        listening = asyncio.ensure_future(self._listen())
        try:
            for step in self._writes():
                await (self._write(step) if isinstance(step, bytes) else self._mark(step))
            if Mark.RESET not in self.script.steps:
                await self._mark(Mark.EOF)
                await listening
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        return self.seen

    def _writes(self) -> list[Step]:
        answer, steps = with_key(self.script.answer, self.seen.request), list(self.script.steps)
        if self.script.joined:
            first = steps.pop(0)
            assert isinstance(first, bytes)
            answer += first
        edges = [0, *self.script.cuts, len(answer)]
        return [answer[a:b] for a, b in itertools.pairwise(edges) if a < b] + steps

    async def _write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()
        await settle()

    async def _mark(self, mark: Mark) -> None:
        if mark is Mark.FRAME:
            self.taken += 1
            await self._until(lambda: len(self.seen.frames) >= self.taken)
        elif mark is Mark.CLOSED:
            await self._until(lambda: any(opcode == CLOSE for opcode, _, _ in self.seen.frames))
        elif mark is Mark.RESET:
            linger = struct.pack("ii", 1, 0)
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.writer.transport.abort()
        elif self.writer.can_write_eof():
            with contextlib.suppress(OSError):  # the client may be gone already: it need not wait for us
                self.writer.write_eof()
        else:  # TLS has no half of a connection
            self.writer.close()

    async def _until(self, condition) -> None:
        while not condition():
            if self.left:
                raise EOFError(f"the client left before it did what the script waits for; it sent {self.seen.frames}")
            self.arrived.clear()
            await self.arrived.wait()

    async def _listen(self) -> None:
        try:
            while True:
                await self._read_frame()
                self.arrived.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.left = True
            self.arrived.set()

    async def _read_frame(self) -> None:
        first, second = await self.reader.readexactly(2)
        assert first & 0x70 == 0, "a client without extensions sets no reserved bit"
        assert second & 0x80, "a client masks every frame"
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8))
        mask = await self.reader.readexactly(4)
        payload = _unmask(await self.reader.readexactly(size), mask)
        self.seen.masks.append(mask)
        self.seen.frames.append((first & 0x0F, bool(first & 0x80), payload))


def with_key(part: bytes, request: bytes) -> bytes:
    lines = (line.partition(b":") for line in request.split(b"\r\n"))
    key = next(value.strip() for name, _, value in lines if name.lower() == b"sec-websocket-key")
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    return part.replace(b"{accept}", accept).replace(b"{swapped}", accept.swapcase()).replace(b"{short}", accept[:-1])
