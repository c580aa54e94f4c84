"""A pusher session: what the backend does on the pusher's `WS /v1/trigger/listen`, done by us."""

from typing import Any

from e2e.audio.tape import Tape
from e2e.clients.framing import binary_frame
from e2e.clients.playback import Playback
from e2e.clients.session import Link, Session
from e2e.clients.timing import Beat
from e2e.errors import SessionError
from e2e.protocol import pusher

FRAME_SECONDS = 1.0
"""Audio in one 101 frame."""


class PusherSession(Session):
    """Sends conversation ids, audio, transcripts and requests; keeps the link alive every 20 s.

    `processed` holds the answers (201) by conversation id.
    """

    kind = "pusher"

    def __init__(
        self,
        link: Link,
        sid: str,
        origin: str,
        *,
        uid: str,
        sample_rate: int = 16000,
        device: int = 0,
        probe: bool = False,
    ) -> None:
        url = f"{origin.rstrip('/')}{pusher.path(uid, sample_rate)}"
        super().__init__(link, sid, url, {}, uid=uid, device=device, probe=probe)
        self.processed: dict[str, pusher.ConversationProcessed] = {}
        self._keep_alive: Beat | None = None

    async def open(self) -> None:
        await super().open()
        connection = self.connection()

        def keep_alive() -> None:
            connection.send_binary(pusher.keep_alive())
            self._write_sent("pusher.100", None)

        self._keep_alive = Beat(keep_alive, pusher.KEEP_ALIVE_SECONDS)
        self.link.pacer.add(self._keep_alive, self.link.clock() + pusher.KEEP_ALIVE_SECONDS)

    def closed(self, closed: Any) -> None:
        if self._keep_alive is not None:
            self._keep_alive.cancel()
        super().closed(closed)

    def decode(self, payload: str | bytes) -> pusher.ConversationProcessed | pusher.UnknownFrame:
        return pusher.decode(payload)

    def received(self, message: pusher.ConversationProcessed | pusher.UnknownFrame) -> None:
        if isinstance(message, pusher.ConversationProcessed):
            self.processed[message.conversation_id] = message

    def _write_message(self, kind: str, payload: str | bytes, problem: str | None) -> None:
        # The JSON behind the opcode is what a reader wants to see.
        shown = payload[4:].decode(errors="replace") if isinstance(payload, bytes) else payload
        super()._write_message(kind, shown, problem)

    def conversation(self, conversation_id: str) -> None:
        """103: what follows belongs to this conversation."""
        self.connection().send_binary(pusher.conversation(conversation_id))
        self._write_sent("pusher.103", conversation_id)

    def transcript(self, segments: list[dict[str, Any]], conversation_id: str | None = None) -> None:
        """102: segments as the backend hands them on."""
        self.connection().send_binary(pusher.transcript(segments, conversation_id))
        self._write_sent("pusher.102", {"segments": len(segments), "memory_id": conversation_id})

    def speaker_sample(self, person_id: str, conversation_id: str, segment_ids: list[str]) -> None:
        """105: these segments are a sample of that person's voice."""
        self.connection().send_binary(pusher.speaker_sample(person_id, conversation_id, segment_ids))
        self._write_sent("pusher.105", {"person_id": person_id, "segment_ids": segment_ids})

    async def play(self, tape: str | Tape = "podcast", chunks: int | None = None) -> None:
        """101: audio, one second a frame. A frame leaves when its last sample has been spoken, stamped with its first.

        Raises:
            AudioError: there is no such audio.
            SessionError: the session ended, or its socket took no more (`backpressure`).
        """
        played = (await self.link.tape(tape, "pcm16", chunks)).tape
        chunks = played.chunks
        per_frame = max(1, round(FRAME_SECONDS / played.chunk_seconds))
        seconds = per_frame * played.chunk_seconds

        def frame(k: int) -> bytes:
            pcm = b"".join(chunks[k * per_frame : (k + 1) * per_frame])
            return binary_frame(pusher.audio(first_sample + k * seconds, pcm))

        playback = Playback(self, played, frame, per_piece=per_frame)
        start = self.link.pacer.begin(playback.interval, self.device)
        first_sample = self.link.wall(start)
        self.begin_playing(playback, start, first_due=start + playback.interval)
        try:
            await playback.done
        finally:
            self.end_playing(playback, start)

    async def process_conversation(
        self, conversation_id: str, language: str = "en", timeout: float = 30.0
    ) -> pusher.ConversationProcessed:
        """104, and the 201 that answers it.

        Raises:
            SessionError: no answer within `timeout` seconds, or closed first.
        """
        self.connection().send_binary(pusher.process_conversation(conversation_id, language))
        self._write_sent("pusher.104", {"conversation_id": conversation_id, "language": language})
        if await self.until(lambda: conversation_id in self.processed, timeout):
            return self.processed[conversation_id]
        if self.end is not None:
            error = self.ended_early()
        else:
            error = SessionError(f"pusher {self.uid}: 104 was not answered by 201 within {timeout:g} s", "timeout")
        self.fail(error)
        raise error
