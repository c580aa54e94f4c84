"""One session on `/v4/listen`: its start step by step, what it hears and says meanwhile, and its end."""

import asyncio
import logging
import random
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import msgspec
from fastapi import WebSocket, WebSocketDisconnect

from e2e.protocol.pusher import ConversationProcessed
from e2e.standin import broken, misbehave, models
from e2e.standin.conversation import ConversationKeeper
from e2e.standin.faults import Faults
from e2e.standin.intake import intake
from e2e.standin.params import ListenQuery
from e2e.standin.photos import Photos
from e2e.standin.pusher_client import PusherLink
from e2e.standin.recogniser import RATE, Recogniser
from e2e.standin.services import Services

HEARTBEAT, INACTIVITY, POLL, FINALIZE, USAGE_TICK = 10.0, 90.0, 5.0, 7.0, 60.0
"""Timers of the protocol in seconds, before scaling."""

FLUSH_SECONDS = 0.6
"""How often segments are sent. The pace of the data: never scaled."""

_FAULT_AFTER = 3.0  # s of audio after which a session fault strikes
_LATE_READY = 0.2  # s by which `ready=late` is late
_KEEP_ALIVE_BYTES = 2
_REASONS = {
    1000: "normal_closure",
    1001: "going_away",
    1006: "abnormal_closure",
    1011: "internal_error",
    1012: "service_restart",
}

logger = logging.getLogger("routers.transcribe")


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a session ends. `by_client`: the socket is closed already."""

    code: int
    reason: str = ""
    by_client: bool = False


class Session:
    """Runs until the client leaves or the server has a reason to close."""

    def __init__(self, websocket: WebSocket, uid: str, query: ListenQuery, services: Services) -> None:
        self.id = str(uuid4())
        self._websocket, self._uid, self._query = websocket, uid, query
        self._services, self._settings, self._store = services, services.settings, services.store
        self._faults = Faults(services.settings.faults)
        self._bend = misbehave.bend(self._faults)
        if self._faults.get("protocol") == "message-after-close":
            misbehave.speak_after_close(websocket.scope)
        self._keeper = ConversationKeeper(services.store, services.settings, uid, self.id)
        self._pusher = PusherLink(services.settings, uid, self.id, self._processed)
        self._photos = Photos(self._send, self._keeper.add_photo)
        self._recogniser: Recogniser | None = None
        self._began = self._last_message = time.monotonic()
        self._audio_seconds = 0.0
        self._ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task] = set()

    async def run(self) -> None:
        """An accepted socket's whole life.

        Raises:
            ValueError: codec or rate that break the decoder itself; the connection is lost without a close frame.
        """
        query = self._query
        self._log(
            f"_stream_handler {self._uid} {self.id} {query.language} {query.sample_rate} {query.codec} "
            f"{query.include_speech_profile} {query.conversation_timeout}"
        )
        self._decode = intake(query.codec, query.sample_rate)
        try:
            self._spawn(self._heartbeat())
            if self._query.custom_stt:
                known = self._store.has_user(self._uid)
                if not known:
                    await self._close(1008, "Bad user")
                    return
            self._spawn(self._life())
            ending = await self._ended
        finally:
            await self._cancel_tasks()
        await self._finish(ending)

    # The start

    async def _life(self) -> None:
        """From the first status to the last message of the client. Nothing is read from the socket before `ready`."""
        await self._status("initiating", "Service Starting")
        last = self._store.latest(self._uid, "completed")
        if last is not None:
            await self._send({"type": "last_memory", "memory_id": last[0]["id"]})
        await self._status("in_progress_conversations_processing", "Processing Conversations")
        timeout = self._query.conversation_timeout
        left_open = self._keeper.open(self._query.language, self._query.source, timeout)
        self._log(f"Starting conversation lifecycle manager (timeout: {timeout}s) {self._uid} {self.id}")
        await self._status("stt_initiating", "STT Service Starting")
        if self._faults.get("session") == "never-ready":
            await self._read_nothing()
        if not await self._pusher.connect():
            self._end(Ending(1011, "Pusher connection failed"))
            return
        await self._pusher.conversation(self._keeper.current.id)
        self._log(f"Speaker ID: loaded 0 person embeddings {self._uid} {self.id}")
        self._recogniser = self._services.recogniser()
        if self._faults.get("ready") == "late":
            await asyncio.sleep(_LATE_READY)
        await self._status("ready", None)
        for work in (self._flush_regularly(), self._watch_conversation(), self._finalize(left_open)):
            self._spawn(work)
        self._last_message = time.monotonic()
        await self._receive()

    async def _read_nothing(self) -> None:
        while (await self._websocket.receive())["type"] != "websocket.disconnect":
            pass
        self._end(Ending(1006, by_client=True))
        await asyncio.Future()

    # What the client sends

    async def _receive(self) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                self._end(Ending(message["code"], message.get("reason") or "", by_client=True))
                return
            self._last_message = time.monotonic()
            if message.get("bytes") is not None:
                await self._hear(message["bytes"])
            elif message.get("text") is not None:
                await self._said(message["text"])

    async def _hear(self, chunk: bytes) -> None:
        if len(chunk) <= _KEEP_ALIVE_BYTES:
            return
        try:
            pcm = self._decode(chunk)
        except ValueError as error:
            logger.error("Error decoding audio: %s %s %s", error, self._uid, self.id)
            return
        if not self._audio_seconds:
            self._break_an_import()
        if not self._audio_seconds and self._keeper.current.origin == 0.0:
            self._keeper.first_audio()
        self._audio_seconds += len(pcm) / (2 * RATE)
        self._pusher.audio(pcm)
        if not self._query.custom_stt:
            await self._recogniser.feed(pcm)
        if self._audio_seconds >= _FAULT_AFTER:
            self._strike()

    def _break_an_import(self) -> None:
        match self._faults.get("import"):
            case "stream":
                broken.while_streaming()
            case "background":
                self._services.in_background(broken.in_background())
            case "swallowed":
                broken.swallowed()

    def _strike(self) -> None:
        match self._faults.get("session"):
            case "close-1011":
                self._end(Ending(1011, "planted by session=close-1011"))
            case "vanish":
                self._websocket.scope["standin.abort"]()
        if self._faults.get("protocol") == "close-code":
            self._end(Ending(misbehave.CLOSE_CODE, "planted by protocol=close-code"))

    async def _said(self, text: str) -> None:
        """A text message of the client: what is not JSON, or not known, means nothing."""
        try:
            message = msgspec.json.decode(text)
        except msgspec.DecodeError:
            return
        known = {
            "suggested_transcript": self._suggested,
            "speaker_assigned": self._assigned,
            "image_chunk": self._photos.piece,
        }
        handler = known.get(message.get("type")) if isinstance(message, dict) else None
        if handler is not None:
            await handler(message)

    async def _suggested(self, message: dict[str, Any]) -> None:
        if not self._query.custom_stt:
            return
        provider = str(message.get("stt_provider") or "custom")
        segments = []
        for item in message.get("segments") or []:
            base = models.segment(
                str(item.get("id") or uuid4()), str(item["text"]), float(item["start"]), float(item["end"]), provider
            )
            segments.append(base | {name: item[name] for name in ("speaker", "speaker_id", "is_user") if name in item})
        self._keeper.put(segments)
        await self._say(segments)

    async def _assigned(self, message: dict[str, Any]) -> None:
        person_id = str(message.get("person_id") or "")
        segment_ids = self._keeper.assign(list(message.get("segment_ids") or []), person_id)
        if segment_ids and person_id and person_id != "user":
            await self._pusher.speaker_sample(person_id, segment_ids)

    # What goes on meanwhile

    async def _heartbeat(self) -> None:
        while True:
            await self._send("ping")
            await asyncio.sleep(self._settings.scaled(HEARTBEAT))
            if time.monotonic() - self._last_message >= self._settings.scaled(INACTIVITY) and self._recogniser:
                self._log(f"Session timeout due to inactivity ({INACTIVITY:.0f}s) {self._uid} {self.id}")
                # The services of 2026-03 go silent here and may keep the socket for ever. The later ones close it,
                # and so does the stand-in: a test that waits for ever shows nothing.
                self._end(Ending(1001, "Session timeout due to inactivity"))
                return

    async def _flush_regularly(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self._flush()

    async def _flush(self) -> None:
        if self._recogniser is None:
            return
        heard = self._recogniser.take()
        if not heard:
            return
        grown, gone = self._keeper.hear(heard, self._recogniser.provider)
        await self._say(grown)
        if gone:
            await self._send({"type": "segments_deleted", "segment_ids": gone})

    async def _say(self, segments: list[models.Document]) -> None:
        if segments:
            self._pusher.transcript(segments)
            await self._send(segments)

    async def _watch_conversation(self) -> None:
        timeout = self._query.conversation_timeout
        while True:
            await asyncio.sleep(self._settings.scaled(POLL))
            conversation = self._keeper.current
            if not self._keeper.goes_on():
                # Another device of the same user has handed it on.
                self._keeper.open(self._query.language, self._query.source, timeout, origin=self._audio_seconds)
                await self._pusher.conversation(self._keeper.current.id)
                continue
            if self._keeper.silent_for() < self._settings.scaled(timeout):
                continue
            await self._flush()
            self._log(
                f"Conversation {conversation.id} timeout reached ({timeout}s). Processing... {self._uid} {self.id}"
            )
            await self._pusher.flush()
            await self._process(conversation.id)
            self._keeper.begin(self._query.language, self._query.source, origin=self._audio_seconds)
            await self._pusher.conversation(self._keeper.current.id)

    async def _process(self, conversation_id: str) -> None:
        """Hand a conversation to the pusher; one in which nothing was said is only cleaned up."""
        document = self._store.get(conversation_id)
        if document is None or not (document["transcript_segments"] or document["photos"]):
            self._store.delete(conversation_id)
            self._log(f"Clean up the conversation {conversation_id}, reason: no content {self._uid} {self.id}")
            return
        self._store.update(conversation_id, status="processing")
        await self._pusher.process(conversation_id, self._query.language)
        self._log(f"Sent process_conversation request to pusher: {conversation_id} {self._uid} {self.id}")
        await self._memory("memory_processing_started", document | {"status": "processing"})

    async def _processed(self, answer: ConversationProcessed) -> None:
        if not answer.success:
            logger.error(
                "Conversation %s not processed: %s %s %s", answer.conversation_id, answer.error, self._uid, self.id
            )
            return
        self._log(f"Conversation processed by pusher: {answer.conversation_id} {self._uid} {self.id}")
        document = self._store.get(answer.conversation_id)
        if document is not None:
            await self._memory("memory_created", document)

    async def _finalize(self, left_open: str | None) -> None:
        if left_open is not None:
            await self._process(left_open)
        await asyncio.sleep(max(0.0, self._began + self._settings.scaled(FINALIZE) - time.monotonic()))
        processing = self._store.count(self._uid, "processing")
        self._log(f"finalize_processing_conversations len(processing): {processing} {self._uid} {self.id}")

    # The end

    def _end(self, ending: Ending) -> None:
        if not self._ended.done():
            self._ended.set_result(ending)

    async def _finish(self, ending: Ending) -> None:
        if ending.by_client:
            # uvicorn reports a connection that was lost without a close frame as 1005.
            code = 1006 if ending.code == 1005 else ending.code
            reason = _REASONS.get(code) or ending.reason or "unknown"
            self._log(f"Client disconnected: code={code} reason={reason} {self._uid} {self.id}")
        await self._flush()
        if self._recogniser is not None:
            await self._recogniser.close()
        if not ending.by_client:
            await self._close(ending.code, ending.reason)
        await self._pusher.close()
        if self._recogniser is not None:
            self._services.in_background(self._handler_ended())

    async def _handler_ended(self) -> None:
        """The real handler ends at its next one-minute usage tick, long after the client has gone."""
        phase = random.Random(f"{self._settings.seed}:{self._uid}:tick").uniform(0.0, USAGE_TICK)
        passed = (time.monotonic() - self._began) / self._settings.timers
        await asyncio.sleep(self._settings.scaled((phase - passed) % USAGE_TICK))
        self._log(f"_stream_handler ended {self._uid} {self.id}")
        self._log(f"_listen ended {self._uid}")

    # Small tools

    async def _status(self, status: str, text: str | None) -> None:
        await self._send({"type": "service_status", "status": status, "status_text": text})

    async def _memory(self, kind: str, document: models.Document) -> None:
        await self._send({"type": kind, "memory": document, "messages": []})

    async def _send(self, message: Any) -> None:
        for said in self._bend(message):
            await self._send_text(said if isinstance(said, str) else msgspec.json.encode(said).decode())

    async def _send_text(self, text: str) -> None:
        try:
            await self._websocket.send_text(text)
        except (WebSocketDisconnect, RuntimeError):
            # The client has just gone; the receiving side sees it and says so.
            return

    async def _close(self, code: int, reason: str) -> None:
        try:
            await self._websocket.close(code, reason)
        except (WebSocketDisconnect, RuntimeError):
            return

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("Error during WebSocket operation: %s %s %s", error, self._uid, self.id)
            self._end(Ending(1011, "Internal error"))

    async def _cancel_tasks(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _log(self, text: str) -> None:
        logger.info(text)
