"""The two clients that must agree: `connect` of the wire, and the asyncio client of `websockets` as the oracle.

Each plays the same deeds on the same kind of connection and tells the same `Outcome`. What differs by API and not by
protocol is levelled here, and said where it is.
"""

import asyncio
import contextlib
import re
import time
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as oracle_connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from e2e.clients.connection import Connection
from e2e.clients.wire import connect
from e2e.errors import AuthRefused, SessionError
from tests.clients.conformance_peer import DEADLINE

MAX_MESSAGE_BYTES = 16 * 1024 * 1024

SHOWN = 100
"""Characters of a refusal's body that are compared: the wire shows the start of it, cut between words."""

Deed = tuple[Any, ...]
"""What the client does once open: `("text", str)`, `("binary", bytes)`, `("ping",)` or `("close", code, reason)`."""


@dataclass
class Outcome:
    """What a client says about a connection. Codes are `None` where there was no close frame."""

    accepted: bool = True
    status: int | None = None
    body: str = ""
    messages: list[str | bytes] = field(default_factory=list)
    code: int | None = None
    reason: str = ""
    by: str | None = None
    sent_code: int | None = None
    received_code: int | None = None


def refused(status: int | None = None, body: str = "") -> Outcome:
    return Outcome(accepted=False, status=status, body=body)


# Ours


class Inbox:
    """A receiver that also checks the order of its calls: opened, messages, closed once, and nothing after it."""

    def __init__(self) -> None:
        self.messages: list[str | bytes] = []
        self.calls: list[str] = []

    def opened(self, connected: float, upgraded: float) -> None:
        assert connected <= upgraded
        self.calls.append("opened")

    def message(self, payload: str | bytes) -> None:
        self.calls.append("message")
        self.messages.append(payload)

    def closed(self, closed: Any) -> None:
        self.calls.append("closed")


async def ours(uri: str, deeds: tuple[Deed, ...] = ()) -> Outcome:
    inbox = Inbox()
    try:
        connection = await connect(uri, {}, inbox, clock=time.monotonic, timeout=DEADLINE)
    except SessionError as error:
        # A refusal is an exception with a sentence; the sentence holds the status and the start of the body.
        assert error.reason == ("refused" if isinstance(error, AuthRefused) else "protocol"), error
        assert inbox.messages == [] and "opened" not in inbox.calls
        said = re.search(r"HTTP (\d+)(?: \((.*?)\))?(?:: check|$)", str(error), re.S)
        return refused(int(said[1]), (said[2] or "")[:SHOWN]) if said else refused()
    for deed in deeds:
        await _do_ours(connection, *deed)
    assert await connection.ended_within(DEADLINE)
    closed = connection.end
    assert not connection.open
    assert inbox.calls == ["opened", *["message"] * len(inbox.messages), "closed"], inbox.calls
    return Outcome(
        messages=inbox.messages,
        code=closed.code,
        # Without a close of the server the wire may say why it failed the connection itself; the library says that
        # elsewhere. The frame with that reason is compared as it was sent.
        reason="" if closed.received_code is None else closed.reason,
        by=closed.by,
        sent_code=closed.sent_code,
        received_code=closed.received_code,
    )


async def _do_ours(connection: Connection, what: str, *args: Any) -> None:
    if what == "close":
        await connection.close(*args, timeout=DEADLINE)
    else:
        {"text": connection.send_text, "binary": connection.send_binary, "ping": connection.ping}[what](*args)


# The oracle


class _StrictConnect(oracle_connect):
    def process_redirect(self, exc: Exception) -> Exception:
        return exc  # the wire follows no redirect, by design; the library would


async def oracle(uri: str, deeds: tuple[Deed, ...] = ()) -> Outcome:
    try:
        socket = await _StrictConnect(
            uri,
            compression=None,
            max_size=MAX_MESSAGE_BYTES,
            ping_interval=None,
            proxy=None,
            open_timeout=DEADLINE,
            close_timeout=DEADLINE,
        )
    except InvalidStatus as error:
        body = bytes(error.response.body or b"").decode(errors="replace").strip()
        return refused(error.response.status_code, body[:SHOWN])
    except InvalidHandshake:
        return refused()
    doing = asyncio.ensure_future(_do_all_oracle(socket, deeds))
    try:
        messages, end = await asyncio.wait_for(_read_oracle(socket), DEADLINE)
    finally:
        await asyncio.gather(doing, return_exceptions=True)
    return Outcome(
        messages=messages,
        code=socket.close_code,
        reason=socket.close_reason or "",
        by={True: "server", False: "client", None: "lost"}[end.rcvd_then_sent],
        sent_code=end.sent.code if end.sent else None,
        received_code=end.rcvd.code if end.rcvd else None,
    )


async def _read_oracle(socket: ClientConnection) -> tuple[list[str | bytes], ConnectionClosed]:
    """The library hands out messages when asked, and says by an exception that there are no more."""
    messages: list[str | bytes] = []
    while True:
        try:
            messages.append(await socket.recv())
        except ConnectionClosed as end:
            return messages, end


async def _do_all_oracle(socket: ClientConnection, deeds: tuple[Deed, ...]) -> None:
    for what, *args in deeds:
        with contextlib.suppress(ConnectionClosed):  # ours returns how it ended instead
            if what == "close":
                await socket.close(*args)
            elif what == "ping":
                await socket.ping(b"e2e")  # the payload that the wire uses
            else:
                await socket.send(*args)
