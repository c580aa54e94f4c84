"""What of a run another one is compared with: little enough to be kept in the journal of that other run."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from e2e.verdict.check import Check
from e2e.verdict.contract import Contract
from e2e.verdict.facts import Facts
from e2e.verdict.generator import GeneratorHealth
from e2e.verdict.moved import WORDS

Record = dict[str, Any]

REGRESSION = "regression"
"""The check that a comparison itself makes; it is not compared."""

MAX_NAMES = 3_000
_ROWS = 200
_TEXT = 300


@dataclass(slots=True)
class Digest:
    """`run` says what was run, and how far its figures count. `samples` is by metric: `sessions` and `stretches` (rows
    of `Blocks`), `p50`, `p95`, `count`; of the word error rate `rate` in percent. `imports` is by service, each with
    `saw` (bool: the probe saw all of it), `names` and `left_out`. `logs` says why the log of a service was not
    read, or None.
    """

    run: Record = field(default_factory=dict)
    checks: list[Record] = field(default_factory=list)
    samples: dict[str, Record] = field(default_factory=dict)
    errors: list[Record] = field(default_factory=list)
    import_errors: list[Record] = field(default_factory=list)
    imports: dict[str, Record] = field(default_factory=dict)
    findings: list[Record] = field(default_factory=list)
    contract: Contract = field(default_factory=Contract)

    @classmethod
    def of(cls, facts: Facts, checks: Iterable[Check], generator: GeneratorHealth, verdict: str) -> "Digest":
        return cls(
            run=_run(facts, generator, verdict),
            checks=[
                {"name": c.name[:_TEXT], "status": c.status, "detail": c.detail[:_TEXT]}
                for c in checks
                if c.name != REGRESSION
            ],
            samples=_samples(facts),
            errors=[
                {n: getattr(g, n) for n in ("service", "fingerprint", "level", "count")}
                | {"pattern": g.pattern[:_TEXT], "example": g.example[:_TEXT]}
                for g in facts.errors.groups
            ],
            import_errors=[
                {n: getattr(p, n) for n in ("service", "kind", "module", "name", "file")} | {"title": p.title[:_TEXT]}
                for p in facts.imports
            ],
            imports=_imports(facts),
            findings=[
                {"code": g.code, "severity": g.rule.severity, "title": g.rule.title, "count": g.count}
                for g in facts.findings.ordered()
            ],
            contract=facts.contract,
        )

    def records(self) -> Iterator[Record]:
        """Records of bounded size, each with its `part`: what `take` takes."""
        yield {"part": "run", "run": self.run}
        for part in ("checks", "errors", "import_errors", "findings"):
            rows = getattr(self, part)
            for at in range(0, len(rows), _ROWS):
                yield {"part": part, "rows": rows[at : at + _ROWS]}
        for metric, samples in self.samples.items():
            yield {"part": "samples", "metric": metric, **samples}
        for service, known in self.imports.items():
            names = known["names"]
            for at in range(0, max(1, len(names)), _ROWS):
                yield {"part": "imports", "service": service, **known, "names": names[at : at + _ROWS]}
        for record in self.contract.records():
            yield {"part": "contract", **record}

    def take(self, record: Record) -> None:
        part = record.get("part")
        fields = {k: v for k, v in record.items() if k not in ("t", "type", "part")}
        if part == "run":
            self.run = fields.get("run") or {}
        elif part in ("checks", "errors", "import_errors", "findings"):
            getattr(self, part).extend(row for row in fields.get("rows") or () if isinstance(row, dict))
        elif part == "samples":
            self.samples[str(fields.pop("metric", None))] = fields
        elif part == "imports":
            known = self.imports.setdefault(str(fields.get("service")), {"names": []})
            self.imports[str(fields.pop("service", None))] = {
                **fields,
                "names": known["names"] + list(fields.get("names") or ()),
            }
        elif part == "contract":
            self.contract.take(fields)


def _run(facts: Facts, generator: GeneratorHealth, verdict: str) -> Record:
    run = facts.run
    return {
        **{n: run.get(n) for n in ("run_id", "scenario", "started", "version", "options")},
        "target": (run.get("target") or {}).get("name"),
        "target_details": {k: v for k, v in (run.get("target") or {}).items() if k in ("timers", "recogniser")},
        "environment": {k: v for k, v in (run.get("environment") or {}).items() if k in ("system", "cores", "python")},
        "verdict": verdict,
        "late": generator.words()[:_TEXT] if generator.valid is False else None,
        "cut_short": facts.cut_short,
        "unpaced": facts.unpaced,
        "logs": {name: facts.not_read(name) for name in facts.under_test},
        "errors_ungrouped": facts.errors.ungrouped,
        "foreign": facts.generator.most.get("foreign"),
        "watched_never": facts.exercised.never()[:_ROWS],
    }


def _samples(facts: Facts) -> dict[str, Record]:
    samples = {}
    for metric, blocks in facts.latencies.samples.items():
        histogram = facts.latencies[metric]
        figures = {"p50": histogram.percentile(50), "p95": histogram.percentile(95), "count": histogram.count}
        samples[metric] = {**blocks.to_dict(), **figures}
    if facts.words.rate is not None:
        rate = 100 * facts.words.rate
        samples[WORDS] = {**facts.heard.to_dict(), "p50": rate, "rate": rate, "count": facts.words.sessions}
    return samples


def _imports(facts: Facts) -> dict[str, Record]:
    known = {}
    for service in sorted(facts.exercised.probes):
        names = sorted(facts.exercised.names(service))
        left_out = max(0, len(names) - MAX_NAMES) + facts.exercised.left_out
        known[service] = {"saw": facts.exercised.saw(service), "names": names[:MAX_NAMES], "left_out": left_out}
    return known
