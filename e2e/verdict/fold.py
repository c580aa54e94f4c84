"""The journal in one pass: records in, facts out."""

from collections.abc import Iterable
from typing import Any

from e2e.record.histogram import Histogram
from e2e.verdict.facts import Facts
from e2e.verdict.fold_sessions import SESSION_KINDS, SessionFold
from e2e.verdict.logs import LogLine
from e2e.verdict.services import Service, ServiceLog
from e2e.verdict.transcript import Tape

Record = dict[str, Any]

MAX_EVENTS = 50
MAX_BASELINE = 500


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
        self._sessions = SessionFold(self.facts)
        self._sends: Record = {}
        self._takes = {kind: getattr(self, kind) for kind in _KINDS}
        self._takes |= {kind: getattr(self._sessions, kind) for kind in SESSION_KINDS}

    def take(self, record: Record) -> None:
        self.facts.last_t = max(self.facts.last_t, record["t"])
        self.facts.load.take(record)
        take = self._takes.get(record["type"])
        if take is not None:
            take(record)

    def finish(self) -> Facts:
        self._sessions.finish()
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

    def baseline(self, record: Record) -> None:
        if len(self.facts.baseline) < MAX_BASELINE:
            self.facts.baseline.append(record)

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
        excerpt.line(line, probing=alone and self._sessions.is_probing(record["t"]))

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

    def contract(self, record: Record) -> None:
        self.facts.contract.take(record)

    def auth_refused(self, record: Record) -> None:
        self.facts.auth.add(record)

    # -- the generator -----------------------------------------------------------------------------------------

    def sends(self, record: Record) -> None:
        self._sends = record
        self.facts.generator.sends(record)
        if record.get("lateness"):
            self.facts.latencies.at("send_lateness", record["t"]).merge(Histogram.from_dict(record["lateness"]))

    def generator(self, record: Record) -> None:
        sends, self._sends = self._sends, {}
        self.facts.generator.sample(record, sends, playing=bool(self._sessions.playing), chunk=self._sessions.chunk)

    def arrivals(self, record: Record) -> None:
        self.facts.arrivals = record

    def control(self, record: Record) -> None:
        self.facts.controls.add(record)

    def drain(self, record: Record) -> None:
        self.facts.drains.add(record)

    def check(self, record: Record) -> None:
        self.facts.checks.add(record)


_KINDS = (
    *("run", "baseline", "tape", "phase", "note", "end", "service", "log_source", "log", "lifecycle", "import_error"),
    *("import_use", "import_failure", "import_probe", "import_audit", "import_places"),
    *("error_line", "routes", "endpoint", "contract", "auth_refused", "sends", "generator", "arrivals", "control"),
    *("drain", "check"),
)
