"""What all checks together say, in one value, one sentence and one exit code."""

from dataclasses import dataclass
from typing import Literal

from e2e.errors import ExitCode
from e2e.verdict.causes import by_cause, told
from e2e.verdict.check import Check, Params, Status, bounded, why_no_session
from e2e.verdict.checks import all_checks
from e2e.verdict.checks_services import died_of
from e2e.verdict.compare import Comparison, compare
from e2e.verdict.digest import REGRESSION, Digest
from e2e.verdict.facts import Facts
from e2e.verdict.generator import GeneratorHealth, judge_generator
from e2e.verdict.moved import Smallest

Value = Literal["pass", "fail", "inconclusive", "invalid", "running"]


@dataclass(slots=True)
class Verdict:
    value: Value
    exit_code: ExitCode
    sentence: str
    checks: list[Check]
    generator: GeneratorHealth
    comparison: Comparison | None = None

    def of(self, status: str) -> list[Check]:
        return [c for c in self.checks if c.status == status]


def judge(facts: Facts) -> Verdict:
    """The exit code is the first that holds of 130, 1, 5, 3, 4, 0 (2, wrong usage, leaves no journal)."""
    checks, generator = all_checks(facts), judge_generator(facts)
    if facts.running:
        return Verdict("running", ExitCode.INCONCLUSIVE, _so_far(facts, checks), checks, generator)
    if facts.imports.total or died_of(facts):
        # A cause was seen, so nothing is "just not there" any more.
        for check in checks:
            check.unreachable = False
    value, code = _value(facts, checks, generator)
    expected = facts.expectation(REGRESSION)
    comparison = _compared(facts, checks, generator, value, expected or {})
    if comparison is not None and expected is not None:
        # Of a target that was not there, whatever holds no more is no cause of its own.
        checks.append(_regression(comparison, unreachable=code is ExitCode.UNREACHABLE))
        value, code = _value(facts, checks, generator)
    elif expected is not None and facts.no_baseline:
        checks.append(Check(REGRESSION, "skipped", f"not checked: {facts.no_baseline}"))
    return Verdict(value, code, _sentence(facts, checks, generator, value, code), checks, generator, comparison)


def digest(facts: Facts, verdict: Verdict) -> Digest:
    """What another run is compared with."""
    return Digest.of(facts, verdict.checks, verdict.generator, verdict.value)


def _compared(
    facts: Facts, checks: list[Check], generator: GeneratorHealth, value: Value, params: Params
) -> Comparison | None:
    """With the baseline that the journal holds, if it holds one."""
    if not facts.baseline or facts.no_baseline:
        return None
    before = Digest()
    for record in facts.baseline:
        before.take(record)
    smallest = Smallest(**{k: params[k] for k in ("share", "ms") if isinstance(params.get(k), int | float)})
    return compare(before, Digest.of(facts, checks, generator, value), smallest)


def _regression(comparison: Comparison, *, unreachable: bool) -> Check:
    lines = [f"{change.what}{f': {change.detail}' if change.detail else ''}" for change in comparison.worse]
    status: Status = "fail" if comparison.regression else "pass"
    return Check(REGRESSION, status, comparison.sentence, bounded(lines), unreachable)


def _value(facts: Facts, checks: list[Check], generator: GeneratorHealth) -> tuple[Value, ExitCode]:
    failed = [c for c in checks if c.status == "fail"]
    hard = [c for c in failed if not c.unreachable]
    if (facts.end or {}).get("exit_code") == ExitCode.USAGE:
        return "inconclusive", ExitCode.USAGE
    if facts.interrupted:
        return "fail" if hard else "inconclusive", ExitCode.INTERRUPTED
    if hard or died_of(facts):
        return "fail", ExitCode.FAIL
    if generator.valid is False:
        return "invalid", ExitCode.INVALID
    if (facts.end or {}).get("exit_code") == ExitCode.UNREACHABLE:
        return "fail", ExitCode.UNREACHABLE
    open_questions = not checks or any(c.status == "inconclusive" for c in checks) or _ended_badly(facts)
    if failed or (open_questions and _nobody_there(facts)):
        return "fail", ExitCode.UNREACHABLE
    return ("inconclusive", ExitCode.INCONCLUSIVE) if open_questions else ("pass", ExitCode.PASS)


def _so_far(facts: Facts, checks: list[Check]) -> str:
    failed = [c for c in checks if c.status == "fail"]
    hold = sum(c.status == "pass" for c in checks)
    head = f"The run is still going, for {facts.last_t:.0f} s now. So far {hold} of {len(checks)} checks hold"
    if not failed:
        return f"{head}, and none failed."
    return f"{head}, and {len(failed)} failed: {told(failed)}."


def _ended_badly(facts: Facts) -> bool:
    return facts.end is None or facts.end.get("reason") not in ("complete", "finished")


def _nobody_there(facts: Facts) -> bool:
    """The target was never reached, for no cause that was seen: no session got ready, no service came up."""
    if facts.imports.total or facts.cut_short:
        return False
    sessions = facts.stream
    if sessions or facts.folded:
        return not facts.folded and all(s.unreachable for s in sessions)
    down = [s for s in facts.services.values() if s.status in ("exited", "unhealthy")]
    return bool(down) and all(s.up is None for s in down)


def _told_by(failed: list[Check], facts: Facts) -> bool:
    """Whether a failed check tells what ended the run: a service that did not get healthy."""
    of_service = (facts.end or {}).get("exit_code") == ExitCode.UNREACHABLE
    return of_service and any(check.name == "services_healthy" for check in failed)


def _sentence(facts: Facts, checks: list[Check], generator: GeneratorHealth, value: Value, code: ExitCode) -> str:
    skipped = [c.name for c in checks if c.status == "skipped"]
    checks = [c for c in checks if c.status != "skipped"]
    failed = by_cause([c for c in checks if c.status == "fail"])
    unsure = [c for c in checks if c.status == "inconclusive"]
    prefix = ""
    if facts.interrupted:
        prefix = f"The run was interrupted after {facts.last_t:.0f} s. "
    elif facts.end is None:
        prefix = f"The run did not end by itself: its journal stops after {facts.last_t:.0f} s. "
    elif facts.finished_by_hand:
        prefix = "The load was finished by hand. "
    elif facts.end.get("reason") == "error" and not _told_by(failed, facts):
        prefix = f"The run ended with an error: {str(facts.end.get('error') or 'unknown').rstrip('.')}. "
    if code is ExitCode.UNREACHABLE:
        problem = next((s.problem for s in facts.stream if s.problem), None)
        detail = failed[0].detail if failed else problem or why_no_session(facts)
        if error := (facts.end or {}).get("error"):
            # It is of the same cause, and says what to do.
            prefix, detail = "", str(error)
        return f"{prefix}The target was not reached, or never got ready: {detail}."
    if code is ExitCode.FAIL and not failed:
        return f"{prefix}The target never got ready: {died_of(facts)}."
    if failed:
        late = " (and the generator was late, so latencies mean nothing)" if generator.valid is False else ""
        return f"{prefix}{len(failed)} of {len(checks)} checks failed: {told(failed)}{late}."
    if value == "invalid":
        return f"{prefix}The generator was the bottleneck, so no number of this run counts: {generator.words()}."
    if unsure:
        more = f" (and {len(unsure) - 1} more)" if len(unsure) > 1 else ""
        first = f"{unsure[0].name}, {unsure[0].detail}{more}"
        return f"{prefix}{len(unsure)} of {len(checks)} checks could not be decided: {first}."
    if not checks:
        return f"{prefix}Nothing was expected of this run, so nothing is proven."
    aside = f"; {' and '.join(skipped)} was not checked" if skipped else ""
    return f"{prefix}All {len(checks)} checks hold{aside}."
