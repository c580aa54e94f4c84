"""The backend's side of the link to the pusher: what is sent when, and what happens when the link is lost."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from e2e.protocol import pusher as frames
from e2e.standin.models import Document
from e2e.standin.settings import Settings

FLUSH_SECONDS = 1.0
"""Audio and transcripts go at most this often. The pace of the data: not a timer, never scaled."""

_FIRST_DELAYS = (1.0, 2.0, 4.0, 8.0)  # s between the five attempts at a session's start
_BACKOFF_MAX = 15.0  # s
_BYTES_PER_SECOND = 32_000
_AUDIO_KEPT = 10 * _BYTES_PER_SECOND  # bytes that wait for a lost pusher; older audio is dropped

logger = logging.getLogger("routers.transcribe")
_integrations = logging.getLogger("utils.app_integrations")

Processed = Callable[[frames.ConversationProcessed], Awaitable[None]]


class PusherLink:
    """The link of one session. `on_processed` is called with each answer (201)."""

    def __init__(self, settings: Settings, uid: str, session_id: str, on_processed: Processed) -> None:
        self._settings, self._uid, self._session_id = settings, uid, session_id
        self._on_processed = on_processed
        self._url = settings.pusher_url.replace("http", "ws", 1) + frames.path(uid)
        self._random = random.Random(f"{settings.seed}:{uid}:pusher")
        self._socket: ClientConnection | None = None
        self._tasks: list[asyncio.Task] = []
        self._segments: dict[str, Document] = {}
        self._audio = bytearray()
        self._audio_ends = 0.0
        self._conversation_id: str | None = None

    async def connect(self) -> bool:
        """Five attempts over about 17 s. False: the pusher could not be reached."""
        for attempt, delay in enumerate((*_FIRST_DELAYS, None), start=1):
            if await self._attempt(f"attempt {attempt} of {len(_FIRST_DELAYS) + 1}"):
                self._tasks = [asyncio.create_task(work()) for work in (self._read, self._flush, self._keep_alive)]
                return True
            if delay is not None:
                await asyncio.sleep(self._settings.scaled(delay * self._random.uniform(1.0, 1.25)))
        return False

    def audio(self, pcm: bytes) -> None:
        """PCM16 at 16 kHz whose last sample is heard now."""
        self._audio += pcm
        self._audio_ends = time.time()
        if len(self._audio) > _AUDIO_KEPT and self._socket is None:
            del self._audio[:-_AUDIO_KEPT]

    def transcript(self, segments: list[Document]) -> None:
        self._segments.update((item["id"], item) for item in segments)

    async def conversation(self, conversation_id: str) -> None:
        """What was heard before belongs to the conversation before."""
        await self.flush()
        self._conversation_id = conversation_id
        await self._send(frames.conversation(conversation_id))

    async def process(self, conversation_id: str, language: str) -> None:
        await self._send(frames.process_conversation(conversation_id, language))

    async def speaker_sample(self, person_id: str, segment_ids: list[str]) -> None:
        await self._send(frames.speaker_sample(person_id, self._conversation_id or "", segment_ids))

    async def flush(self) -> None:
        """Hand on what has gathered; without a link it waits for the next time."""
        if self._socket is None:
            return
        if self._segments:
            segments, self._segments = list(self._segments.values()), {}
            _integrations.info("trigger_realtime_integrations %s", self._uid)
            await self._send(frames.transcript(segments, self._conversation_id))
        pcm, self._audio = bytes(self._audio), bytearray()
        begins = self._audio_ends - len(pcm) / _BYTES_PER_SECOND
        for second, at in enumerate(range(0, len(pcm), _BYTES_PER_SECOND)):
            await self._send(frames.audio(begins + second, pcm[at : at + _BYTES_PER_SECOND]))

    async def close(self) -> None:
        """Hand on the rest and close 1000."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.flush()
        if self._socket is not None:
            await self._socket.close()
            self._socket = None

    async def _attempt(self, label: str) -> bool:
        try:
            self._socket = await connect(
                self._url, compression=None, ping_interval=30, ping_timeout=60, max_size=1 << 24, proxy=None
            )
        except (OSError, WebSocketException, TimeoutError) as error:
            logger.error("Failed to connect to pusher (%s): %s %s %s", label, error, self._uid, self._session_id)
            return False
        return True

    async def _send(self, frame: bytes) -> None:
        if self._socket is None:
            return
        try:
            await self._socket.send(frame)
        except ConnectionClosed:
            # The reading side sees the same loss and connects anew; this frame is gone, as in the real service.
            return

    async def _read(self) -> None:
        while True:
            try:
                async for frame in self._socket:
                    answer = frames.decode(frame)
                    if isinstance(answer, frames.ConversationProcessed):
                        await self._on_processed(answer)
                detail = "closed by the pusher"
            except ConnectionClosed as error:
                detail = str(error)
            self._socket = None
            logger.error("Pusher transcripts Connection closed: %s %s %s", detail, self._uid, self._session_id)
            await self._reconnect()

    async def _reconnect(self) -> None:
        """Exponential back-off with jitter. 103 is not sent again: the pusher learns it at the next change."""
        delay = 1.0
        while True:
            await asyncio.sleep(self._settings.scaled(delay * self._random.uniform(0.75, 1.25)))
            if await self._attempt("reconnect"):
                return
            delay = min(delay * 2, _BACKOFF_MAX)

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(self._settings.scaled(frames.KEEP_ALIVE_SECONDS))
            await self._send(frames.keep_alive())
