"""A small HTTP server for what a run serves itself: h11 on asyncio's streams.

It trusts nobody: headers, bodies and connections are bounded, and a peer that dawdles is let go.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import h11

MAX_HEADER_BYTES = 16 * 1024
MAX_CONNECTIONS = 256
REQUEST_SECONDS = 30.0
"""In which a request must be whole, and after which an idle connection is closed."""

SEND_SECONDS = 30.0
"""In which a peer must take what it is sent."""

LINGER_SECONDS = 2.0
_LINGER_BYTES = 8 * 1024 * 1024


class Refused(Exception):
    """A request that is not served, with the status that says so."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole `body`, or a `stream` of parts that ends when the connection does."""

    body: bytes = b""
    content_type: str = "application/json"
    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    stream: AsyncIterator[bytes] | None = None


Read = Callable[[], Awaitable[bytes]]
Handler = Callable[[h11.Request, Read], Awaitable[Answer]]
"""Takes a request and what reads its body, gives the answer or raises `Refused`."""


class Server:
    """`refused` is told of each request that is not served; `refusal` is what such a peer is answered."""

    def __init__(
        self, handler: Handler, refused: Callable[[Refused], None], *, refusal: Answer, max_body: int = 0
    ) -> None:
        self._handler, self._refused, self._refusal, self._max_body = handler, refused, refusal, max_body
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Serve on a port (0: any free one), and return it. Raises OSError: it is taken, or the host is not ours."""
        self._server = await asyncio.start_server(self._connected, host, port, limit=MAX_HEADER_BYTES)
        return self._server.sockets[0].getsockname()[1]

    async def start_on(self, listening: socket.socket) -> None:
        """Serve on a socket that listens already."""
        self._server = await asyncio.start_server(self._connected, sock=listening, limit=MAX_HEADER_BYTES)

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for task in tuple(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    # One connection

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            if len(self._connections) <= MAX_CONNECTIONS:
                await self._serve(reader, writer)
        except (OSError, TimeoutError, h11.RemoteProtocolError, h11.LocalProtocolError):
            pass  # a peer that left, dawdled or spoke no HTTP: told where it mattered
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEADER_BYTES)
        while True:
            try:
                async with asyncio.timeout(REQUEST_SECONDS):
                    request = await _event(wire, reader)
                    if not isinstance(request, h11.Request):
                        return
                    answer = await self._answer(wire, reader, writer, request)
            except h11.RemoteProtocolError as error:
                self._refused(Refused(400, str(error)))
                if wire.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                    await _send(wire, writer, self._refusal, 400)
                return
            await _send(wire, writer, answer, answer.status)
            if wire.our_state is not h11.DONE or wire.their_state is not h11.DONE:
                await _linger(reader, writer)
                return
            wire.start_next_cycle()

    async def _answer(
        self, wire: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: h11.Request
    ) -> Answer:
        async def read() -> bytes:
            length = next((v for k, v in request.headers if k == b"content-length"), b"0")
            if len(length) > 12 or int(length) > self._max_body:
                raise self._too_long()
            body = bytearray()
            if wire.they_are_waiting_for_100_continue:
                writer.write(wire.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
            while not isinstance(event := await _event(wire, reader), h11.EndOfMessage):
                if not isinstance(event, h11.Data):
                    raise Refused(400, "the body ends before its length")
                body += event.data
                if len(body) > self._max_body:
                    raise self._too_long()
            return bytes(body)

        try:
            return await self._handler(request, read)
        except Refused as error:
            self._refused(error)
            refusal = self._refusal
            return Answer(refusal.body, refusal.content_type, error.status, refusal.headers)

    def _too_long(self) -> Refused:
        return Refused(413, f"the body is longer than {self._max_body} bytes")


async def _event(wire: h11.Connection, reader: asyncio.StreamReader) -> Any:
    while (event := wire.next_event()) is h11.NEED_DATA:
        wire.receive_data(await reader.read(64 * 1024))
    return event


async def _send(wire: h11.Connection, writer: asyncio.StreamWriter, answer: Answer, status: int) -> None:
    headers = [("content-type", answer.content_type), *answer.headers]
    if answer.stream is None:
        headers.append(("content-length", str(len(answer.body))))
    if status != 200 or answer.stream is not None:
        headers.append(("connection", "close"))
    await _write(wire, writer, h11.Response(status_code=status, headers=headers))
    if answer.stream is None:
        await _write(wire, writer, h11.Data(data=answer.body))
    else:
        async with contextlib.aclosing(answer.stream) as parts:  # type: ignore[type-var]
            async for part in parts:
                await _write(wire, writer, h11.Data(data=part))
    await _write(wire, writer, h11.EndOfMessage())


async def _write(wire: h11.Connection, writer: asyncio.StreamWriter, event: Any) -> None:
    writer.write(wire.send(event) or b"")
    async with asyncio.timeout(SEND_SECONDS):
        await writer.drain()


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read on for a while what nobody wants: a connection closed on unread bytes takes the answer with it."""
    writer.write_eof()
    left = _LINGER_BYTES
    async with asyncio.timeout(LINGER_SECONDS):
        while left > 0 and (part := await reader.read(64 * 1024)):
            left -= len(part)
