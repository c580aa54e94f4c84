"""The journal in one pass: records in, facts out."""

from collections import deque
from collections.abc import Iterable
from typing import Any

from e2e.record.histogram import Histogram
from e2e.verdict.compared import Comparisons
from e2e.verdict.facts import Facts
from e2e.verdict.logs import LogLine
from e2e.verdict.reconnects import Reconnects
from e2e.verdict.services import Service, ServiceLog
from e2e.verdict.sessions import MAX_IDS, Session, chunk_ms
from e2e.verdict.stored import differs, unstored
from e2e.verdict.transcript import Segment, Tape, tape_played
from e2e.verdict.understanding import MAX_LIVE, settle_beginning, understand

Record = dict[str, Any]

MAX_SESSIONS = 5_000
MAX_TEXTS = 20
MAX_EVENTS = 50


def read_facts(records: Iterable[Record]) -> Facts:
    """Fold the records of a journal, in their order. Kinds that are not known are skipped."""
    fold = Fold()
    for record in records:
        fold.take(record)
    return fold.finish()


class Fold:
    """Takes records one by one. `finish` is called once, after the last: it counts what is still open as it is then."""

    def __init__(self) -> None:
        self.facts = Facts()
        self._open: set[str] = set()
        self._of_device: dict[Any, set[Session]] = {}
        self._probing: dict[str, float | None] = {}
        self._playing: set[str] = set()
        self._ended: deque[Session] = deque()
        self._reconnects = Reconnects()
        self._sends: Record = {}
        self._chunk = 100.0
        self._comparisons = Comparisons()

    def take(self, record: Record) -> None:
        self.facts.last_t = max(self.facts.last_t, record["t"])
        self.facts.load.take(record)
        handler = _HANDLERS.get(record["type"])
        if handler is not None:
            handler(self, record)

    def finish(self) -> Facts:
        for sid in sorted(self._open):
            self._settle(self.facts.sessions[sid], closed=False)
        facts, totals = self.facts, self.facts.totals
        for services, findings in facts.audits.findings():
            facts.imports.join_audit(services, findings)
        # Counted last: the failure of a stream is written after the close that caused it.
        totals.failed = sum(s.problem is not None for s in facts.stream)
        ended = [s for s in facts.stream if s.left is not None and s.problem is None and not s.reached]
        totals.left_unopened, totals.left_unready = sum(s.opened is None for s in ended), len(ended)
        if totals.unsettled:
            # What the pacer says once a second stands in for the `closed` records that never came.
            totals.sent = max(totals.sent, facts.generator.sent - totals.probe_chunks)
        if facts.unpaced is not None:
            facts.latencies.series.pop("send_lateness", None)
        facts.latencies.close()
        facts.load.close(facts.last_t)
        return facts

    # -- the run -----------------------------------------------------------------------------------------------

    def run(self, record: Record) -> None:
        self.facts.run = record
        self.facts.findings.target(record.get("target") or {})

    def tape(self, record: Record) -> None:
        if len(self.facts.tapes) < 100:
            self.facts.tapes.append(Tape.from_record(record))

    def phase(self, record: Record) -> None:
        phases = self.facts.phases
        if record.get("phase") == "stop":
            self.facts.excerpt.close()
        if record.get("state") == "begin" and len(phases) < 200:
            phases.append({"phase": record.get("phase"), "begin": record["t"], "end": None})
        elif record.get("state") == "end":
            for phase in reversed(phases):
                if phase["phase"] == record.get("phase") and phase["end"] is None:
                    phase["end"] = record["t"]
                    break

    def note(self, record: Record) -> None:
        self.facts.notes.add(str(record.get("text")))

    def end(self, record: Record) -> None:
        self.facts.end = record

    # -- services and their logs -------------------------------------------------------------------------------

    def _service(self, record: Record) -> Service:
        name = str(record.get("service"))
        return self.facts.services.setdefault(name, Service(name))

    def _log(self, record: Record) -> ServiceLog:
        name = str(record.get("service"))
        return self.facts.logs.setdefault(name, ServiceLog(name))

    def service(self, record: Record) -> None:
        self._service(record).fold(record)

    def log_source(self, record: Record) -> None:
        self._log(record).fold(record)

    def log(self, record: Record) -> None:
        service, text = str(record.get("service")), str(record.get("text"))
        self._log(record).line(text)
        line = LogLine(record["t"], service, record.get("n") or 0, str(record.get("level") or ""), text)
        excerpt = self.facts.excerpt
        alone = service == "pusher" and excerpt.streaming_since is None
        excerpt.line(line, probing=alone and self._is_probing(record["t"]))

    def _is_probing(self, t: float) -> bool:
        # A log line may be read a moment after the close that caused it.
        return any(ended is None or t <= ended + 1.0 for ended in self._probing.values())

    def lifecycle(self, record: Record) -> None:
        facts, event = self.facts, str(record.get("event"))
        text = facts.excerpt.mark(str(record.get("service")), record.get("n"), event)
        facts.lifecycle.take(record)
        # Of each event only the first ones: what comes once at the end must not drown in what comes every second.
        if facts.lifecycle.counts[event] <= MAX_EVENTS:
            facts.events.add({**record, "text": text})

    def import_error(self, record: Record) -> None:
        self.facts.imports.fold(record)
        self.facts.excerpt.mark(str(record.get("service")), record.get("n"), "import_error")

    def import_use(self, record: Record) -> None:
        self.facts.exercised.use(record)

    def import_failure(self, record: Record) -> None:
        self.facts.exercised.fail(record)
        if record.get("error"):
            self.facts.imports.fold_probed(record)
        else:
            self.facts.exercised.forgive(record)

    def import_probe(self, record: Record) -> None:
        self.facts.exercised.probe(record)

    def import_audit(self, record: Record) -> None:
        self.facts.audits.audit(record)

    def import_places(self, record: Record) -> None:
        self.facts.audits.places(record)

    def error_line(self, record: Record) -> None:
        self.facts.errors.fold(record)
        if not record.get("noise"):
            self.facts.excerpt.mark(str(record.get("service")), record.get("n"), "error")

    def routes(self, record: Record) -> None:
        # A service that only answers over HTTP was still seen.
        self._service(record).routes = record

    def endpoint(self, record: Record) -> None:
        self.facts.endpoints.add(record)

    def auth_refused(self, record: Record) -> None:
        self.facts.auth.add(record)

    # -- sessions ----------------------------------------------------------------------------------------------

    def _session(self, record: Record) -> Session:
        sid = str(record.get("sid"))
        session = self.facts.sessions.get(sid)
        if session is None:
            session = Session(sid, str(record.get("kind") or "listen"), self.facts.pace, heartbeat=self.facts.heartbeat)
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
        session.stream(record, self._tape, self.facts.latencies)
        self.facts.findings.stream(session, record)
        if record.get("event") == "begin":
            self._plays(session, record["t"])
            self._chunk = min(self._chunk, chunk_ms(session))
            self._reconnects.playing(session, self.facts.latencies)
        else:
            self._plays_no_more(session, record["t"])
        if not session.probe:
            self.facts.paces.add(session.pace)

    def _plays(self, session: Session, t: float) -> None:
        if session.sid not in self._playing:
            self._playing.add(session.sid)
            if session.kind == "listen" and not session.probe:
                self.facts.curve.streams.change(t, 1)

    def _plays_no_more(self, session: Session, t: float) -> None:
        if session.sid in self._playing:
            self._playing.discard(session.sid)
            if session.kind == "listen" and not session.probe:
                self.facts.curve.streams.change(t, -1)

    def _tape(self, name: str, planned: int) -> Tape | None:
        return tape_played(self.facts.tapes, name, planned)

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
        self._count(session, closed)
        if session.kind == "listen":
            self._reconnects.ended(session)
        if session.plays and session.reached:
            understand(facts, session, session.transcript.segments)
        self._slim(session)

    def _count(self, session: Session, closed: bool) -> None:
        totals, record = self.facts.totals, session.closed or {}
        totals.sessions += 1
        totals.connected += session.opened is not None
        totals.reached += session.reached
        totals.planned += session.planned
        totals.sent += session.sent or 0
        totals.transcripts += session.transcripts
        totals.displaced += session.displaced
        totals.left += session.left is not None
        totals.left_chunks += max(0, session.planned - (session.sent or 0) - session.unsent)
        totals.bytes += record.get("bytes_sent") or 0
        totals.unsettled += bool(session.plays) and not closed
        backlog = record.get("backlog_max_bytes") or 0
        totals.backlog = max(totals.backlog, backlog)
        if session.sent and record.get("bytes_sent"):
            totals.backlog_chunks = max(totals.backlog_chunks, backlog * session.sent / record["bytes_sent"])
        totals.ids += session.transcript.ids
        totals.revisions += session.transcript.revisions
        totals.deleted += session.transcript.deleted
        totals.out_of_order += session.transcript.out_of_order
        if session.kind == "listen" and session.ping_gap is not None:
            totals.ping_gap = max(totals.ping_gap or 0.0, session.ping_gap)
        if record.get("code") is not None:
            totals.close_codes[str(record["code"])] += 1

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

    # -- the generator -----------------------------------------------------------------------------------------

    def sends(self, record: Record) -> None:
        self._sends = record
        self.facts.generator.sends(record)
        if record.get("lateness"):
            self.facts.latencies.at("send_lateness", record["t"]).merge(Histogram.from_dict(record["lateness"]))

    def generator(self, record: Record) -> None:
        sends, self._sends = self._sends, {}
        self.facts.generator.sample(record, sends, playing=bool(self._playing), chunk=self._chunk)

    def arrivals(self, record: Record) -> None:
        self.facts.arrivals = record

    def drain(self, record: Record) -> None:
        self.facts.drains.add(record)

    def check(self, record: Record) -> None:
        self.facts.checks.add(record)


_KINDS = (
    *("run", "tape", "phase", "note", "end", "service", "log_source", "log", "lifecycle", "import_error"),
    *("import_use", "import_failure", "import_probe", "import_audit", "import_places"),
    *("error_line", "routes", "endpoint", "auth_refused", "session", "stream", "message", "sent", "conversation"),
    *("stored", "wait", "webhook", "sends", "generator", "device", "arrivals", "drain", "check"),
)
_HANDLERS = {kind: getattr(Fold, kind) for kind in _KINDS}
