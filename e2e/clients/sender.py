"""What the pacer calls for each piece of audio: writes its frame, unless the socket or the server takes none now."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from e2e.audio.tape import Tape
from e2e.errors import SessionError

if TYPE_CHECKING:
    from e2e.clients.session import Session

BACKLOG_SECONDS = 5.0
"""Audio that may wait for a slow socket in real time before the session is failed with `backpressure`."""

DEAF_SECONDS = 0.75
"""The same for a server that is no longer ready to take any: by then its kernel holds some four seconds more."""

LOOK_EVERY = 8
"""Pieces between two looks at what waits, as long as next to nothing does; then every piece is worth a look."""

ALERT_SECONDS = 0.3
"""Audio that waits when it is worth it."""

BACKLOG_SOFT_BYTES = 64 * 1024
"""Above this, a stream that is not paced in real time waits for its socket instead."""


class Sender:
    """Sends the pieces of one tape on one session; `frame_of(k)` frames piece k, which holds `per_piece` chunks.

    In real time, audio waits for the socket up to `BACKLOG_SECONDS`, and for a server that has stopped reading up to
    `DEAF_SECONDS`; then the session fails with `backpressure`. At any other pace the stream waits instead.
    """

    __slots__ = (
        "_alert",
        "_connection",
        "_frame_of",
        "_per_piece",
        "_realtime",
        "_session",
        "_size",
        "_tape",
        "_transport",
    )

    def __init__(self, session: "Session", tape: Tape, frame_of: Callable[[int], bytes], per_piece: int = 1) -> None:
        self._session, self._tape, self._frame_of, self._per_piece = session, tape, frame_of, per_piece
        self._connection = session.connection()
        self._transport = self._connection.transport
        self._realtime = session.link.pacer.speed == 1.0
        self._alert = False
        self._size = tape.chunk_bytes

    def __call__(self, k: int) -> bool:
        if self._realtime:
            if self._alert or not k % LOOK_EVERY:
                self._look()
        elif self._transport.get_write_buffer_size() > BACKLOG_SOFT_BYTES:
            return False
        if self._connection.closing:
            return False  # how it ends is known in a moment
        self._transport.write(self._frame_of(k))
        session, chunks = self._session, 1
        if self._per_piece != 1:
            chunks = min(self._per_piece, len(self._tape.chunks) - k * self._per_piece)
        session.chunks_sent += chunks
        session.bytes_sent += chunks * self._size
        return True

    def _look(self) -> None:
        """See whether the server still reads: how much waits here and in the kernel, and what it is ready to take."""
        second, piece = self._bytes_per_second(), self._per_piece * self._size
        backlog = self._transport.get_write_buffer_size()
        unsent = backlog + self._connection.unsent()
        if unsent > self._session.backlog_max:
            self._session.backlog_max = unsent
        self._alert = unsent > ALERT_SECONDS * second
        if backlog > max(BACKLOG_SECONDS * second, 2 * piece):
            raise self._backpressure(backlog, "the socket takes no more")
        if unsent > max(DEAF_SECONDS * second, piece):
            window = self._connection.peer_window()
            if window is not None and window < piece:
                raise self._backpressure(unsent, "the server has stopped reading")

    def _bytes_per_second(self) -> float:
        return self._size / self._tape.chunk_seconds

    def _backpressure(self, unsent: int, why: str) -> SessionError:
        who = f"{self._session.kind} {self._session.uid}"
        return SessionError(f"{who}: {why}, {unsent} bytes of audio wait for it", "backpressure")
