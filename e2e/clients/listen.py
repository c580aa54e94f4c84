"""A listen session: one device on the backend's `WS /v4/listen`."""

from e2e.audio.tape import Tape
from e2e.clients.playback import Playback
from e2e.clients.session import Link, Session, shared
from e2e.errors import SessionError
from e2e.protocol import listen


class ListenSession(Session):
    """Follows what the backend says: status, conversation, segments.

    `segments` holds the last version of each segment by id, `statuses` the steps in the order they came.
    """

    __slots__ = ("_last_transcript", "_settling", "conversation_id", "params", "segments", "statuses")

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
    ) -> None:
        url = f"{origin.rstrip('/')}{listen.PATH}?{params.query()}"
        super().__init__(link, sid, url, headers, uid=uid, device=device, probe=probe)
        self.params = params
        self.statuses: list[str] = []
        self.segments: dict[str, listen.Segment] = {}
        self.conversation_id: str | None = None
        self._last_transcript: float | None = None
        self._settling = False

    def decode(self, payload: str | bytes) -> listen.Message:
        return listen.decode(payload)

    def received(self, message: listen.Message) -> None:
        if isinstance(message, listen.Transcript):
            self._last_transcript = self.link.clock()
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

    def send_text(self, text: str) -> None:
        """Send a text message, such as the JSON of `speaker_assigned`."""
        self.connection().send_text(text)
        self._write_sent("text", text)

    def keep_alive(self) -> None:
        """Send the two bytes that count as activity and hold no audio."""
        self.connection().send_binary(listen.KEEP_ALIVE)
        self._write_sent("keep_alive", None)
