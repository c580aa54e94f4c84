"""One WebSocket connection: an `asyncio.Protocol` around the sans-I/O client of `websockets`.

`websockets` decides what is right (handshake, masking, fragments, control frames, close codes); this module moves its
bytes, puts fragments together and says what happened, with the codes of both sides kept. There is no task, no timer
and no queue per connection: messages go to the receiver in the call that read them.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import SEND_EOF, State
from websockets.uri import parse_uri

from e2e.errors import AuthRefused, ConfigError, SessionError

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""A message above this fails the connection with close code 1009."""

SEND_BUFFER_BYTES = 64 * 1024
"""SO_SNDBUF: by default the kernel hides two minutes of audio from us before it says that nobody reads."""

CLOSE_SECONDS = 10.0
"""How long a closing handshake may take before the TCP connection is dropped."""

_AUTH_STATUSES = frozenset({401, 403, 500})


@dataclass(frozen=True, slots=True)
class Closed:
    """How a connection ended. `code` is what a client reports: 1005 no code was given, 1006 the TCP connection died.

    `by` tells who began: `client`, `server`, or `lost` where no closing handshake took place.
    """

    code: int
    reason: str
    by: Literal["client", "server", "lost"]
    sent_code: int | None
    received_code: int | None


class Receiver(Protocol):
    """What a session is to its connection. The calls must return quickly and not raise.

    `opened` comes before any message, also when both arrive in one read.
    """

    def opened(self, connected: float, upgraded: float) -> None:
        """Instants of the clock at which TCP (and TLS) stood, and the upgrade was accepted."""

    def message(self, payload: str | bytes) -> None: ...

    def closed(self, closed: Closed) -> None: ...


class Connection(asyncio.Protocol):
    """An open WebSocket connection. Made by `connect`."""

    def __init__(self, uri: str, headers: Mapping[str, str], receiver: Receiver, clock: Callable[[], float]) -> None:
        self._ws = ClientProtocol(parse_uri(uri), max_size=MAX_MESSAGE_BYTES)
        self._headers = headers
        self._receiver = receiver
        self._clock = clock
        self._connected = 0.0
        self._transport: asyncio.Transport | None = None
        self._fragments: list[bytes] = []
        self._text = True
        self._closing: asyncio.TimerHandle | None = None
        self.upgraded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()
        self.pongs = 0
        self.pings_sent = 0

    # Sending

    @property
    def open(self) -> bool:
        return self._ws.state is State.OPEN

    @property
    def backlog(self) -> int:
        """Bytes that were written here and that the socket has not taken yet."""
        return self._transport.get_write_buffer_size() if self._transport else 0

    def send_binary(self, payload: bytes) -> None:
        self._ws.send_binary(payload)
        self._flush()

    def send_text(self, text: str) -> None:
        self._ws.send_text(text.encode())
        self._flush()

    def ping(self) -> None:
        """Send a ping; drop the connection when the one before was never answered."""
        if self.pings_sent > self.pongs:
            self.abort()
            return
        self.pings_sent += 1
        self._ws.send_ping(b"e2e")
        self._flush()

    async def close(self, code: int = 1000, reason: str = "", timeout: float = CLOSE_SECONDS) -> Closed:
        """Begin the closing handshake and wait up to `timeout` seconds for its end; then drop the connection."""
        if self.open:
            self._ws.send_close(code, reason)
            self._flush()
        try:
            return await asyncio.wait_for(asyncio.shield(self.ended), timeout)
        except TimeoutError:
            self.abort()
            return await self.ended

    def abort(self) -> None:
        """Drop the TCP connection without a closing handshake."""
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connected = self._clock()
        sock: socket.socket | None = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        request: Request = self._ws.connect()
        for name, value in self._headers.items():
            request.headers[name] = value
        self._ws.send_request(request)
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._ws.receive_data(data)
        self._after_receive()

    def eof_received(self) -> None:
        self._ws.receive_eof()
        self._after_receive()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._closing is not None:
            self._closing.cancel()
        if self._ws.state is not State.CLOSED:
            self._ws.receive_eof()
            self._after_receive()
        if not self.upgraded.done():
            self.upgraded.set_exception(self._ws.handshake_exc or exc or EOFError("connection closed"))
            self.upgraded.exception()  # mark as seen: the opener may have given up already
        if not self.ended.done():
            closed = self._how_it_ended()
            self.ended.set_result(closed)
            self._receiver.closed(closed)

    # Inside

    def _after_receive(self) -> None:
        for event in self._ws.events_received():
            if isinstance(event, Frame):
                self._frame(event)
            elif isinstance(event, Response) and not self.upgraded.done() and self._ws.handshake_exc is None:
                self._receiver.opened(self._connected, self._clock())
                self.upgraded.set_result(None)
        if self._ws.handshake_exc is not None and not self.upgraded.done():
            self.upgraded.set_exception(self._ws.handshake_exc)
        self._flush()
        if self._ws.close_expected() and self._closing is None:
            # The other side ends the TCP connection after a closing handshake; one that does not is dropped.
            self._closing = asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.abort)

    def _frame(self, frame: Frame) -> None:
        opcode = frame.opcode
        if opcode is Opcode.PONG:
            self.pongs = self.pings_sent
        if opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        if opcode is not Opcode.CONT:
            self._text = opcode is Opcode.TEXT
            if frame.fin:
                self._deliver(bytes(frame.data))
                return
        self._fragments.append(bytes(frame.data))
        if frame.fin:
            whole, self._fragments = b"".join(self._fragments), []
            self._deliver(whole)

    def _deliver(self, payload: bytes) -> None:
        if not self._text:
            self._receiver.message(payload)
            return
        try:
            text = payload.decode()
        except UnicodeDecodeError as error:
            self._ws.fail(1007, f"{error.reason} at position {error.start}")
            return
        self._receiver.message(text)

    def _flush(self) -> None:
        transport = self._transport
        assert transport is not None
        for data in self._ws.data_to_send():
            if data != SEND_EOF:
                transport.write(data)
            elif transport.can_write_eof():
                transport.write_eof()

    def _how_it_ended(self) -> Closed:
        ws = self._ws
        sent = ws.close_sent.code if ws.close_sent else None
        received = ws.close_rcvd.code if ws.close_rcvd else None
        if received is None:
            return Closed(1006, "", "lost", sent, None)
        by: Literal["client", "server"] = "server" if ws.close_rcvd_then_sent or sent is None else "client"
        return Closed(received, ws.close_rcvd.reason if ws.close_rcvd else "", by, sent, received)


async def connect(
    uri: str,
    headers: Mapping[str, str],
    receiver: Receiver,
    *,
    clock: Callable[[], float],
    timeout: float = 15.0,
    allowed_hosts: frozenset[str] = frozenset(),
) -> Connection:
    """Open a connection: no compression, no proxy, and no redirect is followed.

    Raises:
        ConfigError: the URI is wrong, holds credentials, or leads to a host that is not allowed.
        AuthRefused: the upgrade was answered with HTTP 401, 403 or 500.
        SessionError: nothing listens (`unreachable`), no answer in `timeout` seconds (`timeout`), or the answer is
            not a WebSocket upgrade (`protocol`).
    """
    host, port, secure = checked_address(uri, allowed_hosts)
    where = f"{host}:{port}"
    loop = asyncio.get_running_loop()
    context = ssl.create_default_context() if secure else None
    connection: Connection | None = None
    try:
        async with asyncio.timeout(timeout):
            _, connection = await loop.create_connection(
                lambda: Connection(uri, headers, receiver, clock), host, port, ssl=context
            )
            await asyncio.shield(connection.upgraded)
    except TimeoutError as error:
        _drop(connection)
        raise SessionError(f"{where} did not answer the upgrade within {timeout:g} s", "timeout") from error
    except InvalidStatus as error:
        _drop(connection)
        status = error.response.status_code
        body = bytes(error.response.body or b"")[:200].decode(errors="replace").strip()
        said = f"{where} answered the upgrade with HTTP {status}" + (f" ({body})" if body else "")
        if status in _AUTH_STATUSES:
            raise AuthRefused(f"{said}: check the credentials, the path and the parameters", status) from error
        raise SessionError(said, "protocol") from error
    except (InvalidHandshake, EOFError) as error:
        _drop(connection)
        raise SessionError(f"{where} does not speak WebSocket: {error}", "protocol") from error
    except ssl.SSLError as error:
        raise SessionError(f"TLS with {where} failed: {error.reason or error}", "unreachable") from error
    except OSError as error:
        _drop(connection)
        said = error.strerror or str(error)
        raise SessionError(
            f"cannot connect to {where}: {said}; is the service running there?", "unreachable"
        ) from error
    except asyncio.CancelledError:
        _drop(connection)
        raise
    return connection


def _drop(connection: Connection | None) -> None:
    if connection is not None:
        connection.abort()


def checked_address(url: str, allowed_hosts: frozenset[str] = frozenset()) -> tuple[str, int, bool]:
    """Host, port and whether TLS is used, of an http(s) or ws(s) URL that may be connected to.

    Loopback is always allowed, any other host only when `allowed_hosts` names it.

    Raises:
        ConfigError: not such a URL, credentials inside it, or a host that is not allowed.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"not a URL: {url!r} ({error})") from error
    if parts.username or parts.password:
        raise ConfigError("credentials inside a URL are refused: name environment variables under `auth` instead")
    if parts.scheme not in ("http", "https", "ws", "wss") or not parts.hostname:
        raise ConfigError(f"not a URL of a service: {url!r}; it looks like http://127.0.0.1:10220")
    host, secure = parts.hostname, parts.scheme in ("https", "wss")
    if not is_loopback(host) and host not in allowed_hosts:
        raise ConfigError(
            f"{host} is not loopback and the target does not allow it: "
            f'add hosts = ["{host}"] to the target when you may put load on it'
        )
    return host, port or (443 if secure else 80), secure


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
