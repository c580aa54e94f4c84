"""`junit.xml`: one test case for each check, for CI systems that know nothing else."""

from typing import Any
from xml.etree import ElementTree

from e2e.report.text import visible

Summary = dict[str, Any]


def render_junit(summary: Summary) -> str:
    """A failed check is a `failure`, an undecided one is `skipped` with its reason, an invalid run is an `error`."""
    checks = summary["checks"]
    invalid = summary["verdict"] == "invalid"
    failed = sum(c["status"] == "fail" for c in checks)
    # A target that was never there fails the run without failing a check.
    alone = summary["verdict"] == "fail" and not failed
    counts = {
        "tests": len(checks) + 1,
        "failures": failed + alone,
        "skipped": sum(c["status"] == "inconclusive" for c in checks) + (summary["verdict"] == "inconclusive"),
        "errors": int(invalid),
    }
    common = {k: str(v) for k, v in counts.items()} | {"time": f"{summary['duration']:.3f}"}
    root = ElementTree.Element("testsuites", {"name": "e2e", **common})
    name = visible(summary.get("scenario") or "run")
    timestamp = {"timestamp": visible(summary["started"])} if summary.get("started") else {}
    suite = ElementTree.SubElement(root, "testsuite", {"name": name, **common, **timestamp})
    _properties(suite, summary)
    for check in checks:
        case = ElementTree.SubElement(suite, "testcase", {"classname": f"e2e.{name}", "name": visible(check["name"])})
        _outcome(case, check["status"], check["detail"], check["evidence"])
    # The verdict is a case of its own: a run may be invalid, or cut short, while no single check failed.
    case = ElementTree.SubElement(suite, "testcase", {"classname": f"e2e.{name}", "name": "verdict"})
    if invalid:
        error = ElementTree.SubElement(case, "error", {"message": visible(summary["sentence"]), "type": "invalid"})
        error.text = visible("\n".join(summary["generator"]["reasons"]))
    elif alone or summary["verdict"] == "inconclusive":
        kind = "failure" if alone else "skipped"
        ElementTree.SubElement(case, kind, {"message": visible(summary["sentence"])})
    ElementTree.SubElement(suite, "system-out").text = visible(summary["sentence"])
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _properties(suite: ElementTree.Element, summary: Summary) -> None:
    properties = ElementTree.SubElement(suite, "properties")
    for name in ("run_id", "target", "verdict", "exit_code", "pace", "version"):
        value = visible(summary.get(name) if summary.get(name) is not None else "")
        ElementTree.SubElement(properties, "property", {"name": name, "value": value})


def _outcome(case: ElementTree.Element, status: str, detail: str, evidence: list[str]) -> None:
    lines = visible("\n".join([detail, *evidence]))
    if status == "fail":
        failure = ElementTree.SubElement(case, "failure", {"message": visible(detail), "type": "fail"})
        failure.text = lines
    elif status == "inconclusive":
        ElementTree.SubElement(case, "skipped", {"message": visible(f"inconclusive: {detail}")})
    elif evidence:
        ElementTree.SubElement(case, "system-out").text = lines
