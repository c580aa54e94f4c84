"""One session as its records tell it: events, plays, messages, close codes, and the latencies that they allow."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from e2e.verdict.bounded import BoundedCounter
from e2e.verdict.compared import Comparison
from e2e.verdict.lag import Samples
from e2e.verdict.memories import TOLD, Told
from e2e.verdict.metrics import ANY_PACE, REALTIME, STEPS, Latencies
from e2e.verdict.quality import Quality
from e2e.verdict.transcript import Segment, Tape, Transcript, says_something, segments_of
from e2e.verdict.words import WordErrors

Record = dict[str, Any]

MAX_AHEAD = 1.0
"""Seconds by which the end of a first segment may lie after the audio that was due: recognisers round and pad."""

TAIL_SECONDS = 15.0
"""After the last audio of a session: a transcript that comes later is no part of its finalisation."""

HEARTBEAT_SECONDS = 10.0

MAX_IDS = 100

_BEGINNINGS = frozenset(
    {"handler_started", "conversation_created", "conversation_resumed", "lifecycle_manager_started"}
)

_MAX_PLAYS = 200
_MAX_REQUESTS = 1000


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
    def due(self) -> float:
        """The intended send instant of the last chunk that was sent (`t`), as far as known."""
        pieces = self.planned if self.sent is None else self.sent
        per_piece = max(1, round(self.interval_ms / _chunk_ms(self))) if self.pace == REALTIME else 1
        return self.start + max(0, -(-pieces // per_piece) - 1) * self.interval_ms / 1000

    @property
    def over(self) -> float:
        """The instant (`t`) at which the last of its audio was due to have been spoken, in real time."""
        return self.start + (self.planned if self.sent is None else self.sent) * _chunk_ms(self) / 1000


@dataclass(slots=True, eq=False)
class Session:
    """`probe`: a service looked at alone, not the stream. `pace` is the run's until the session plays a tape.

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

    # -- what it amounts to ------------------------------------------------------------------------------------

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
            return f"{reason}: {error}" if error else str(reason)
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

    # -- records -----------------------------------------------------------------------------------------------

    def event(self, record: Record, latencies: Latencies) -> None:
        event = record.get("event")
        self.uid = record.get("uid", self.uid)
        self.device = record.get("device", self.device)
        if event == "connecting":
            self.began, self.url = record["t"], record.get("url")
            self.probe = bool(record.get("probe"))
        elif event == "open":
            self.opened = self.last_step = record["t"]
            self.connect_ms, self.handshake_ms = record.get("connect_ms"), record.get("handshake_ms")
            self._measure(latencies, "connect", self.connect_ms, record["t"])
            self._measure(latencies, "handshake", self.handshake_ms, record["t"])
        elif event == "ready":
            self.ready_ms = record.get("ready_ms")
            if self.ready_ms is None:
                self.ready_ms = (record["t"] - (self.opened or record["t"])) * 1000
            self._measure(latencies, "ready", self.ready_ms, record["t"])
        elif event == "failed":
            self.failed, self.ended = self.failed or record, record["t"]
        elif event == "closed":
            self.closed, self.ended = record, record["t"]

    def stream(self, record: Record, tape_of: Callable[[str, int], Tape | None], latencies: Latencies) -> None:
        if record.get("event") == "begin":
            self._sample_lag(record["t"], latencies)
            self.pace = str(record.get("pace") or REALTIME)
            if len(self.plays) < _MAX_PLAYS:
                name, planned = str(record.get("tape")), int(record.get("planned") or 0)
                offset = sum((p.sent or p.planned) * _chunk_ms(p) / 1000 for p in self.plays)
                interval, start = float(record.get("interval_ms") or 100), record.get("start")
                start = record["t"] if start is None else start
                self.plays.append(Play(tape_of(name, planned), name, planned, self.pace, interval, start, offset))
                if self.pace == REALTIME and self.kind == "listen":
                    self.lag.begin(start, offset)
        elif record.get("event") == "end" and self.plays:
            play = self.plays[-1]
            play.sent, play.seconds = record.get("sent"), record.get("seconds")
            play.realtime_factor, play.last_send = record.get("realtime_factor"), record.get("last_send")
            self._sample_lag(record["t"], latencies)

    def message(self, record: Record, latencies: Latencies) -> None:
        kind, data, t = str(record.get("kind")), record.get("data"), record["t"]
        self.messages.count(kind)
        if kind == "transcript":
            self._transcript(data, t, latencies)
        elif kind == "ping":
            self._pinged(t, latencies)
        elif kind == "segments_deleted":
            self.transcript.delete(data, t)
        elif kind == "service_status":
            self._step(data, t, latencies)
        elif kind in ("memory_processing_started", "memory_created"):
            self._memory(kind, data, t, latencies)
            self.told.message(kind, data)
        elif kind == "pusher.201" and "problem" not in record:
            self._answer(data if isinstance(data, dict) else {}, t, latencies)
        elif kind in TOLD:
            self.told.message(kind, data)

    def sent_record(self, record: Record) -> None:
        kind, data = str(record.get("kind")), record.get("data")
        self.sent_kinds.count(kind)
        if kind == "photo":
            self.told.photo(data)
        if kind == "pusher.104":
            self.requested += 1
            if isinstance(data, dict) and len(self.requests) < _MAX_REQUESTS:
                self.requests[str(data.get("conversation_id"))] = record["t"]

    def settle(self, latencies: Latencies, now: float) -> None:
        """Called once, after the session's last record: what can only be known at its end, at the latest at `now`."""
        end = now if self.ended is None else self.ended
        self._sample_lag(end, latencies)
        if self.last_ping is not None:
            self.ping_gap = max(self.ping_gap or 0.0, end - self.last_ping)
        self.settle_segments(self.transcript.segments.values(), latencies)
        if self.plays and self.plays[-1].last_send is not None and self.last_transcript is not None:
            late = self.last_transcript - self.plays[-1].due
            self._measure(latencies, "finalisation", late * 1000, self.last_transcript)

    def settle_segments(self, segments: Iterable[Segment], latencies: Latencies) -> None:
        """Called once with each segment that will not change any more."""
        if not self.displaced:
            for segment in segments:
                self._of_segment(segment, latencies)

    def _of_segment(self, segment: Segment, latencies: Latencies) -> None:
        spoken = self.due(segment.first_end, segment.first)
        last = self.due(segment.end, segment.changed)
        if spoken is not None and last is not None:
            self._measure(latencies, "segment_emission", (segment.first - spoken) * 1000, segment.first)
            if segment.deleted is None:
                late = (segment.changed - last) * 1000
                self._measure(latencies, "segment_stabilisation", late, segment.changed)

    def logged(self, record: Record) -> None:
        """A line of the service's log that belongs to this session."""
        event, detail = str(record.get("event")), record.get("detail")
        self.events.add(event)
        self.named |= record.get("uid") is not None
        if event in _BEGINNINGS:
            self.server_session = self.server_session or record.get("session")
        self.resumed |= event == "conversation_resumed"
        code = detail.get("code") if isinstance(detail, dict) else None
        if event == "client_disconnected" and isinstance(code, int):
            self.logged_code = code

    def _transcript(self, data: Any, t: float, latencies: Latencies) -> None:
        items = segments_of(data)
        for item in items:
            if says_something(item):
                self._heard(t, latencies)
                break
        if self.transcript.ids:
            # Before it takes this message: what had been heard when the samples were due.
            if t > self.lag.due:
                self._sample_lag(t, latencies)
            self.transcript.take(items, t)
            return
        # Samples before the first segment count only if it shows that its times are of this audio.
        new = self.transcript.take(items, t)
        spoken = self.due(new[0].end, t) if new else None
        if spoken is not None and self.pace == REALTIME:
            self.shift = spoken - t
            self._sample_lag(t, latencies, cursor=0.0)

    def _sample_lag(self, t: float, latencies: Latencies, cursor: float | None = None) -> None:
        """Lag in each second before `t` in which audio was sent, if anything is known to be there to be heard."""
        if not self.plays or t <= self.lag.due or self.probe or self.displaced:
            return
        play = self.plays[-1]
        if not self.transcript.ids and not (play.tape and play.tape.utterances):
            return
        self.lag.cursor = self.transcript.cursor if cursor is None else cursor
        self.lag.until(min(t, play.over), lambda due: latencies.at("transcript_lag", due))

    def _pinged(self, t: float, latencies: Latencies) -> None:
        if self.last_ping is not None:
            gap = t - self.last_ping
            self.ping_gap = max(self.ping_gap or 0.0, gap)
            self._measure(latencies, "heartbeat", gap * 1000, t)
            self._measure(latencies, "heartbeat_offset", (gap - self.heartbeat) * 1000, t)
        self.last_ping = t

    def _step(self, data: Any, t: float, latencies: Latencies) -> None:
        """A status on the way to `ready`: how long after the one before it came."""
        status = data.get("status") if isinstance(data, dict) else None
        metric = STEPS.get(status) if isinstance(status, str) else None
        if metric is not None and self.last_step is not None:
            self._measure(latencies, metric, (t - self.last_step) * 1000, t)
            self.last_step = None if status == "ready" else t

    def _memory(self, kind: str, data: Any, t: float, latencies: Latencies) -> None:
        memory = data.get("memory") if isinstance(data, dict) else None
        conversation = str(memory.get("id")) if isinstance(memory, dict) else ""
        if kind == "memory_created":
            began = self.processing.pop(conversation, None)
            self._measure(latencies, "memory_created", None if began is None else (t - began) * 1000, t)
        elif len(self.processing) < _MAX_REQUESTS:
            self.processing.setdefault(conversation, t)

    def _heard(self, t: float, latencies: Latencies) -> None:
        """A message with words came."""
        self.transcripts += 1
        play = self.plays[0] if self.plays else None
        last_send = self.plays[-1].last_send if play else None
        if last_send is None or t <= last_send + TAIL_SECONDS:
            self.last_transcript = t
        if self.first_transcript is None:
            self.first_transcript = t
            if play is not None:
                self._measure(latencies, "first_segment", (t - play.start) * 1000, t)
                onset = play.tape.onset if play.tape else None
                if onset is not None:
                    self._measure(latencies, "first_segment_speech", (t - play.start - onset) * 1000, t)

    def due(self, audio_seconds: float, t: float) -> float | None:
        """The instant at which that second of the audio was due, as seen at `t`: plays may have pauses between them."""
        for play in reversed(self.plays):
            if play is self.plays[0] or (play.start <= t and audio_seconds >= play.offset):
                return play.start + audio_seconds - play.offset
        return None

    def _answer(self, data: dict[str, Any], t: float, latencies: Latencies) -> None:
        conversation = str(data.get("conversation_id"))
        if data.get("error") or data.get("success") is False:
            if len(self.refusals) < 20:
                self.refusals.append(f"{conversation}: {data.get('error') or 'success is false'}")
        else:
            self.processed += 1
        asked = self.requests.pop(conversation, None)
        if asked is not None:
            self._measure(latencies, "pusher_processing", (t - asked) * 1000, t)

    def _measure(self, latencies: Latencies, metric: str, ms: float | None, t: float) -> None:
        if not self.probe and (metric in ANY_PACE or self.pace == REALTIME):
            latencies.add(metric, ms, t)


def _chunk_ms(play: Play) -> float:
    return play.tape.chunk_ms if play.tape else 100.0


def chunk_ms(session: Session) -> float:
    """The shortest chunk that a session played, in ms of its audio (a pusher session sends a second at once)."""
    return min((max(p.interval_ms, p.tape.chunk_ms if p.tape else 0.0) for p in session.plays), default=100.0)
