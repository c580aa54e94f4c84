"""One WebSocket connection: an `asyncio.Protocol` with a quick way for what is usual and a complete one for the rest.

The usual (the accepted upgrade, whole text frames) is handled here. For all else the sans-I/O client of `websockets`
decides what is right: refusals, fragments, control frames, close codes. Both work on the same transport, and whatever
comes is told to the receiver in the call that read it, with the close codes of both sides kept. There is no task, no
timer and no queue per connection.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Generator, Mapping
from typing import Literal

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import SEND_EOF, State
from websockets.uri import parse_uri

from e2e.clients import kernel
from e2e.clients.framing import binary_frame, text_frame
from e2e.clients.handshake import MAX_ANSWER_BYTES, accepts, new_key, request
from e2e.clients.receiver import Closed, Receiver
from e2e.errors import SessionError

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""A message above this fails the connection with close code 1009."""

SEND_BUFFER_BYTES = 64 * 1024
"""SO_SNDBUF: by default the kernel hides minutes of audio from us before it says that nobody reads."""

CLOSE_SECONDS = 10.0
"""How long a closing handshake may take before the TCP connection is dropped."""

_FINAL_TEXT = 0x81
_PING = b"e2e"
_PONG = b"\x8a\x03" + _PING
_WHOLE_CONTROLS = frozenset({0x89, 0x8A})  # ping, pong

# Quiet: what a server does is for the journal, and no logger may see headers.
_logger = logging.getLogger("e2e.wire")
_logger.disabled = True


class Connection(asyncio.Protocol):
    """An open WebSocket connection. Made by `connect`.

    What a server sends nearly always, a whole unmasked text frame, is cut out of the buffer here. Everything else goes
    to `websockets`, on the same transport: control frames to an instance that lives as long as the frame, fragments,
    large frames, closes and whatever is wrong to one that stays.
    """

    __slots__ = (
        "_buffer",
        "_clock",
        "_closing",
        "_connected",
        "_fd",
        "_fragments",
        "_key",
        "_receiver",
        "_request",
        "_text",
        "_transport",
        "_upgrade",
        "_uri",
        "_waiter",
        "_ws",
        "closing",
        "end",
        "pings_sent",
        "pongs",
        "quick",
        "raw_fd",
    )

    def __init__(self, uri: str, headers: Mapping[str, str], receiver: Receiver, clock: Callable[[], float]) -> None:
        loop = asyncio.get_running_loop()
        self._uri = uri
        self._key = new_key()
        self._request: bytes | None = request(uri, self._key, headers)
        self._receiver = receiver
        self._clock = clock
        self._connected = 0.0
        self._fd = -1
        # An `e2e.clients.outlet.Line`.
        self.quick = False
        self.raw_fd = -1
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._ws: _Client | None = None
        self._fragments: list[bytes] | None = None
        self._text = True
        self._closing: asyncio.TimerHandle | None = None
        # Only there while somebody may wait: thousands of finished futures would be a good part of all memory.
        self._upgrade: asyncio.Future[None] | None = loop.create_future()
        self._waiter: asyncio.Future[None] | None = None
        self.end: Closed | None = None
        self.closing = False
        self.pongs = 0
        self.pings_sent = 0

    # Sending

    @property
    def open(self) -> bool:
        return self._upgrade is None and not self.closing

    @property
    def backlog(self) -> int:
        """Bytes that were written here and that the socket has not taken yet."""
        return self._transport.get_write_buffer_size() if self._transport else 0

    def unsent(self) -> int:
        """Bytes that wait in the kernel to be sent or acknowledged."""
        try:
            return kernel.unsent(self._fd) if self._fd >= 0 else 0
        except OSError:  # closed already, and not told so yet
            return 0

    def peer_window(self) -> int | None:
        """Bytes that the other side is ready to take; None: not known."""
        sock = self.transport.get_extra_info("socket")
        try:
            return kernel.peer_window(sock) if sock is not None else None
        except OSError:
            return None

    @property
    def transport(self) -> asyncio.Transport:
        """What pre-framed audio is written to (`e2e.clients.framing`)."""
        assert self._transport is not None
        return self._transport

    def send_binary(self, payload: bytes) -> None:
        self._write(binary_frame(payload))

    def send_text(self, text: str) -> None:
        self._write(text_frame(text))

    def _write(self, frame: bytes) -> None:
        """Raises SessionError when a close has begun: RFC 6455 allows no data behind it, and none of it would count."""
        if not self.open:
            raise SessionError("the connection is closing", "closed")
        self.transport.write(frame)

    def ping(self) -> None:
        """Send a ping; drop the connection when the one before was never answered."""
        if not self.open:
            return
        if self.pings_sent > self.pongs:
            self.abort()
            return
        self.pings_sent += 1
        self.transport.write(Frame(Opcode.PING, _PING).serialize(mask=True))

    async def close(self, code: int = 1000, reason: str = "", timeout: float = CLOSE_SECONDS) -> Closed:
        """Begin the closing handshake and wait up to `timeout` seconds for its end; then drop the connection."""
        self.leave(code, reason)
        if not await self.ended_within(timeout):
            self.abort()
            await self.ended_within(None)
        assert self.end is not None
        return self.end

    def leave(self, code: int = 1000, reason: str = "") -> None:
        """Begin the closing handshake, and see that the connection is dropped if the other side never ends it."""
        if self.open:
            ws = self._complete()
            ws.send_close(code, reason)
            self._after_receive(ws)

    async def upgraded(self) -> None:
        """Wait for the answer to the upgrade.

        Raises:
            InvalidHandshake, OSError, EOFError: it was refused, or never came whole.
        """
        if self._upgrade is not None:
            await asyncio.shield(self._upgrade)

    async def ended_within(self, timeout: float | None) -> bool:
        """Whether the connection is gone, after at most `timeout` seconds (None: however long it takes)."""
        try:
            async with asyncio.timeout(timeout):
                while self.end is None:
                    if self._waiter is None:
                        self._waiter = asyncio.get_running_loop().create_future()
                    await asyncio.shield(self._waiter)
        except TimeoutError:
            return self.end is not None
        return True

    def abort(self) -> None:
        """Drop the TCP connection without a closing handshake."""
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._connected = self._clock()
        sock: socket.socket | None = transport.get_extra_info("socket")
        if sock is not None:
            self._fd = sock.fileno()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            if transport.get_extra_info("sslcontext") is None:
                self.raw_fd = self._fd
        # So that `pause_writing` says that anything waits at all.
        self.transport.set_write_buffer_limits(high=0)
        assert self._request is not None
        self.transport.write(self._request)
        self._request = None

    def pause_writing(self) -> None:
        self.quick = False

    def resume_writing(self) -> None:
        self.quick = self.open

    def data_received(self, data: bytes) -> None:
        if self._ws is not None:
            self._feed(self._ws, data)
            return
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        if self._upgrade is not None:
            rest = self._read_answer(data)
            if not rest:
                return
            data = rest
        self._read_frames(data)

    def eof_received(self) -> None:
        ws = self._complete()
        ws.receive_eof()
        self._after_receive(ws)

    def connection_lost(self, exc: Exception | None) -> None:
        self._begin_closing()
        self._fd = self.raw_fd = -1
        if self._closing is not None:
            self._closing.cancel()
        ws = self._complete()
        if ws.state is not State.CLOSED:
            ws.receive_eof()
            self._after_receive(ws)
        if self.end is None:
            self.end = _how_it_ended(ws)
            if self._waiter is not None:
                self._waiter.set_result(None)
            if self._upgrade is None:
                self._receiver.closed(self.end)
        if self._upgrade is not None:
            self._refuse(ws.handshake_exc or exc or EOFError("connection closed"))

    # The quick way

    def _read_answer(self, data: bytes) -> bytes:
        """Judge the answer to the upgrade; returns what came behind it. Not yet whole: kept, and nothing returned."""
        end = data.find(b"\r\n\r\n")
        if end < 0 and len(data) < MAX_ANSWER_BYTES and data.startswith(b"HTTP/1.1 101"[: len(data)]):
            self._buffer = data
            return b""
        if end >= 0 and accepts(data[: end + 4], self._key):
            self._take_upgrade()
            return data[end + 4 :]
        self._feed(self._complete(), data)
        return b""

    def _read_frames(self, data: bytes) -> None:
        """Deliver the whole text frames at the front of `data`, and hand on what is not one."""
        position, size, message = 0, len(data), self._receiver.message
        while size - position >= 2:
            opcode, length = data[position], data[position + 1]
            start = position + 2
            if opcode == _FINAL_TEXT and length <= 126:
                if length == 126:
                    if size < start + 2:
                        break
                    length = data[start] << 8 | data[start + 1]
                    start += 2
                if start + length > size:
                    break
                try:
                    text = data[start : start + length].decode()
                except UnicodeDecodeError as error:
                    ws = self._complete()
                    ws.fail(1007, _misencoded(error))
                    self._after_receive(ws)
                    return
                position = start + length
                message(text)
                if self._ws is not None:  # the receiver began to close: from now on all goes there
                    self._feed(self._ws, data[position:])
                    return
            elif opcode in _WHOLE_CONTROLS and length < 126:
                if start + length > size:
                    break
                frame = data[position : start + length]
                if frame == _PONG:
                    self.pongs = self.pings_sent
                else:
                    self._control(frame)
                position = start + length
            else:
                self._feed(self._complete(), data[position:])
                return
        self._buffer = data[position:]

    def _control(self, frame: bytes) -> None:
        """A whole ping or pong, understood and answered by `websockets`."""
        ws = self._new_ws()
        ws.receive_data(frame)
        self._after_receive(ws)
        if ws.state is not State.OPEN:
            self._ws = ws

    # The complete way

    def _complete(self) -> "_Client":
        """The `websockets` protocol that takes over all that is read from now on; what waits goes to it first."""
        if self._ws is None:
            self._ws = self._new_ws()
            waiting, self._buffer = self._buffer, b""
            if waiting:
                self._ws.receive_data(waiting)
        return self._ws

    def _new_ws(self) -> "_Client":
        state = State.OPEN if self._upgrade is None else State.CONNECTING
        ws = _Client(parse_uri(self._uri), state=state, max_size=MAX_MESSAGE_BYTES, logger=_logger)
        ws.key = self._key
        return ws

    def _feed(self, ws: ClientProtocol, data: bytes) -> None:
        if data:
            ws.receive_data(data)
        self._after_receive(ws)

    def _after_receive(self, ws: ClientProtocol) -> None:
        for event in ws.events_received():
            if isinstance(event, Frame):
                if not self._frame(ws, event):
                    break  # RFC 6455 section 7.1.7: what comes behind a failure is not processed
            elif isinstance(event, Response) and self._upgrade is not None and ws.handshake_exc is None:
                self._take_upgrade()
        if ws.handshake_exc is not None and self._upgrade is not None:
            self._refuse(ws.handshake_exc)
        self._flush(ws)
        if ws.state is State.CLOSING or ws.state is State.CLOSED:
            self._begin_closing()
        if ws.close_expected() and self._closing is None:
            # The other side ends the TCP connection after a closing handshake; one that does not is dropped.
            self._closing = asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.abort)

    def _take_upgrade(self) -> None:
        waiting, self._upgrade = self._upgrade, None
        self._key = ""  # it has done its work
        self.quick = not self.backlog
        self._receiver.opened(self._connected, self._clock())
        if waiting is not None and not waiting.done():  # the opener may have given up
            waiting.set_result(None)

    def _begin_closing(self) -> None:
        self.closing, self.quick = True, False

    def _refuse(self, error: Exception) -> None:
        if self._upgrade is not None and not self._upgrade.done():
            self._upgrade.set_exception(error)
            self._upgrade.exception()  # mark as seen: the opener may have given up already

    def _frame(self, ws: ClientProtocol, frame: Frame) -> bool:
        """Put messages together and deliver them; False when that failed the connection."""
        opcode = frame.opcode
        if opcode is Opcode.PONG:
            self.pongs = self.pings_sent
        if opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return True
        if opcode is not Opcode.CONT:
            self._text = opcode is Opcode.TEXT
            self._fragments = []
        assert self._fragments is not None
        self._fragments.append(bytes(frame.data))
        if not frame.fin:
            return True
        whole, self._fragments = b"".join(self._fragments), None
        if not self._text:
            self._receiver.message(whole)
            return True
        try:
            text = whole.decode()
        except UnicodeDecodeError as error:
            ws.fail(1007, _misencoded(error))
            return False
        self._receiver.message(text)
        return True

    def _flush(self, ws: ClientProtocol) -> None:
        for data in ws.data_to_send():
            if data != SEND_EOF:
                self.transport.write(data)
            elif self.transport.can_write_eof():
                self.transport.write_eof()


class _Client(ClientProtocol):
    """Counts what is thrown away behind the server's close frame, where RFC 6455 (section 5.5.1) allows no data."""

    after_close = 0

    def discard(self) -> Generator[None, None, None]:
        while not (yield from self.reader.at_eof()):
            # What begins with a control frame, a late pong for example, does no harm.
            if self.after_close or self.reader.buffer[0] & 0x0F < Opcode.CLOSE:
                self.after_close += len(self.reader.buffer)
            self.reader.discard()
        yield from super().discard()


def _misencoded(error: UnicodeDecodeError) -> str:
    return f"{error.reason} at position {error.start}"


def _how_it_ended(ws: _Client) -> Closed:
    sent = ws.close_sent.code if ws.close_sent else None
    received = ws.close_rcvd.code if ws.close_rcvd else None
    if received is None:
        # Where we failed the connection ourselves, our own close says why.
        return Closed(1006, ws.close_sent.reason if ws.close_sent else "", "lost", sent, None)
    by: Literal["client", "server"] = "server" if ws.close_rcvd_then_sent or sent is None else "client"
    reason = ws.close_rcvd.reason if ws.close_rcvd else ""
    return Closed(received, reason, by, sent, received, ws.after_close)
