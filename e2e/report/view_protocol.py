"""What the services said against their protocol, and what they said that is not known and not judged."""

from typing import Any

from e2e.report.blocks import Block, Log, Prose, Section, Table
from e2e.verdict.check import many

Summary = dict[str, Any]

MAX_UNKNOWN = 30


def protocol_section(summary: Summary) -> Section | None:
    """None for a run without sessions."""
    protocol, findings = summary["protocol"], summary["findings"]
    if not protocol["sessions"] and not findings:
        return None
    sessions = many(protocol["sessions"], "session")
    blocks: list[Block] = [Prose(f"{_verdict(findings)} in {sessions}, judged by profile {_profile(protocol)}.")]
    if findings:
        rows = [
            [f["code"], f["title"], f["severity"], str(f["count"]), str(f["sessions"]), f"{f['sid']}, {f['t']:.3f} s"]
            for f in findings
        ]
        status = ["fail" if f["severity"] == "error" else "inconclusive" for f in findings]
        head = ["code", "finding", "severity", "times", "sessions", "first"]
        blocks.append(Table(head, rows, status, frozenset({3, 4})))
        blocks += [Log(f"{f['code']} in {f['sid']}: what led to it", f["evidence"]) for f in findings if f["evidence"]]
    if protocol["unknown"]:
        shown = list(protocol["unknown"].items())[:MAX_UNKNOWN]
        more = len(protocol["unknown"]) - len(shown)
        aside = f"; {more} more are in run.json" if more else ""
        blocks.append(Prose(f"Message types and fields that are not known: listed, not judged{aside}."))
        blocks.append(Table(["type, or type.field", "count"], [[n, str(c)] for n, c in shown], numeric=frozenset({1})))
    return Section("protocol", "Protocol", blocks)


def _verdict(findings: list[dict[str, Any]]) -> str:
    if not findings:
        return "No finding"
    errors = sum(f["severity"] == "error" for f in findings)
    return f"Findings of {many(len(findings), 'kind')}, {many(errors, 'error')} among them,"


def _profile(protocol: dict[str, Any]) -> str:
    seen = " and ".join(name for name in protocol["seen"] if name not in (protocol["profile"], "auto"))
    return f"{protocol['profile']}{f' (seen: {seen})' if seen else ''}"
