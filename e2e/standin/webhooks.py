"""The pusher's deliveries to the developer webhooks of one user: each kind in its order, one request at a time."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import msgspec

from e2e.protocol import webhook
from e2e.standin.models import Document
from e2e.standin.store import Store

_TIMEOUT = 15.0  # s for one delivery
_BYTES_PER_SECOND = 32_000
_WAITING = 100  # deliveries of a kind that may wait; the oldest goes
_LATE_SECONDS = 8.0
_FAULT_EVERY = 3

logger = logging.getLogger("utils.webhooks")


class Webhooks:
    """Of one link from a backend. Addresses are asked for at each delivery, but for the seconds of audio in one, which
    are read when the link begins. `in_background` runs what outlives the link.
    """

    def __init__(
        self, uid: str, store: Store, fault: str | None, in_background: Callable[[Coroutine[Any, Any, None]], None]
    ) -> None:
        self._uid, self._store, self._fault, self._in_background = uid, store, fault, in_background
        _, seconds = webhook.split_interval(store.webhook(uid, "audio_bytes")[0])
        self._audio_size = max(2, round(seconds * _BYTES_PER_SECOND) // 2 * 2)
        self._pcm = bytearray()
        self._waiting: dict[str, deque[tuple[float, str, bytes, str]]] = {}
        self._count: dict[str, int] = {}
        self._busy: set[str] = set()

    def audio(self, pcm: bytes) -> None:
        """PCM16 at 16 kHz, kept until there is enough of it."""
        if self._address("audio_bytes") is None:
            self._pcm.clear()
            return
        self._pcm += pcm
        while len(self._pcm) >= self._audio_size:
            self._post_audio(self._audio_size)

    def transcript(self, segments: list[Document]) -> None:
        body = {"session_id": self._uid, "segments": segments}
        self._post("realtime_transcript", msgspec.json.encode(body), uid=self._uid)

    def memory(self, conversation: Document) -> None:
        self._post("memory_created", msgspec.json.encode(conversation), uid=self._uid)

    def flush(self) -> None:
        """The link is over: deliver the audio that is left."""
        if self._pcm:
            self._post_audio(len(self._pcm))

    def _post_audio(self, size: int) -> None:
        pcm = bytes(self._pcm[:size])
        del self._pcm[:size]
        self._post("audio_bytes", pcm, "application/octet-stream", sample_rate=16000, uid=self._uid)

    def _address(self, kind: str) -> str | None:
        url, enabled = self._store.webhook(self._uid, kind)
        return webhook.split_interval(url)[0] or None if enabled else None

    def _post(self, kind: str, body: bytes, content: str = "application/json", **query: str | int) -> None:
        url = self._address(kind)
        if url is None:
            return
        number = self._count[kind] = self._count.get(kind, -1) + 1
        struck = number % _FAULT_EVERY == 0
        if self._fault == "drop" and struck:
            return
        waiting = self._waiting.setdefault(kind, deque(maxlen=_WAITING))
        due = time.monotonic() + (_LATE_SECONDS if self._fault == "late" else 0.0)
        for _ in range(2 if self._fault == "double" and struck else 1):
            waiting.append((due, webhook.with_query(url, **query), body, content))
        if kind not in self._busy:
            self._busy.add(kind)
            self._in_background(self._deliver(kind))

    async def _deliver(self, kind: str) -> None:
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False) as client:
                while waiting := self._waiting[kind]:
                    due, *delivery = waiting.popleft()
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                    await self._send(client, kind, *delivery)
        finally:
            self._busy.discard(kind)

    async def _send(self, client: httpx.AsyncClient, kind: str, url: str, body: bytes, content: str) -> None:
        try:
            response = await client.post(url, content=body, headers={"Content-Type": content})
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # As in the real service: what could not be delivered is not tried again.
            logger.error("Error sending %s to developer webhook: %r", kind, error)
            return
        logger.info("%s_webhook: %d %s", kind, response.status_code, self._uid)
