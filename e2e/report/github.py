"""What GitHub Actions shows of a run: annotations (lines on standard output) and the summary of the job.

The rules are those of https://docs.github.com/actions/reference/workflow-commands-for-github-actions.
"""

from collections.abc import Callable, Iterator
from typing import Any

from e2e.report.text import one_line

Summary = dict[str, Any]

MAX_ANNOTATIONS = 10
"""Of each level that a step can make; GitHub drops those beyond."""

MAX_SUMMARY_BYTES = 1024 * 1024
"""Of one step, in UTF-8. GitHub shows nothing of a longer one."""

MAX_MESSAGE = 1_000
MAX_EVIDENCE = 5


def annotations(summary: Summary, locate: Callable[[str], str] = str) -> Iterator[str]:
    """Workflow commands: an error for each broken import at its line and each failed check, a warning for what is not
    decided. `locate` names a file of a service as it is in the checkout, which is how GitHub finds it.
    """
    checks, verdict, errors = summary["checks"], summary["verdict"], summary["imports"]["errors"]
    failed = [check for check in checks if check["status"] == "fail"]
    undecided = [check for check in checks if check["status"] == "inconclusive"]
    found = [_import_error(error, locate) for error in errors]
    # The imports have said it, where it happened.
    found += [_check("error", check) for check in failed if not (errors and check["name"] == "zero_import_errors")]
    unsure = [_check("warning", check) for check in undecided]
    if verdict == "invalid":
        found.append(_command("error", summary["sentence"], title="e2e: invalid"))
    elif verdict == "fail" and not found:
        found.append(_command("error", summary["sentence"], title="e2e: fail"))
    elif verdict == "inconclusive" and not unsure:
        unsure.append(_command("warning", summary["sentence"], title="e2e: inconclusive"))
    yield from _bounded("error", found)
    yield from _bounded("warning", unsure)


def job_summary(markdown: str, taken: int = 0) -> str:
    """The report as text for the summary of a job, of which `taken` bytes are used already; a line in its place where
    it does not fit, and nothing where that does not.
    """
    for text in (f"{markdown}\n", "The report is too long for this summary: see report.md of the run.\n\n"):
        if taken + len(text.encode("utf-8", "backslashreplace")) <= MAX_SUMMARY_BYTES:
            return text
    return ""


def _bounded(level: str, commands: list[str]) -> Iterator[str]:
    if len(commands) <= MAX_ANNOTATIONS:
        yield from commands
        return
    yield from commands[: MAX_ANNOTATIONS - 1]
    more = f"{len(commands) - MAX_ANNOTATIONS + 1} more are in the report"
    yield _command(level, more, title="e2e: and more")


def _check(level: str, check: dict[str, Any]) -> str:
    lines = [check["detail"], *check["evidence"][:MAX_EVIDENCE]]
    return _command(level, *lines, title=f"e2e: {check['name']}")


def _import_error(error: dict[str, Any], locate: Callable[[str], str]) -> str:
    missing = f"{error['name']} from {error['module']}" if error.get("name") else error.get("module")
    lines = [f"{error['service']}: {error['kind']}: {missing}", *(error.get("evidence") or ())[:MAX_EVIDENCE]]
    at = {"file": locate(error["file"])} if error.get("file") else {}
    at |= {"line": error["line"]} if at and error.get("line") else {}
    return _command("error", *lines, title="e2e: import error", **at)


def _command(level: str, *lines: str, **properties: object) -> str:
    """`::error title=...,file=...,line=...::message`; whatever is in it, it is one command and no other."""
    said = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{level} {said}::{_data(chr(10).join(one_line(line, MAX_MESSAGE) for line in lines))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: object) -> str:
    return _data(one_line(value, 300)).replace(":", "%3A").replace(",", "%2C")
