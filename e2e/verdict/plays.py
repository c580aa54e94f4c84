"""A tape as it was played in a session."""

from dataclasses import dataclass

from e2e.verdict.metrics import REALTIME
from e2e.verdict.transcript import Tape


@dataclass(slots=True)
class Play:
    """One tape played in a session. `start` is S, `offset` the seconds of audio that the session sent before it."""

    tape: Tape | None
    tape_name: str
    planned: int
    pace: str
    interval_ms: float
    start: float
    offset: float
    sent: int | None = None
    seconds: float | None = None
    last_send: float | None = None
    realtime_factor: float | None = None

    @property
    def chunk_ms(self) -> float:
        return self.tape.chunk_ms if self.tape else 100.0

    @property
    def due(self) -> float:
        """The intended send instant of the last chunk that was sent (`t`), as far as known."""
        pieces = self.planned if self.sent is None else self.sent
        per_piece = max(1, round(self.interval_ms / self.chunk_ms)) if self.pace == REALTIME else 1
        return self.start + max(0, -(-pieces // per_piece) - 1) * self.interval_ms / 1000

    @property
    def over(self) -> float:
        """The instant (`t`) at which the last of its audio was due to have been spoken, in real time."""
        return self.start + (self.planned if self.sent is None else self.sent) * self.chunk_ms / 1000
