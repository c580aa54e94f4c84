"""What the audit says, for a person, for a program, and for code scanning (SARIF 2.1.0)."""

import json
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote

from e2e.audit.check import Audit
from e2e.audit.model import RULES, Finding, Severity

LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_table(result: Audit, new: list[Finding], accepted: list[Finding]) -> str:
    """One line a finding, as compilers write them, and a last line with the counts.

    Star imports are counted, not listed: they are no fault by themselves.
    """
    shown = [finding for finding in new if finding.severity is not Severity.INFO]
    lines = [f"{f.file}:{f.line}:{f.column}: {f.severity} {RULES[f.rule].code} {visible(f.message)}" for f in shown]
    if result.watched:
        lines += [""] * bool(lines) + ["watched modules: imports in the tree, of them inside functions"]
        lines += [f"  {name}: {count}, {lazy}" for name, (count, lazy) in result.watched.items()]
    if lines:
        lines.append("")
    counts = Counter(finding.severity for finding in new)
    stars = sum(finding.rule == "star-import" for finding in new)
    total = f"errors: {counts[Severity.ERROR]}, warnings: {counts[Severity.WARNING]}, star imports: {stars}"
    total += f", accepted by the baseline: {len(accepted)}" if accepted else ""
    lines.append(f"{total} (import statements: {result.statements}, files: {result.files})")
    return "\n".join(lines)


def visible(text: str) -> str:
    """Names come from files of others: nothing of them may control a terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def as_json(result: Audit, new: list[Finding], accepted: list[Finding]) -> str:
    return json.dumps(
        {
            "schema": 1,
            "files": result.files,
            "statements": result.statements,
            "counts": {str(level): sum(f.severity is level for f in new) for level in Severity},
            "findings": [_plain(f) for f in new],
            "accepted": [_plain(f) for f in accepted],
            "watched": [
                {"module": name, "imports": count, "in_functions": lazy}
                for name, (count, lazy) in result.watched.items()
            ],
            "places": result.places,
        },
        indent=1,
    )


def _plain(finding: Finding) -> dict[str, Any]:
    return {
        "code": RULES[finding.rule].code,
        "kind": finding.rule,
        "severity": str(finding.severity),
        "file": finding.file,
        "line": finding.line,
        "column": finding.column,
        "module": finding.module,
        "name": finding.name,
        "message": finding.message,
        "fingerprint": finding.fingerprint,
    }


def as_sarif(root: Path, version: str, new: list[Finding], accepted: list[Finding]) -> str:
    """One run. Accepted findings are in it too, as suppressed by something outside of the source."""
    rules = list(RULES.values())
    driver = {
        "name": "e2e imports",
        "version": version,
        "rules": [{"id": rule.code, "name": rule.name, "shortDescription": {"text": rule.text}} for rule in rules],
    }
    index = {rule.name: n for n, rule in enumerate(rules)}
    results = [_sarif(finding, index) for finding in new]
    results += [_sarif(finding, index) | {"suppressions": [{"kind": "external"}]} for finding in accepted]
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"SRCROOT": {"uri": root.resolve().as_uri().rstrip("/") + "/"}},
        "results": results,
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1)


def _sarif(finding: Finding, index: dict[str, int]) -> dict[str, Any]:
    location = {
        "artifactLocation": {"uri": quote(finding.file), "uriBaseId": "SRCROOT"},
        "region": {"startLine": finding.line, "startColumn": finding.column},
    }
    return {
        "ruleId": RULES[finding.rule].code,
        "ruleIndex": index[finding.rule],
        "level": LEVELS[finding.severity],
        "message": {"text": finding.message},
        "locations": [{"physicalLocation": location}],
        "partialFingerprints": {"e2eImport/v1": finding.fingerprint},
    }
