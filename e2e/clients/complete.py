"""The complete way of a connection: whatever WebSocket allows, as the sans-I/O client of `websockets` decides it."""

import asyncio
import logging
from collections.abc import Generator
from typing import Literal, Protocol

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import SEND_EOF, State
from websockets.uri import parse_uri

from e2e.clients.receiver import Closed

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""A message above this fails the connection with close code 1009."""

CLOSE_SECONDS = 10.0
"""How long a closing handshake may take before the TCP connection is dropped."""

# Quiet: what a server does is for the journal, and no logger may see headers.
_logger = logging.getLogger("e2e.wire")
_logger.disabled = True


class Owner(Protocol):
    """The connection that goes this way."""

    @property
    def transport(self) -> asyncio.Transport: ...

    def abort(self) -> None: ...

    def take_upgrade(self) -> None:
        """The server has accepted the upgrade."""

    def refuse(self, error: Exception) -> None:
        """The upgrade has failed. More than one call means the same."""

    def begin_closing(self) -> None:
        """No more data may be sent. More than one call means the same."""

    def take_pong(self) -> None: ...

    def deliver(self, payload: str | bytes) -> None:
        """A whole message has come."""


class Complete:
    """Understands and answers what is fed to it, and tells its owner.

    `upgraded` says that the upgrade has been accepted; if not, its answer is the first that is fed.
    """

    __slots__ = ("_fragments", "_owner", "_patience", "_text", "_ws")

    def __init__(self, owner: Owner, uri: str, key: str, *, upgraded: bool) -> None:
        self._owner = owner
        state = State.OPEN if upgraded else State.CONNECTING
        self._ws = _Client(parse_uri(uri), state=state, max_size=MAX_MESSAGE_BYTES, logger=_logger)
        self._ws.key = key
        self._text = True
        self._fragments: list[bytes] = []
        self._patience: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        return self._ws.state is State.OPEN

    def feed(self, data: bytes) -> None:
        if data:
            self._ws.receive_data(data)
        self._follow()

    def feed_end(self) -> None:
        """The other side sends no more."""
        if self._ws.state is not State.CLOSED:
            self._ws.receive_eof()
            self._follow()

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake, and see that the connection is dropped if the other side never ends it."""
        self._ws.send_close(code, reason)
        self._follow()

    def fail(self, code: int, reason: str) -> None:
        """Fail the connection for what the other side sent (RFC 6455 section 7.1.7)."""
        self._ws.fail(code, reason)
        self._follow()

    def ended(self) -> tuple[Closed, Exception | None]:
        """The TCP connection is gone: how it ended, and what was wrong with the upgrade."""
        if self._patience is not None:
            self._patience.cancel()
        self.feed_end()
        return _how_it_ended(self._ws), self._ws.handshake_exc

    def _follow(self) -> None:
        """Tell the owner what came of it, and send what it takes."""
        ws, owner = self._ws, self._owner
        for event in ws.events_received():
            if isinstance(event, Frame):
                if not self._take_frame(event):
                    break  # RFC 6455 section 7.1.7: what comes behind a failure is not processed
            elif isinstance(event, Response) and ws.handshake_exc is None:
                owner.take_upgrade()
        if ws.handshake_exc is not None:
            owner.refuse(ws.handshake_exc)
        for data in ws.data_to_send():
            if data != SEND_EOF:
                owner.transport.write(data)
            elif owner.transport.can_write_eof():
                owner.transport.write_eof()
        if ws.state is State.CLOSING or ws.state is State.CLOSED:
            owner.begin_closing()
        if ws.close_expected() and self._patience is None:
            # The other side ends the TCP connection after a closing handshake; one that does not is dropped.
            self._patience = asyncio.get_running_loop().call_later(CLOSE_SECONDS, owner.abort)

    def _take_frame(self, frame: Frame) -> bool:
        """Put messages together and deliver them; False when that failed the connection."""
        opcode = frame.opcode
        if opcode is Opcode.PONG:
            self._owner.take_pong()
        if opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return True
        if opcode is not Opcode.CONT:
            self._text = opcode is Opcode.TEXT
        self._fragments.append(bytes(frame.data))
        if not frame.fin:
            return True
        whole = b"".join(self._fragments)
        self._fragments.clear()
        if not self._text:
            self._owner.deliver(whole)
            return True
        try:
            text = whole.decode()
        except UnicodeDecodeError as error:
            self._ws.fail(1007, misencoded(error))
            return False
        self._owner.deliver(text)
        return True


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


def misencoded(error: UnicodeDecodeError) -> str:
    """The reason of a close with 1007."""
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
