"""The records of sessions, folded: each while it lives, what it counts for when it has ended, and forgetting it."""

from collections import deque
from itertools import count
from typing import Any

from e2e.verdict.compared import Comparisons
from e2e.verdict.facts import Facts
from e2e.verdict.reconnects import Reconnects
from e2e.verdict.sessions import Session
from e2e.verdict.stored import differs, unstored
from e2e.verdict.transcript import Segment
from e2e.verdict.understanding import MAX_LIVE, settle_beginning, understand

Record = dict[str, Any]

MAX_SESSIONS = 5_000
MAX_TEXTS = 20
MAX_IDS = 100


class SessionFold:
    """Folds into `facts` whatever names a session. `playing` are those that stream now, `chunk` is the shortest one
    (ms) that any has played."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.playing: set[str] = set()
        self.chunk = 100.0
        self._numbers = count()
        self._open: set[str] = set()
        self._of_device: dict[Any, set[Session]] = {}
        self._probing: dict[str, float | None] = {}
        self._ended: deque[Session] = deque()
        self._reconnects = Reconnects()
        self._comparisons = Comparisons()

    def finish(self) -> None:
        """The journal has ended: so have all sessions."""
        for sid in sorted(self._open):
            self._settle(self.facts.sessions[sid], closed=False)

    def is_probing(self, t: float) -> bool:
        """Whether a pusher alone is looked at. A log line may be read a moment after the close that caused it."""
        return any(ended is None or t <= ended + 1.0 for ended in self._probing.values())

    def _session(self, record: Record) -> Session:
        sid = str(record.get("sid"))
        session = self.facts.sessions.get(sid)
        if session is None:
            kind, number = str(record.get("kind") or "listen"), next(self._numbers)
            session = Session(sid, kind, number, self.facts.pace, heartbeat=self.facts.heartbeat)
            session.transcript.keep_versions = len(self.facts.sessions) < MAX_TEXTS
            self.facts.sessions[sid] = session
            self._open.add(sid)
        return session

    def session(self, record: Record) -> None:
        session = self._session(record)
        session.event(record, self.facts.latencies)
        self.facts.findings.session(session, record)
        event = record.get("event")
        if event == "connecting":
            self._of_device.setdefault(session.device, set()).add(session)
            if session.probe:
                if session.kind == "pusher":
                    self._probing[session.sid] = None
            else:
                if session.kind == "listen":
                    self._reconnects.connecting(session)
                self.facts.lifecycle.connecting(session)
                self.facts.webhooks.connecting(session)
                if self.facts.excerpt.streaming_since is None:
                    self.facts.excerpt.streaming_since = record["t"]
        elif event == "ready":
            self._reconnects.ready(session, record["t"], self.facts.latencies)
        # A session that was never open has no `closed`: its failure is its last record.
        if event == "closed" or (event == "failed" and session.opened is None):
            self._settle(session, closed=True)

    def device(self, record: Record) -> None:
        # Sessions that ended before owe what they planned.
        if record.get("event") == "ended":
            for session in self._of_device.pop(record.get("device"), ()):
                session.left = str(record.get("why") or "ended")

    def stream(self, record: Record) -> None:
        session = self._session(record)
        session.stream(record, self.facts.tapes, self.facts.latencies)
        self.facts.findings.stream(session, record)
        if record.get("event") == "begin":
            self._plays(session, record["t"])
            self.chunk = min(self.chunk, session.chunk_ms)
            self._reconnects.playing(session, self.facts.latencies)
        else:
            self._plays_no_more(session, record["t"])
        if not session.probe:
            self.facts.paces.add(session.pace)

    def _plays(self, session: Session, t: float) -> None:
        if session.sid not in self.playing:
            self.playing.add(session.sid)
            if session.kind == "listen" and not session.probe:
                self.facts.curve.streams.change(t, 1)

    def _plays_no_more(self, session: Session, t: float) -> None:
        if session.sid in self.playing:
            self.playing.discard(session.sid)
            if session.kind == "listen" and not session.probe:
                self.facts.curve.streams.change(t, -1)

    def message(self, record: Record) -> None:
        session = self._session(record)
        session.message(record, self.facts.latencies)
        self.facts.findings.message(session, record)
        self.facts.webhooks.message(session, record)
        if not session.probe:
            self.facts.messages.count(str(record.get("kind")))
        if len(session.transcript.segments) > (session.next_cut or MAX_LIVE):
            self._heard(session, settle_beginning(self.facts, session, record["t"]))

    def _heard(self, session: Session, segments: dict[str, Segment], *, ended: bool = False) -> None:
        """Segments of which no more will come."""
        room = MAX_IDS - len(session.segment_ids)
        session.segment_ids.update([key for key, s in segments.items() if s.deleted is None][:room])
        self.facts.webhooks.heard(session, segments, ended=ended)
        self._comparisons.heard(session.compared, segments, ended=ended)

    def sent(self, record: Record) -> None:
        session = self._session(record)
        session.sent_record(record)
        self.facts.findings.sent(session, record)

    def conversation(self, record: Record) -> None:
        session = self.facts.sessions.get(str(record.get("sid")))
        if session is not None:
            session.conversation = record
            self._comparisons.read(session.compared, record.get("whole") is True)

    def stored(self, record: Record) -> None:
        session = self.facts.sessions.get(str(record.get("sid")))
        if session is not None:
            self._comparisons.stored(session.compared, record.get("segments"))

    def wait(self, record: Record) -> None:
        self._session(record).told.waited(record)

    def webhook(self, record: Record) -> None:
        self.facts.webhooks.take(record, self.facts.latencies)

    def _settle(self, session: Session, *, closed: bool) -> None:
        if session.sid not in self._open:
            return
        self._open.discard(session.sid)
        facts = self.facts
        mates = self._of_device.get(session.device, {session})
        mates.discard(session)
        if not mates:
            self._of_device.pop(session.device, None)
        self._plays_no_more(session, facts.last_t)
        session.settle(facts.latencies, facts.last_t)
        facts.findings.settle(session)
        if session.sid in self._probing:
            self._probing[session.sid] = session.ended
        if session.probe:
            facts.totals.probes += 1
            facts.totals.probe_chunks += session.sent or 0
            return
        facts.totals.settle(session, closed=closed)
        if session.kind == "listen":
            self._reconnects.ended(session)
        if session.plays and session.reached:
            understand(facts, session, session.transcript.segments)
        self._slim(session)

    def _slim(self, session: Session) -> None:
        """Keep what checks ask of one session; drop what has been counted."""
        facts = self.facts
        self._heard(session, session.transcript.segments, ended=True)
        session.transcript.segments = {}
        if facts.totals.sessions > MAX_TEXTS:
            session.text, session.reference = session.text[:200], None
        self._ended.append(session)
        # The oldest goes: its last log lines and its conversation have been read by now.
        if len(self._ended) > MAX_SESSIONS:
            self._forget(self._ended.popleft())

    def _forget(self, session: Session) -> None:
        """Only count a session from now on; one that did not end cleanly is kept."""
        clean = session.reached and session.problem is None and session.close_code == 1000
        left = session.left is not None
        clean = clean and (left or (session.sent == session.planned and session.transcripts > 0))
        clean = clean and session.logged_code in (None, 1000)
        clean = clean and not (session.conversation is not None and (unstored(session) or differs(session)))
        clean = clean and not any(w.get("heard") and not w.get("seen") for w in session.told.waits)
        clean = clean and not any(m.problem for m in session.told.created)
        if not clean or any(state != "described" for state in session.told.photos.values()):
            return
        self._comparisons.forget(session.compared)
        facts = self.facts
        if not left:
            smallest = facts.folded_transcripts if facts.folded > facts.folded_left else session.transcripts
            facts.folded_transcripts = min(smallest, session.transcripts)
            facts.folded_unread += session.conversation is None
        facts.folded += 1
        facts.folded_left += left
        facts.folded_events.update(session.events)
        facts.lifecycle.forget(session)
        del facts.sessions[session.sid]


SESSION_KINDS = ("session", "device", "stream", "message", "sent", "conversation", "stored", "wait", "webhook")
"""The records that are of a session, or of a device."""
