"""Audio on its way: sends the pieces of a tape, unless the socket or the server takes none now."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from e2e.audio.tape import Tape
from e2e.clients.framing import Frames
from e2e.clients.timing import Stream
from e2e.errors import SessionError

if TYPE_CHECKING:
    from e2e.clients.session import Session

BACKLOG_SECONDS = 5.0
"""Audio that may wait for a slow socket in real time before the session is failed with `backpressure`."""

DEAF_SECONDS = 0.75
"""The same for a server that is no longer ready to take any: by then its kernel holds some four seconds more."""

KERNEL_SECONDS = 0.5
"""Audio that may wait in our own kernel in real time, where nobody looks; by default it takes minutes of it."""

WATCH_PIECES = 4
"""Every so many pieces a socket is looked at through which a transport sends: it may take more than it was allowed."""

BACKLOG_SOFT_BYTES = 64 * 1024
"""Above this, a stream that is not paced in real time waits for its socket instead."""


class Playback(Stream):
    """A tape that is played on a session; `frame_of(k)` frames piece k, which holds `per_piece` chunks.

    With `frames`, a lane sends most pieces. In real time, audio waits for the socket up to `BACKLOG_SECONDS`, and for a
    server that has stopped reading up to `DEAF_SECONDS`; then the session fails with `backpressure`. At any other pace
    the stream waits instead.
    """

    __slots__ = ("_connection", "_frame_of", "_per_piece", "_realtime", "_session", "tape")

    def __init__(
        self,
        session: "Session",
        tape: Tape,
        frame_of: Callable[[int], bytes],
        *,
        per_piece: int = 1,
        frames: Frames | None = None,
    ) -> None:
        speed = session.link.pacer.speed
        interval = per_piece * tape.chunk_seconds / speed if speed else 0.0
        super().__init__(interval, -(-len(tape.chunks) // per_piece))
        self._session, self.tape, self._frame_of, self._per_piece = session, tape, frame_of, per_piece
        self.line = self._connection = session.connection()
        self.frames = frames
        self._realtime = speed == 1.0
        if self._realtime:
            self._connection.limit_kernel(max(2, round(KERNEL_SECONDS / interval)), self._piece)

    @property
    def chunks_sent(self) -> int:
        return min(self.sent * self._per_piece, len(self.tape.chunks))

    @property
    def bytes_sent(self) -> int:
        """Of audio, without framing."""
        return self.chunks_sent * self.tape.chunk_bytes

    def send(self, k: int) -> bool:
        connection = self._connection
        if not self._realtime and connection.backlog > BACKLOG_SOFT_BYTES:
            return False
        if connection.closing:
            return False  # how it ends is known in a moment
        self.watch(k)
        connection.transport.write(self._frame_of(k))
        return True

    def watch(self, k: int) -> None:
        if self._realtime:
            backlog = self._connection.backlog
            if backlog or not k % WATCH_PIECES:
                self._look(backlog)

    @property
    def _piece(self) -> int:
        """Bytes of a piece."""
        return self._per_piece * self.tape.chunk_bytes

    def _look(self, backlog: int) -> None:
        """See whether the server still reads: how much waits here and in the kernel, and what it is ready to take."""
        connection, session, tape = self._connection, self._session, self.tape
        second, piece = tape.chunk_bytes / tape.chunk_seconds, self._piece
        unsent = backlog + connection.unsent()
        if unsent > session.backlog_max:
            session.backlog_max = unsent
        if backlog > max(BACKLOG_SECONDS * second, 2 * piece):
            raise self._backpressure(backlog, "the socket takes no more")
        if unsent > max(DEAF_SECONDS * second, piece):
            window = connection.peer_window()
            if window is not None and window < piece:
                raise self._backpressure(unsent, "the server has stopped reading")

    def _backpressure(self, unsent: int, why: str) -> SessionError:
        who = f"{self._session.kind} {self._session.uid}"
        return SessionError(f"{who}: {why}, {unsent} bytes of audio wait for it", "backpressure")
