"""One session as its records tell it: events, plays, messages, close codes, and the latencies that they allow."""

from collections.abc import Iterable, Sequence
from typing import Any

from e2e.verdict.memories import TOLD
from e2e.verdict.metrics import ANY_PACE, REALTIME, STEPS, Latencies
from e2e.verdict.plays import Play
from e2e.verdict.state import Record, SessionState
from e2e.verdict.transcript import Segment, Tape, says_something, segments_of, tape_played

TAIL_SECONDS = 15.0
"""After the last audio of a session: a transcript that comes later is no part of its finalisation."""

_BEGINNINGS = frozenset(
    {"handler_started", "conversation_created", "conversation_resumed", "lifecycle_manager_started"}
)

_MAX_PLAYS = 200
_MAX_REQUESTS = 1000


class Session(SessionState):
    """Takes the records of one session, in their order."""

    __slots__ = ()

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

    def stream(self, record: Record, tapes: Sequence[Tape], latencies: Latencies) -> None:
        if record.get("event") == "begin":
            self._sample_lag(record["t"], latencies)
            self.pace = str(record.get("pace") or REALTIME)
            if len(self.plays) < _MAX_PLAYS:
                name, planned = str(record.get("tape")), int(record.get("planned") or 0)
                offset = sum((p.sent or p.planned) * p.chunk_ms / 1000 for p in self.plays)
                interval, start = float(record.get("interval_ms") or 100), record.get("start")
                start = record["t"] if start is None else start
                tape = tape_played(tapes, name, planned)
                self.plays.append(Play(tape, name, planned, self.pace, interval, start, offset))
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
        self.lag.until(min(t, play.over), lambda due, ms: latencies.add("transcript_lag", ms, due, self.number))

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
            latencies.add(metric, ms, t, self.number)
