"""A listen session: one device on the backend's `WS /v4/listen`."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import msgspec

from e2e.audio.tape import Tape
from e2e.clients.photo import Photo, sample_image
from e2e.clients.playback import Playback
from e2e.clients.session import Link, Session, shared
from e2e.errors import SessionError
from e2e.protocol import device, listen

MARGIN_SECONDS = 60.0
"""Beyond the conversation timeout, for the poll of the service and the processing itself; scaled, and at least"""

LEAST_MARGIN_SECONDS = 15.0
"""so much, since processing is work and no timer."""


class ListenSession(Session):
    """Follows what the backend says: status, conversation, segments.

    `segments` holds the last version of each segment by id, `statuses` the steps in the order they came. `memory_id`
    is the conversation that was processed last while it was open.
    """

    __slots__ = (
        "_auth",
        "_last_transcript",
        "_processing",
        "_settling",
        "_unprocessed",
        "conversation_id",
        "memory_id",
        "params",
        "photos",
        "segments",
        "statuses",
    )

    kind = "listen"

    def __init__(
        self,
        link: Link,
        sid: str,
        origin: str,
        params: listen.ListenParams,
        headers: dict[str, str],
        *,
        uid: str,
        device: int = 0,
        probe: bool = False,
        web_token: str | None = None,
    ) -> None:
        """With `web_token`, it is a browser's: the token goes into its first message."""
        path = listen.PATH if web_token is None else listen.WEB_PATH
        url = f"{origin.rstrip('/')}{path}?{params.query()}"
        super().__init__(link, sid, url, headers, uid=uid, device=device, probe=probe)
        self._auth = web_token
        self.params = params
        self.statuses: list[str] = []
        self.segments: dict[str, listen.Segment] = {}
        self.conversation_id: str | None = None
        self._last_transcript: float | None = None
        self._settling = False
        self.memory_id: str | None = None
        self.photos: dict[str, Photo] | None = None
        self._unprocessed = False
        self._processing: str | None = None

    async def open(self) -> None:
        await super().open()
        if self._auth is not None:
            token, self._auth = self._auth, None
            self.connection().send_text(device.Auth(token=token).text)
            self._write_sent("auth", None)

    async def __aexit__(self, error_type: type[BaseException] | None, *rest: object) -> None:
        try:
            if error_type is None and self.link.wait_conversation and self.end is None:
                await self.processed()
        finally:
            await super().__aexit__(error_type, *rest)

    def decode(self, payload: str | bytes) -> listen.Message:
        return listen.decode(payload)

    def received(self, message: listen.Message) -> None:
        if isinstance(message, listen.Transcript):
            self._last_transcript = self.link.clock()
            self._unprocessed = True
            for segment in message.segments:
                self.segments[segment.id] = segment
        elif isinstance(message, listen.Ping):
            if self._settling and self._connection is not None and self._connection.open:
                self.keep_alive()
        elif isinstance(message, listen.ServiceStatus):
            self.statuses.append(shared(message.status))
            if message.status == "ready" and self.statuses.count("ready") == 1:
                self._record("ready", ready_ms=round((self.link.clock() - self.upgraded) * 1000, 3))
        elif isinstance(message, listen.SegmentsDeleted):
            for segment_id in message.segment_ids:
                self.segments.pop(segment_id, None)
        elif isinstance(message, listen.ConversationSession):
            self.conversation_id = message.conversation_id
        elif isinstance(message, listen.MemoryProcessingStarted):
            self._processing, self._unprocessed = str(message.memory.get("id")), False
        elif isinstance(message, listen.MemoryCreated):
            self.memory_id, self._processing, self._unprocessed = str(message.memory.get("id")), None, False
        elif isinstance(message, listen.PhotoProcessing) and self.photos is not None:
            if message.temp_id in self.photos:
                self.photos[message.temp_id].photo_id = message.photo_id
        elif isinstance(message, listen.PhotoDescribed) and self.photos is not None:
            for photo in self.photos.values():
                if photo.photo_id == message.photo_id:
                    photo.description, photo.discarded = message.description or "", message.discarded

    @property
    def transcript(self) -> str:
        """What was heard so far: the last text of each segment, in order of their starts."""
        return " ".join(s.text.strip() for s in sorted(self.segments.values(), key=lambda s: s.start)).strip()

    async def ready(self, timeout: float | None = None) -> None:
        """Wait until the service says `ready`.

        Raises:
            SessionError: it did not within `timeout` seconds (default: the target's), or closed first.
        """
        limit = self.link.ready_timeout if timeout is None else timeout
        if await self.until(lambda: "ready" in self.statuses, limit):
            return
        if self.end is not None:
            error = self.ended_early()
        else:
            said = f"its last status was {self.statuses[-1]!r}" if self.statuses else "it sent no status at all"
            error = SessionError(f"listen {self.uid}: not ready within {limit:g} s; {said}", "not_ready")
        self.fail(error)
        raise error

    async def play(self, tape: str | Tape = "podcast", chunks: int | None = None) -> None:
        """Send audio at the run's pace, chunk by chunk; returns when the last one is sent.

        `tape` is a name, a path or a `Tape`; `chunks` limits it, or repeats it when there are more than it has. The
        command line's `--audio`, `--chunks` and `--duration` win over both, but for a `Tape`, which is played as it is.

        Raises:
            AudioError: there is no such audio.
            SessionError: the session ended, or its socket took no more (`backpressure`).
        """
        framed = await self.link.tape(tape, self.params.codec or "pcm8", chunks)
        playback = Playback(self, framed.tape, framed.frame, frames=framed.frames)
        start = self.link.pacer.begin(playback.interval, self.device)
        self.begin_playing(playback, start)
        try:
            await playback.done
        finally:
            self.end_playing(playback, start)

    async def settle(self, quiet: float = 3.0, at_most: float = 15.0) -> None:
        """After the last chunk: wait until no transcript has come for `quiet` seconds, at most `at_most` seconds.

        Where audio was sent quicker than real time, the service needs time to hear it: `at_most` is then extended to
        the length of the audio. Meanwhile each `ping` is answered with a keep-alive, as a phone does, so that waiting
        is not taken for inactivity.

        Raises:
            SessionError: closed meanwhile.
        """
        clock, began = self.link.clock, self.link.clock()
        if self.link.pacer.speed != 1.0:
            at_most = max(at_most, self.chunks_sent * 0.1)
        self._settling = True
        try:
            while self.end is None:
                since = max(began, self._last_transcript or began)
                wait = min(since + quiet, began + at_most) - clock()
                if wait <= 0:
                    return
                before = self._last_transcript
                await self.until(lambda seen=before: self._last_transcript != seen, wait)
        finally:
            self._settling = False
        error = self.ended_early()
        self.fail(error)
        raise error

    async def processed(self) -> str | None:
        """After the words: stay open and silent until the conversation timeout has passed and the conversation made of
        them was processed (`memory_created`). Each `ping` is answered with a keep-alive meanwhile.

        At most the timeout and a margin are waited for since the last word. Where no word was heard there is nothing
        to wait for.

        Returns:
            the conversation's id; None: it did not come.

        Raises:
            SessionError: closed meanwhile.
        """
        clock, began, heard = self.link.clock, self.link.clock(), self._last_transcript is not None
        limit = self._conversation_timeout() + max(MARGIN_SECONDS * self.link.timers, LEAST_MARGIN_SECONDS)

        def done() -> bool:
            return not self._unprocessed and self._processing is None

        self._settling = True
        try:
            while heard and not done() and self.end is None:
                seen = self._last_transcript
                wait = min(max(began, seen or began) + limit, began + 2 * limit) - clock()
                if wait <= 0:
                    break
                await self.until(lambda seen=seen: done() or self._last_transcript != seen, wait)
        finally:
            self._settling = False
            come = heard and done()
            self.link.journal.write(
                "wait",
                sid=self.sid,
                awaited="memory_created",
                seen=come,
                heard=heard,
                waited_s=round(clock() - began, 3),
                at_most_s=round(limit, 3),
            )
        if self.end is not None:
            error = self.ended_early()
            self.fail(error)
            raise error
        return self.memory_id if come else None

    def _conversation_timeout(self) -> float:
        """Seconds of silence after which the service processes a conversation."""
        asked = self.params.conversation_timeout
        nominal = listen.LEAST_TIMEOUT if asked is None else asked
        return (listen.NEVER_TIMEOUT if nominal == -1 else max(listen.LEAST_TIMEOUT, nominal)) * self.link.timers

    @property
    def conversation_is_processed(self) -> bool:
        """Whether the conversation of the last words was processed while it was open."""
        return self.memory_id is not None and not self._unprocessed

    def suggest(self, segments: Sequence[dict[str, Any]], provider: str = "e2e") -> list[str]:
        """Send what the device's own recogniser heard (`custom_stt="enabled"`): objects with `text`, `start` and `end`
        in seconds. Those without an `id` get one. Returns the ids.
        """
        named = [{"id": str(uuid4()), **segment} for segment in segments]
        self._say(device.SuggestedTranscript(segments=named, stt_provider=provider))
        return [str(segment["id"]) for segment in named]

    def assign_speaker(self, segment_ids: Sequence[str], person_id: str, name: str = "", speaker_id: int = 0) -> None:
        """Say who speaks in segments: a person's id, or `user`."""
        ids = list(segment_ids)
        said = device.SpeakerAssigned(speaker_id=speaker_id, person_id=person_id, person_name=name, segment_ids=ids)
        self._say(said)

    def send_photo(self, image: bytes | None = None, chunk_chars: int = 8192) -> str:
        """Send an image (default: a small test picture) in pieces. Returns the id that the device gives it."""
        image = sample_image() if image is None else image
        photo_id = str(uuid4())
        self.photos = self.photos or {}
        self.photos[photo_id] = Photo()
        pieces = device.image_chunks(image, photo_id, chunk_chars)
        for piece in pieces:
            self.connection().send_text(piece.text)
        self._write_sent("photo", {"id": photo_id, "bytes": len(image), "chunks": len(pieces)})
        return photo_id

    async def photo_described(self, photo_id: str, timeout: float = 30.0) -> Photo | None:
        """Wait until the service has described a photo that was sent. None: it has not within `timeout` seconds."""
        photo = (self.photos or {})[photo_id]
        return photo if await self.until(lambda: photo.description is not None, timeout) else None

    def _say(self, message: device.SuggestedTranscript | device.SpeakerAssigned) -> None:
        self.connection().send_text(message.text)
        self._write_sent(message.kind, msgspec.to_builtins(message))

    def send_text(self, text: str) -> None:
        """Send a text message as it is."""
        self.connection().send_text(text)
        self._write_sent("text", text)

    def keep_alive(self) -> None:
        """Send the two bytes that count as activity and hold no audio."""
        self.connection().send_binary(listen.KEEP_ALIVE)
        self._write_sent("keep_alive", None)
