"""The stand-in's pusher process: `uvicorn e2e.standin.pusher:create_app --factory`."""

import asyncio
import logging
import os
import struct
from collections.abc import Coroutine
from typing import Any

import msgspec
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from e2e.protocol import pusher as frames
from e2e.protocol.pusher import Opcode
from e2e.standin import models
from e2e.standin.faults import Faults
from e2e.standin.settings import Settings
from e2e.standin.store import Store
from e2e.standin.webhooks import Webhooks

_UNREAD_SECONDS = 15.0  # how long a socket stays open and unread after a frame that cannot be read
_PROCESSING_SECONDS = 0.5
_FINAL_FLUSH_SECONDS = 2.0
_CLOUD_BYTES_PER_SECOND = 32_000
_CLOUD_BATCH_SECONDS = 60
"""Audio is kept for the private cloud in batches; what is left of one is flushed at the end."""

logger = logging.getLogger("routers.pusher")


_GREETINGS = {
    "pusher-201-unasked": frames.conversation_processed("a-conversation-of-nobody"),
    "pusher-missing-field": struct.pack("<I", Opcode.CONVERSATION_PROCESSED) + b'{"success":true}',
}
"""Protocol faults: what is said without having been asked."""


class BrokenFrame(Exception):
    """A frame after which the real service stops reading."""


def create_app() -> FastAPI:
    """Raises UsageError when the environment does not describe a stand-in."""
    logging.basicConfig(level=logging.INFO)
    settings = Settings.from_env(os.environ)
    app = FastAPI(title="Omi stand-in: pusher")
    app.state.settings = settings
    app.state.store = Store(settings.db)
    app.state.background = set()
    app.add_api_route("/health", health)
    app.add_api_websocket_route(frames.PATH, trigger_listen)
    return app


async def health() -> dict[str, str]:
    return {"status": "healthy"}


async def trigger_listen(websocket: WebSocket, uid: str, sample_rate: int = 8000) -> None:
    logger.info("_websocket_util_trigger %s", uid)
    await websocket.accept()
    if not uid:
        raise ValueError("Invalid document path: a user needs a uid that is not empty")
    await Trigger(websocket, uid, websocket.app.state.settings, websocket.app.state.store).run()


class Trigger:
    """One link from a backend: takes audio and transcripts, processes conversations, answers with 201."""

    def __init__(self, websocket: WebSocket, uid: str, settings: Settings, store: Store) -> None:
        self._websocket, self._uid, self._settings, self._store = websocket, uid, settings, store
        faults = Faults(settings.faults)
        self._silent = faults.get("pusher") == "silent"
        self._twice = faults.get("protocol-slow") == "pusher-201-twice"
        self._greeting = _GREETINGS.get(faults.get("protocol") or "")
        self._cloud_bytes = 0
        self._webhooks = Webhooks(uid, store, Faults(settings.faults).get("webhook"), self._in_background)
        self._handlers = {
            Opcode.AUDIO: self._audio,
            Opcode.TRANSCRIPT: self._transcript,
            Opcode.CONVERSATION: self._conversation,
            Opcode.PROCESS_CONVERSATION: self._process,
            Opcode.SPEAKER_SAMPLE: self._speaker_sample,
        }

    async def run(self) -> None:
        if self._greeting is not None:
            await self._answer(self._greeting)
        try:
            while (message := await self._websocket.receive())["type"] != "websocket.disconnect":
                self._take(message.get("bytes"))
        except BrokenFrame as error:
            logger.error("Could not process audio: error %s", error)
            await asyncio.sleep(self._settings.scaled(_UNREAD_SECONDS))
            await self._close()
            return
        logger.info("WebSocket disconnected")
        self._webhooks.flush()
        if self._cloud_bytes:
            self._in_background(self._flush_cloud())

    def _take(self, frame: bytes | None) -> None:
        """Raises BrokenFrame. An unknown opcode is ignored."""
        if frame is None:
            raise BrokenFrame("'bytes'")
        try:
            opcode, payload = frames.split(frame)
            handler = self._handlers.get(opcode)
            if handler is not None:
                handler(payload)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BrokenFrame(error) from error

    def _audio(self, payload: bytes) -> None:
        _, pcm = frames.split_audio(payload)
        self._cloud_bytes += len(pcm)
        self._cloud_bytes %= _CLOUD_BYTES_PER_SECOND * _CLOUD_BATCH_SECONDS
        self._webhooks.audio(pcm)

    def _transcript(self, payload: bytes) -> None:
        self._webhooks.transcript(msgspec.json.decode(payload)["segments"])

    def _conversation(self, payload: bytes) -> None:
        logger.info("Pusher received conversation_id: %s %s", payload.decode(), self._uid)

    def _speaker_sample(self, payload: bytes) -> None:
        sample = msgspec.json.decode(payload)
        person, count = sample["person_id"], len(sample["segment_ids"])
        logger.info("Queued speaker sample request: person=%s, %d segments %s", person, count, self._uid)

    def _process(self, payload: bytes) -> None:
        conversation_id = msgspec.json.decode(payload)["conversation_id"]
        logger.info("Pusher received process_conversation request: %s %s", conversation_id, self._uid)
        self._in_background(self._process_conversation(conversation_id))

    async def _process_conversation(self, conversation_id: str) -> None:
        await asyncio.sleep(self._settings.scaled(_PROCESSING_SECONDS))
        error = self._complete(conversation_id)
        if not self._silent:
            for _ in range(2 if self._twice else 1):
                await self._answer(frames.conversation_processed(conversation_id, error))

    def _complete(self, conversation_id: str) -> str | None:
        """The conversation gets its title from its own transcript. Returns what went wrong."""
        document = self._store.get(conversation_id)
        if document is None:
            return "conversation_not_found"
        summary = models.summarised(document["transcript_segments"])
        self._store.update(conversation_id, status="completed", structured=summary)
        self._webhooks.memory(document | {"status": "completed", "structured": summary})
        return None

    async def _flush_cloud(self) -> None:
        """After a close the queues are still flushed, which takes longer the more they hold."""
        full = self._cloud_bytes / (_CLOUD_BYTES_PER_SECOND * _CLOUD_BATCH_SECONDS)
        await asyncio.sleep(self._settings.scaled(_FINAL_FLUSH_SECONDS * full))
        logger.info("Flushed final private cloud buffer: %d bytes", self._cloud_bytes)

    async def _answer(self, frame: bytes) -> None:
        try:
            await self._websocket.send_bytes(frame)
        except (WebSocketDisconnect, RuntimeError):
            # The backend has gone meanwhile; the work is done and kept all the same.
            return

    async def _close(self) -> None:
        try:
            await self._websocket.close(1011)
        except (WebSocketDisconnect, RuntimeError):
            return

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        background = self._websocket.app.state.background
        task = asyncio.create_task(work)
        background.add(task)
        task.add_done_callback(background.discard)
