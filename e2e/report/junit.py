"""`junit.xml`: the scenario as a suite, one test case for each check, for CI systems that know nothing else.

Written as Jenkins, Surefire, GitLab and the actions of GitHub read it: `tests/report/junit.xsd` states what they agree
on.
"""

from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from e2e.report.text import one_line

Summary = dict[str, Any]

MAX_NAME = 200
MAX_MESSAGE = 1_000
"""Characters of an attribute, which CI systems show on one line."""

MAX_LINE = 1_000
MAX_LINES = 50
"""Of one case. A check has at most 20 lines of evidence; a run has any number of reasons to be invalid."""

PROPERTIES = ("run_id", "title", "target", "verdict", "exit_code", "pace", "started", "version")
OPTIONS = ("users", "chunks", "duration", "audio", "codec", "seed")


def render_junit(summary: Summary) -> str:
    """A failed check is a `failure`, an undecided one is `skipped` with its reason, an invalid run is an `error`."""
    checks, verdict = summary["checks"], summary["verdict"]
    failed = sum(c["status"] == "fail" for c in checks)
    # A target that was never there fails the run without failing a check.
    alone = verdict == "fail" and not failed
    counts = {
        "tests": len(checks) + 1,
        "failures": failed + alone,
        "errors": int(verdict == "invalid"),
    }
    common = {k: str(v) for k, v in counts.items()} | {"time": _seconds(summary["duration"])}
    skipped = sum(c["status"] in ("inconclusive", "skipped") for c in checks) + (verdict == "inconclusive")
    name = one_line(summary.get("scenario") or "run", MAX_NAME)
    timestamp = {"timestamp": one_line(summary["started"], MAX_NAME)} if summary.get("started") else {}
    # `skipped` of all suites together is known to nobody, and refused by Jenkins' schema.
    root = ElementTree.Element("testsuites", {"name": "e2e", **common})
    suite = ElementTree.SubElement(root, "testsuite", {"name": name, **common, "skipped": str(skipped), **timestamp})
    _properties(suite, summary)
    for check in checks:
        _check(_case(suite, name, check["name"]), check)
    # The verdict is a case of its own: a run may be invalid, or cut short, while no single check failed. It has the
    # time of the run, since checks take none: so the cases add up to the suite.
    case = _case(suite, name, "verdict", summary["duration"])
    sentence = summary["sentence"]
    if verdict == "invalid":
        _outcome(case, "error", sentence, summary["generator"]["reasons"])
    elif alone:
        _outcome(case, "failure", sentence, ())
    elif verdict == "inconclusive":
        _outcome(case, "skipped", sentence, ())
    ElementTree.SubElement(suite, "system-out").text = _text([sentence, " ".join(map(str, summary["command"]))])
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _properties(suite: ElementTree.Element, summary: Summary) -> None:
    properties = ElementTree.SubElement(suite, "properties")
    options = summary.get("options") or {}
    rows = [(name, summary.get(name)) for name in PROPERTIES] + [(name, options.get(name)) for name in OPTIONS]
    for name, value in rows:
        if value is not None:
            ElementTree.SubElement(properties, "property", {"name": name, "value": one_line(value, MAX_MESSAGE)})


def _case(suite: ElementTree.Element, scenario: str, name: str, seconds: float = 0.0) -> ElementTree.Element:
    attributes = {"classname": f"e2e.{scenario}", "name": one_line(name, MAX_NAME), "time": _seconds(seconds)}
    return ElementTree.SubElement(suite, "testcase", attributes)


def _check(case: ElementTree.Element, check: dict[str, Any]) -> None:
    detail, evidence = check["detail"], check["evidence"]
    if check["status"] == "fail":
        _outcome(case, "failure", detail, evidence)
    elif check["status"] == "inconclusive":
        _outcome(case, "skipped", f"inconclusive: {detail}", evidence)
    elif check["status"] == "skipped":
        _outcome(case, "skipped", detail, evidence)
    else:
        ElementTree.SubElement(case, "system-out").text = _text([detail, *evidence])


def _outcome(case: ElementTree.Element, kind: str, message: str, evidence: Sequence[str]) -> None:
    attributes = {"message": one_line(message, MAX_MESSAGE)}
    if kind != "skipped":
        attributes["type"] = "invalid" if kind == "error" else "fail"
    # Some show the attribute and some the text, so the text says it again.
    ElementTree.SubElement(case, kind, attributes).text = _text([message, *evidence])


def _text(lines: Sequence[str]) -> str:
    kept = [one_line(line, MAX_LINE) for line in lines[:MAX_LINES]]
    return "\n".join(kept if len(lines) <= MAX_LINES else [*kept, f"and {len(lines) - MAX_LINES} more lines"])


def _seconds(value: float) -> str:
    return f"{value:.3f}"
