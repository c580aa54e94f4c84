"""One WebSocket connection: an `asyncio.Protocol` with a quick way for what is usual and a complete one for the rest.

The usual (the accepted upgrade, whole text frames) is handled here. For all else (`complete.py`) `websockets` decides
what is right: refusals, fragments, control frames, close codes. Both work on the same transport, and whatever comes is
told to the receiver in the call that read it, with the close codes of both sides kept. There is no task, no timer and
no queue per connection.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping

from websockets.frames import Frame, Opcode

from e2e.clients import kernel
from e2e.clients.complete import CLOSE_SECONDS, Complete, misencoded
from e2e.clients.framing import binary_frame, text_frame
from e2e.clients.handshake import MAX_ANSWER_BYTES, accepts, new_key, request
from e2e.clients.receiver import Closed, Receiver
from e2e.clients.timing import Stream
from e2e.errors import SessionError

SEND_BUFFER_BYTES = 64 * 1024
"""SO_SNDBUF at most: by default the kernel hides minutes of audio from us before it says that nobody reads."""

KERNEL_OVERHEAD_BYTES = 1280
"""About what the kernel counts for each message that waits in it, beside its bytes."""

_FINAL_TEXT = 0x81
_PING = b"e2e"
_PONG = b"\x8a\x03" + _PING
_WHOLE_CONTROLS = frozenset({0x89, 0x8A})  # ping, pong


class Connection(asyncio.Protocol):
    """An open WebSocket connection. Made by `connect`.

    What a server sends nearly always, a whole unmasked text frame, is cut out of the buffer here. Everything else goes
    the complete way: control frames to one that lives as long as the frame, fragments, large frames, closes and
    whatever is wrong to one that stays.
    """

    __slots__ = (
        "_buffer",
        "_clock",
        "_connected",
        "_fd",
        "_key",
        "_receiver",
        "_request",
        "_transport",
        "_upgrade",
        "_uri",
        "_waiter",
        "_way",
        "closing",
        "end",
        "pings_sent",
        "pongs",
        "quick",
        "raw_fd",
        "rider",
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
        self.rider: Stream | None = None
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._way: Complete | None = None
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

    def limit_kernel(self, messages: int, size: int) -> None:
        """Let no more than about so many messages of `size` bytes wait in the kernel: others wait here, and show."""
        sock = self.transport.get_extra_info("socket")
        if sock is not None and self._fd >= 0:
            # The kernel doubles what it is told, and counts its own use (`socket(7)`, SO_SNDBUF).
            enough = messages * (size + KERNEL_OVERHEAD_BYTES) // 2
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, min(enough, SEND_BUFFER_BYTES))

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
            self._complete().close(code, reason)

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
        self._stop_hurrying()

    def _stop_hurrying(self) -> None:
        self.quick = False
        if self.rider is not None:
            self.rider.leave()

    def resume_writing(self) -> None:
        self.quick = self.open

    def data_received(self, data: bytes) -> None:
        if self._way is not None:
            self._way.feed(data)
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
        self._complete().feed_end()

    def connection_lost(self, exc: Exception | None) -> None:
        self.begin_closing()
        self._fd = self.raw_fd = -1
        end, refusal = self._complete().ended()
        if self.end is None:
            self.end = end
            if self._waiter is not None:
                self._waiter.set_result(None)
            if self._upgrade is None:
                self._receiver.closed(self.end)
        self.refuse(refusal or exc or EOFError("connection closed"))

    # The quick way

    def _read_answer(self, data: bytes) -> bytes:
        """Judge the answer to the upgrade; returns what came behind it. Not yet whole: kept, and nothing returned."""
        end = data.find(b"\r\n\r\n")
        if end < 0 and len(data) < MAX_ANSWER_BYTES and data.startswith(b"HTTP/1.1 101"[: len(data)]):
            self._buffer = data
            return b""
        if end >= 0 and accepts(data[: end + 4], self._key):
            self.take_upgrade()
            return data[end + 4 :]
        self._complete().feed(data)
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
                    self._complete().fail(1007, misencoded(error))
                    return
                position = start + length
                message(text)
                if self._way is not None:  # the receiver began to close: from now on all goes there
                    self._way.feed(data[position:])
                    return
            elif opcode in _WHOLE_CONTROLS and length < 126:
                if start + length > size:
                    break
                frame = data[position : start + length]
                if frame == _PONG:
                    self.take_pong()
                else:
                    self._control(frame)
                position = start + length
            else:
                self._complete().feed(data[position:])
                return
        self._buffer = data[position:]

    def _control(self, frame: bytes) -> None:
        """A whole ping or pong, understood and answered the complete way, which need not stay for it."""
        way = self._new_way()
        way.feed(frame)
        if not way.is_open:
            self._way = way

    # The complete way, and what it tells (`e2e.clients.complete.Owner`)

    def _complete(self) -> Complete:
        """The one that takes over all that is read from now on; what waits goes to it first."""
        if self._way is None:
            self._way = self._new_way()
            waiting, self._buffer = self._buffer, b""
            if waiting:
                self._way.feed(waiting)
        return self._way

    def _new_way(self) -> Complete:
        return Complete(self, self._uri, self._key, upgraded=self._upgrade is None)

    def take_upgrade(self) -> None:
        if self._upgrade is None:
            return
        waiting, self._upgrade = self._upgrade, None
        self._key = ""  # it has done its work
        self.quick = not self.backlog
        self._receiver.opened(self._connected, self._clock())
        if not waiting.done():  # the opener may have given up
            waiting.set_result(None)

    def refuse(self, error: Exception) -> None:
        if self._upgrade is not None and not self._upgrade.done():
            self._upgrade.set_exception(error)
            self._upgrade.exception()  # mark as seen: the opener may have given up already

    def begin_closing(self) -> None:
        self.closing = True
        self._stop_hurrying()

    def take_pong(self) -> None:
        self.pongs = self.pings_sent

    def deliver(self, payload: str | bytes) -> None:
        self._receiver.message(payload)
