"""What a run did. Checks, verdict and reports read these facts and nothing else."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from e2e.verdict.audits import Audits
from e2e.verdict.bounded import Bounded, BoundedCounter
from e2e.verdict.contract import Contract
from e2e.verdict.curves import QualityCurve
from e2e.verdict.exercised import Exercised
from e2e.verdict.findings import Findings
from e2e.verdict.lag import Slope
from e2e.verdict.lifecycle import Lifecycle
from e2e.verdict.load_curves import LoadCurves
from e2e.verdict.logs import ErrorLines, Excerpt, ImportProblems
from e2e.verdict.metrics import REALTIME, Latencies
from e2e.verdict.quality import Quality
from e2e.verdict.samples import Samples
from e2e.verdict.scripted import ScriptChecks
from e2e.verdict.services import Service, ServiceLog, why_not_read
from e2e.verdict.sessions import Session
from e2e.verdict.state import HEARTBEAT_SECONDS
from e2e.verdict.tally import Drains, Generator, Totals
from e2e.verdict.transcript import Tape
from e2e.verdict.webhooks import Webhooks
from e2e.verdict.words import WordErrors

Record = dict[str, Any]


def wordless(run: Record) -> bool:
    """See `Facts.wordless`; of the `run` record."""
    return (run.get("target") or {}).get("recogniser") == "vad"


@dataclass(slots=True)
class Facts:
    """What a run did. Collections are bounded; where there was more, the collection says how much.

    `heard` has the word error rate in percent, by session and, as stretches, by utterance. `baseline` are the records
    that tell of the run that this one is compared with (`e2e.verdict.digest`).
    `running`: they are looked at while it still goes.
    """

    run: Record = field(default_factory=dict)
    tapes: list[Tape] = field(default_factory=list)
    phases: list[dict[str, Any]] = field(default_factory=list)
    services: dict[str, Service] = field(default_factory=dict)
    logs: dict[str, ServiceLog] = field(default_factory=dict)
    excerpt: Excerpt = field(default_factory=Excerpt)
    endpoints: Bounded[Record] = field(default_factory=lambda: Bounded(500))
    contract: Contract = field(default_factory=Contract)
    baseline: list[Record] = field(default_factory=list)
    auth: Bounded[Record] = field(default_factory=lambda: Bounded(100))
    sessions: dict[str, Session] = field(default_factory=dict)
    folded: int = 0
    folded_left: int = 0
    folded_transcripts: int = 0
    folded_unread: int = 0
    folded_events: Counter[str] = field(default_factory=Counter)
    totals: Totals = field(default_factory=Totals)
    messages: BoundedCounter = field(default_factory=BoundedCounter)
    findings: Findings = field(default_factory=Findings)
    latencies: Latencies = field(default_factory=Latencies)
    paces: set[str] = field(default_factory=set)
    words: WordErrors = field(default_factory=WordErrors)
    heard: Samples = field(default_factory=Samples)
    utterances: int = 0
    quality: Quality = field(default_factory=Quality)
    curve: QualityCurve = field(default_factory=QualityCurve)
    load: LoadCurves = field(default_factory=LoadCurves)
    lag: Slope = field(default_factory=Slope)
    events: Bounded[Record] = field(default_factory=lambda: Bounded(1000))
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    imports: ImportProblems = field(default_factory=ImportProblems)
    webhooks: Webhooks = field(default_factory=Webhooks)
    exercised: Exercised = field(default_factory=Exercised)
    audits: Audits = field(default_factory=Audits)
    errors: ErrorLines = field(default_factory=ErrorLines)
    drains: Drains = field(default_factory=Drains)
    generator: Generator = field(default_factory=Generator)
    arrivals: Record | None = None
    controls: Bounded[Record] = field(default_factory=lambda: Bounded(50))
    notes: Bounded[str] = field(default_factory=lambda: Bounded(50))
    checks: ScriptChecks = field(default_factory=ScriptChecks)
    end: Record | None = None
    last_t: float = 0.0
    running: bool = False

    @property
    def stream(self) -> list[Session]:
        """The sessions that are the test itself; of very many, those that ended cleanly are only counted."""
        return [s for s in self.sessions.values() if not s.probe]

    @property
    def probes(self) -> list[Session]:
        return [s for s in self.sessions.values() if s.probe]

    @property
    def expectations(self) -> list[Record]:
        return [e for e in self.run.get("expectations") or () if isinstance(e, dict)]

    def expectation(self, check: str) -> Record | None:
        return next((e for e in self.expectations if e.get("check") == check), None)

    @property
    def no_baseline(self) -> str | None:
        """Why there is no run to compare with, where one was asked for."""
        return next((str(r.get("why")) for r in self.baseline if r.get("part") == "none"), None)

    @property
    def interrupted(self) -> bool:
        return self.end is not None and self.end.get("reason") == "interrupted"

    @property
    def finished_by_hand(self) -> bool:
        return self.end is not None and self.end.get("reason") == "finished"

    @property
    def cut_short(self) -> str | None:
        """Why the run did not do all that it meant to; None for a run that came to its own end."""
        if self.running:
            return "the run is still going"
        if self.end is None:
            return "the journal ends before the run did"
        return "the run was interrupted" if self.interrupted else None

    @property
    def unpaced(self) -> str | None:
        """The pace at which no latency is claimed; None for a run in real time."""
        return next((p for p in sorted(self.paces or {self.pace}) if p != REALTIME), None)

    @property
    def wordless(self) -> bool:
        """Whether the target says only that there was speech: the stand-in's recogniser for load writes no words."""
        return wordless(self.run)

    @property
    def heartbeat(self) -> float:
        """The interval (s) in which pings should come: the stand-in's timers may be shorter than real ones."""
        scale = (self.run.get("target") or {}).get("timers")
        return HEARTBEAT_SECONDS * (scale if isinstance(scale, int | float) else 1)

    @property
    def pace(self) -> str:
        return str((self.run.get("options") or {}).get("pace") or REALTIME)

    @property
    def under_test(self) -> list[str]:
        """The services whose work this run saw or depended on."""
        target = self.run.get("target") or {}
        names = {*self.services, *self.logs, *(self.run.get("services") or ())}
        listened = any(s.kind == "listen" for s in self.sessions.values()) or self.folded > 0
        names |= {n for n in ("backend", "pusher") if target.get(n) and (listened or not names)}
        return sorted(names)

    def not_read(self, service: str) -> str | None:
        """Why the log of a service proves nothing; None when it was read."""
        log = self.logs.get(service)
        if self.running and log is not None and log.opened is not None and log.closed is None and not log.problem:
            return "decided when the run ends"
        return why_not_read(log, self.services.get(service), service)
