"""What is known of one session, and what it amounts to."""

from dataclasses import dataclass, field
from typing import Any

from e2e.verdict.bounded import BoundedCounter
from e2e.verdict.compared import Comparison
from e2e.verdict.lag import Samples
from e2e.verdict.memories import Told
from e2e.verdict.metrics import REALTIME
from e2e.verdict.plays import Play
from e2e.verdict.quality import Quality
from e2e.verdict.transcript import Segment, Transcript
from e2e.verdict.words import WordErrors

Record = dict[str, Any]

MAX_AHEAD = 1.0
"""Seconds by which the end of a first segment may lie after the audio that was due: recognisers round and pad."""

HEARTBEAT_SECONDS = 10.0


@dataclass(slots=True, eq=False)
class SessionState:
    """`number` counts the sessions of the run from 0. `probe`: a service looked at alone, not the stream. `pace` is the
    run's until the session plays a tape.

    `transcripts` counts the messages that hold words. `events` are the life-cycle lines of its own: `named` says that
    one gives its user, `server_session` is the id that the service gave it, `logged_code` the close code that it saw.
    `shift` is how many seconds the first segment's end lies after the audio that was due when it came. `left` is why
    the load, not its script, ended it; what it had not done by then is no failure of it. `heartbeat` is the interval
    (s) in which pings should come. `quality`, `words` and `history` are known once it has ended; of a long one,
    what was heard up to `settled_to` (seconds of its audio) is in them already, and it keeps `next_cut` segments until
    more of it is settled.
    """

    sid: str
    kind: str
    number: int = 0
    pace: str = REALTIME
    uid: str | None = None
    device: Any = None
    probe: bool = False
    url: str | None = None
    began: float = 0.0
    opened: float | None = None
    connect_ms: float | None = None
    handshake_ms: float | None = None
    ready_ms: float | None = None
    failed: Record | None = None
    closed: Record | None = None
    ended: float | None = None
    left: str | None = None
    plays: list[Play] = field(default_factory=list)
    messages: BoundedCounter = field(default_factory=BoundedCounter)
    sent_kinds: BoundedCounter = field(default_factory=BoundedCounter)
    transcript: Transcript = field(default_factory=Transcript)
    transcripts: int = 0
    first_transcript: float | None = None
    last_transcript: float | None = None
    last_ping: float | None = None
    ping_gap: float | None = None
    heartbeat: float = HEARTBEAT_SECONDS
    last_step: float | None = None
    processing: dict[str, float] = field(default_factory=dict)
    lag: Samples = field(default_factory=Samples)
    requests: dict[str, float] = field(default_factory=dict)
    requested: int = 0
    processed: int = 0
    refusals: list[str] = field(default_factory=list)
    conversation: Record | None = None
    compared: Comparison = field(default_factory=Comparison)
    told: Told = field(default_factory=Told)
    events: set[str] = field(default_factory=set)
    named: bool = False
    server_session: str | None = None
    logged_code: int | None = None
    resumed: bool = False
    shift: float | None = None
    quality: Quality | None = None
    words: WordErrors | None = None
    history: list[tuple[str, Segment]] = field(default_factory=list)
    settled_to: float = 0.0
    next_cut: int = 0
    segment_ids: set[str] = field(default_factory=set)
    text: str = ""
    reference: str | None = None

    @property
    def reached(self) -> bool:
        """Whether the service was there for it: ready (listen), or open (pusher, which announces nothing)."""
        return self.ready_ms is not None if self.kind == "listen" else self.opened is not None

    @property
    def close_code(self) -> int | None:
        return self.closed.get("code") if self.closed else None

    @property
    def planned(self) -> int:
        plays = sum(p.planned for p in self.plays)
        return max(plays, (self.closed or {}).get("chunks_planned") or 0)

    @property
    def sent(self) -> int | None:
        """Chunks sent; None when the journal ends before it says so."""
        if self.closed is not None and self.closed.get("chunks_sent") is not None:
            return self.closed["chunks_sent"]
        if any(p.sent is None for p in self.plays):
            return None
        return sum(p.sent or 0 for p in self.plays)

    @property
    def unsent(self) -> int:
        """Chunks that it owes: planned, not sent, and not given up because the load ended it."""
        if self.left is not None and self.closed is not None:
            return 0
        return max(0, self.planned - (self.sent or 0))

    @property
    def dropped(self) -> bool:
        """Whether the load ended it before it did anything, so that there was no handshake to close with."""
        if self.left is None or self.failed is not None or self.plays:
            return False
        closed = self.closed or {}
        return self.opened is None or (closed.get("by") == "lost" and closed.get("sent_code") is None)

    @property
    def displaced(self) -> bool:
        """Whether its segment times do not count from its own first audio, so that none of them is a latency."""
        return self.resumed or (self.shift or 0.0) > MAX_AHEAD

    @property
    def problem(self) -> str | None:
        """What went wrong with it, in words; None for a session that ended as it should, or has not ended."""
        if self.failed is not None:
            reason, error = self.failed.get("reason") or "failed", self.failed.get("error")
            # `listen u1: closed with 1011`, of `listen u1`, for the reason `closed`: each is said once.
            words = str(error or "").removeprefix(f"{self.kind} {self.uid}: ")
            known = not words or words.lower().startswith(str(reason).replace("_", " "))
            return words or str(reason) if known else f"{reason}: {words}"
        if self.dropped:
            return None
        code, by, words = self.close_code, (self.closed or {}).get("by"), (self.closed or {}).get("reason")
        unsent = self.unsent > 0
        if by not in ("server", "lost") or (code in (1000, 1001) and not unsent):
            return None
        who, why = "server" if by == "server" else "network", f" {words}" if words else ""
        return f"closed by the {who} with {code}{why}{f' after {self.sent or 0} of {self.planned} chunks' * unsent}"

    @property
    def unreachable(self) -> bool:
        """It failed because the target was not there or never got ready, and the target named no cause of its own."""
        return not self.reached and self.problem is not None and self.close_code != 1011

    @property
    def chunk_ms(self) -> float:
        """The shortest chunk that it played, in ms of its audio (a pusher session sends a second at once)."""
        return min((max(p.interval_ms, p.tape.chunk_ms if p.tape else 0.0) for p in self.plays), default=100.0)

    def due(self, audio_seconds: float, t: float) -> float | None:
        """The instant at which that second of the audio was due, as seen at `t`: plays may have pauses between them."""
        for play in reversed(self.plays):
            if play is self.plays[0] or (play.start <= t and audio_seconds >= play.offset):
                return play.start + audio_seconds - play.offset
        return None
