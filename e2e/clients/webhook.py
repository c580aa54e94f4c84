"""A receiver of webhooks: a small HTTP server within the run, so that a delivery is seen where it ends.

What arrives is journalled as counts and hashes, never as audio. It trusts nobody: only addresses that it gave out are
answered with 200, bodies and headers are bounded, and a peer that dawdles is let go.
"""

import asyncio
import contextlib
import secrets
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any
from urllib.parse import parse_qs, urlsplit

import h11

from e2e.protocol import webhook
from e2e.record.journal import Journal

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_HEADER_BYTES = 16 * 1024
MAX_CONNECTIONS = 256
REQUEST_SECONDS = 30.0
"""In which a request must be whole, and after which an idle connection is closed."""

LINGER_SECONDS = 2.0

MAX_REFUSALS = 100
"""Refused requests that are journalled; more are only counted."""

MAX_SEGMENTS = 500
"""Segments of one delivery that are journalled, as many as the journal keeps of a list."""

MAX_REMEMBERED = 5_000
"""Segments of a device that are remembered for who waits for them; the oldest goes."""


class _Refused(Exception):
    """A request that is not a delivery."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(slots=True)
class Seen:
    """What has been delivered to one device so far: for who waits for it."""

    segments: dict[str, float] = field(default_factory=dict)  # the latest end of each (s), by id
    memories: set[str] = field(default_factory=set)
    audio_seconds: float = 0.0
    deliveries: int = 0


@dataclass(frozen=True, slots=True)
class _Address:
    uid: str
    device: int
    seen: Seen


class WebhookReceiver:
    """One server for all devices of a run; `start` before `address`. `origin` is where the pusher finds it."""

    def __init__(self, journal: Journal, host: str = "127.0.0.1", port: int = 0, origin: str | None = None) -> None:
        self._journal, self._host, self._port = journal, host, port
        self.origin = origin.rstrip("/") if origin else ""
        self._addresses: dict[str, _Address] = {}
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self.refused = 0

    async def start(self) -> None:
        """Raises OSError: the port is taken, or the host is not ours."""
        self._server = await asyncio.start_server(self._connected, self._host, self._port, limit=MAX_HEADER_BYTES)
        port = self._server.sockets[0].getsockname()[1]
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.origin = self.origin or f"http://{host}:{port}"

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for task in tuple(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()
        if self.refused > MAX_REFUSALS:
            self._journal.write("note", text=f"webhook receiver: {self.refused} requests were refused in all")

    def address(self, uid: str, device: int) -> tuple[str, Seen]:
        """A base address for a device, which nobody can guess, and what arrives there; a kind is put behind it."""
        token, seen = secrets.token_urlsafe(12), Seen()
        self._addresses[token] = _Address(uid, device, seen)
        return f"{self.origin}/{token}", seen

    async def changed(self, timeout: float) -> None:
        """Wait for the next delivery to anybody, at most `timeout` seconds."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._changed.wait()

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
                    request = await self._event(wire, reader)
                    if not isinstance(request, h11.Request):
                        return
                    status = await self._request(wire, reader, writer, request)
            except h11.RemoteProtocolError as error:
                self._refuse(_Refused(400, str(error)))
                if wire.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                    await self._answer(wire, writer, 400)
                return
            await self._answer(wire, writer, status)
            if wire.our_state is not h11.DONE or wire.their_state is not h11.DONE:
                await self._linger(reader, writer)
                return
            wire.start_next_cycle()

    async def _linger(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read on for a while what nobody wants: a connection closed on unread bytes takes the answer with it."""
        writer.write_eof()
        left = MAX_BODY_BYTES
        async with asyncio.timeout(LINGER_SECONDS):
            while left > 0 and (part := await reader.read(64 * 1024)):
                left -= len(part)

    async def _event(self, wire: h11.Connection, reader: asyncio.StreamReader) -> Any:
        while (event := wire.next_event()) is h11.NEED_DATA:
            wire.receive_data(await reader.read(64 * 1024))
        return event

    async def _request(
        self, wire: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: h11.Request
    ) -> int:
        """Take one request; the status of the answer."""
        try:
            address, kind, query = self._route(request)
            body = bytearray()
            if wire.they_are_waiting_for_100_continue:
                writer.write(wire.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
            while not isinstance(event := await self._event(wire, reader), h11.EndOfMessage):
                if not isinstance(event, h11.Data):
                    raise _Refused(400, "the body ends before its length")
                body += event.data
                if len(body) > MAX_BODY_BYTES:
                    raise _Refused(413, f"the body is longer than {MAX_BODY_BYTES} bytes")
            self._delivered(address, kind, bytes(body), query)
        except _Refused as error:
            self._refuse(error)
            return error.status
        return 200

    def _route(self, request: h11.Request) -> tuple[_Address, str, dict[str, list[str]]]:
        target = urlsplit(request.target.decode("ascii", "replace"))
        token, _, kind = target.path.lstrip("/").partition("/")
        address = self._addresses.get(token)
        if address is None or kind not in webhook.KINDS:
            raise _Refused(404, "no address of this run")
        if request.method != b"POST":
            raise _Refused(405, f"{request.method.decode('ascii', 'replace')[:20]} where POST is expected")
        length = next((v for k, v in request.headers if k == b"content-length"), b"0")
        if len(length) > 12 or int(length) > MAX_BODY_BYTES:
            raise _Refused(413, f"the body is longer than {MAX_BODY_BYTES} bytes")
        try:
            return address, kind, parse_qs(target.query, max_num_fields=50)
        except ValueError as error:
            raise _Refused(400, str(error)) from None

    async def _answer(self, wire: h11.Connection, writer: asyncio.StreamWriter, status: int) -> None:
        body = b'{"status":"ok"}' if status == 200 else b'{"status":"refused"}'
        headers = [("content-type", "application/json"), ("content-length", str(len(body)))]
        if status != 200:
            headers.append(("connection", "close"))
        for event in (h11.Response(status_code=status, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
            writer.write(wire.send(event) or b"")
        await writer.drain()

    # What came

    def _refuse(self, error: _Refused) -> None:
        self.refused += 1
        if self.refused <= MAX_REFUSALS:
            self._journal.write("webhook", event="refused", status=error.status, why=str(error))

    def _delivered(self, address: _Address, kind: str, body: bytes, query: dict[str, list[str]]) -> None:
        """Raises _Refused: it is not what a delivery of its kind holds."""
        fields = {"bytes": len(body), "hash": blake2b(body, digest_size=8).hexdigest()}
        seen = address.seen
        if kind == "realtime_transcript":
            fields |= self._segments(seen, body)
        elif kind == "audio_bytes":
            rate = next(iter(query.get("sample_rate", ())), "")
            if not rate.isdecimal() or not 1000 <= int(rate[:9]) <= 384_000:
                raise _Refused(400, "audio without a sample_rate")
            seconds = len(body) / (2 * int(rate))
            seen.audio_seconds += seconds
            fields |= {"sample_rate": int(rate), "seconds": round(seconds, 6)}
        elif kind == "memory_created":
            memory = webhook.memory_id_of(body)
            fields |= {"memory": memory}
            if memory is not None and len(seen.memories) < MAX_REMEMBERED:
                seen.memories.add(memory)
        seen.deliveries += 1
        uid = next(iter(query.get("uid", ())), None)
        named = {} if uid == address.uid else {"named": uid}  # the pusher took it for another user
        self._journal.write(
            "webhook",
            event="delivery",
            uid=address.uid,
            device=address.device,
            kind=kind,
            **fields,
            **named,
        )
        self._changed.set()

    def _segments(self, seen: Seen, body: bytes) -> dict[str, Any]:
        try:
            segments = webhook.segments_of(body)
        except ValueError as error:
            raise _Refused(400, f"no transcript: {error}") from None
        for segment in segments:
            seen.segments[segment.id] = max(segment.end, seen.segments.pop(segment.id, segment.end))
            if len(seen.segments) > MAX_REMEMBERED:
                del seen.segments[next(iter(seen.segments))]
        rows = [[s.id, s.end, webhook.version(s.text, s.start, s.end)] for s in segments[:MAX_SEGMENTS]]
        return {"segments": rows, "beyond": max(0, len(segments) - MAX_SEGMENTS)}
