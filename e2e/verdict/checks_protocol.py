"""The check of the protocol: no session's messages violate the state table of its service."""

from e2e.verdict.check import Params, Result, failed, many, not_reached, passed, unknown
from e2e.verdict.facts import Facts
from e2e.verdict.findings import words

STALL_MS = 5_000.0
"""A stall of the generator's own event loop, in ms, that could make a ping seem late: they come every 10 s."""


def protocol(facts: Facts, params: Params) -> Result:
    """Fails on errors. Warnings are told. What is about a time counts only where the generator itself did not stall."""
    findings = facts.findings
    if not findings.judged:
        return not_reached(facts)
    late = (facts.generator.lag.max or 0.0) >= STALL_MS
    errors = [group for group in findings.errors if not (late and group.rule.timed)]
    evidence = [words(group) for group in findings.ordered()]
    if errors:
        first = errors[0].first
        told = [f"  {line}" for line in (first.evidence if first else ())]
        at = evidence.index(words(errors[0])) + 1
        detail = f"{many(len(errors), 'kind')} of violation: {words(errors[0])}"
        return failed(detail, [*evidence[:at], *told, *evidence[at:]])
    sessions = many(findings.judged, "session")
    if findings.errors:
        return unknown(f"the generator itself stalled: {words(findings.errors[0])}", evidence)
    warned = f", {many(len(evidence), 'warning')}" if evidence else ""
    if facts.cut_short:
        return unknown(f"no violation in {sessions} so far{warned}; {facts.cut_short}", evidence)
    return passed(f"no violation in {sessions}{warned}", evidence)
