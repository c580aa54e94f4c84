"""The result of one expectation, and the few words that all checks share."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from e2e.verdict.facts import Facts
from e2e.verdict.sessions import Session

Status = Literal["pass", "fail", "inconclusive", "skipped"]
"""`skipped`: there was nothing to check, which says nothing of the run."""

Params = Mapping[str, Any]

MAX_EVIDENCE = 20


@dataclass(slots=True)
class Check:
    """`unreachable`: it failed only because the target was not there or never got ready, for no cause that was seen."""

    name: str
    status: Status
    detail: str
    evidence: list[str] = field(default_factory=list)
    unreachable: bool = False

    def to_dict(self) -> dict[str, Any]:
        data = {"name": self.name, "status": self.status, "detail": self.detail, "evidence": self.evidence}
        return {**data, "unreachable": True} if self.unreachable else data


@dataclass(slots=True)
class Result:
    """A check without its name."""

    status: Status
    detail: str
    evidence: list[str] = field(default_factory=list)
    unreachable: bool = False


def passed(detail: str, evidence: Iterable[str] = ()) -> Result:
    return Result("pass", detail, bounded(evidence))


def failed(detail: str, evidence: Iterable[str] = (), *, unreachable: bool = False) -> Result:
    return Result("fail", detail, bounded(evidence), unreachable)


def unknown(detail: str, evidence: Iterable[str] = ()) -> Result:
    return Result("inconclusive", detail, bounded(evidence))


def missing(facts: Facts, detail: str, evidence: Iterable[str] = ()) -> Result:
    """Something did not happen: a failure, unless the run was cut short before it could."""
    if facts.cut_short:
        return unknown(f"not reached: {facts.cut_short} ({detail})", evidence)
    return failed(detail, evidence)


def not_reached(facts: Facts) -> Result:
    """Nothing can be said, because no session of the stream got so far."""
    return unknown(f"not reached: {facts.cut_short or why_no_session(facts)}")


def why_no_session(facts: Facts) -> str:
    down = [s.name for s in facts.services.values() if s.status in ("exited", "unhealthy")]
    if not facts.stream and down:
        return f"{' and '.join(down)} did not run"
    return "no session got ready" if facts.stream else "no session was opened"


def reached(facts: Facts, kind: str | None = None) -> list[Session]:
    return [s for s in facts.stream if s.reached and kind in (None, s.kind)]


def name_of(session: Session) -> str:
    return f"{session.kind} {session.sid}{f' ({session.uid})' if session.uid else ''}"


def many(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def examples(sessions: Iterable[Session], say) -> list[str]:
    return [f"{name_of(s)}: {say(s)}" for s in sessions]


def bounded(evidence: Iterable[str]) -> list[str]:
    """The first lines of evidence, and how many there were beyond them."""
    lines = [str(line) for line in evidence]
    beyond = len(lines) - MAX_EVIDENCE
    return lines if beyond <= 0 else [*lines[:MAX_EVIDENCE], f"... and {beyond} more"]
