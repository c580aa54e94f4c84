"""A receiver of webhooks: a small HTTP server within the run, so that a delivery is seen where it ends.

What arrives is journalled as counts and hashes, never as audio. It trusts nobody: only addresses that it gave out are
answered with 200, and bodies are bounded.
"""

import asyncio
import contextlib
import secrets
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any
from urllib.parse import parse_qs, urlsplit

import h11

from e2e.clients.serving import Answer, Read, Refused, Server
from e2e.protocol import webhook
from e2e.record.journal import Journal

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_REFUSALS = 100
"""Refused requests that are journalled; more are only counted."""

MAX_SEGMENTS = 500
"""Segments of one delivery that are journalled, as many as the journal keeps of a list."""

MAX_REMEMBERED = 5_000
"""Segments of a device that are remembered for who waits for them; the oldest goes."""


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
        refusal = Answer(b'{"status":"refused"}')
        self._server = Server(self._request, self._refuse, refusal=refusal, max_body=MAX_BODY_BYTES)
        self._changed = asyncio.Event()
        self.refused = 0

    async def start(self) -> None:
        """Raises OSError: the port is taken, or the host is not ours."""
        port = await self._server.start(self._host, self._port)
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.origin = self.origin or f"http://{host}:{port}"

    async def stop(self) -> None:
        await self._server.stop()
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

    # One request

    async def _request(self, request: h11.Request, read: Read) -> Answer:
        address, kind, query = self._route(request)
        self._delivered(address, kind, await read(), query)
        return Answer(b'{"status":"ok"}')

    def _route(self, request: h11.Request) -> tuple[_Address, str, dict[str, list[str]]]:
        target = urlsplit(request.target.decode("ascii", "replace"))
        token, _, kind = target.path.lstrip("/").partition("/")
        address = self._addresses.get(token)
        if address is None or kind not in webhook.KINDS:
            raise Refused(404, "no address of this run")
        if request.method != b"POST":
            raise Refused(405, f"{request.method.decode('ascii', 'replace')[:20]} where POST is expected")
        try:
            return address, kind, parse_qs(target.query, max_num_fields=50)
        except ValueError as error:
            raise Refused(400, str(error)) from None

    # What came

    def _refuse(self, error: Refused) -> None:
        self.refused += 1
        if self.refused <= MAX_REFUSALS:
            self._journal.write("webhook", event="refused", status=error.status, why=str(error))

    def _delivered(self, address: _Address, kind: str, body: bytes, query: dict[str, list[str]]) -> None:
        """Raises Refused: it is not what a delivery of its kind holds."""
        fields = {"bytes": len(body), "hash": blake2b(body, digest_size=8).hexdigest()}
        seen = address.seen
        if kind == "realtime_transcript":
            fields |= self._segments(seen, body)
        elif kind == "audio_bytes":
            rate = next(iter(query.get("sample_rate", ())), "")
            if not rate.isdecimal() or not 1000 <= int(rate[:9]) <= 384_000:
                raise Refused(400, "audio without a sample_rate")
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
            raise Refused(400, f"no transcript: {error}") from None
        for segment in segments:
            seen.segments[segment.id] = max(segment.end, seen.segments.pop(segment.id, segment.end))
            if len(seen.segments) > MAX_REMEMBERED:
                del seen.segments[next(iter(seen.segments))]
        rows = [[s.id, s.end, webhook.version(s.text, s.start, s.end)] for s in segments[:MAX_SEGMENTS]]
        return {"segments": rows, "beyond": max(0, len(segments) - MAX_SEGMENTS)}
