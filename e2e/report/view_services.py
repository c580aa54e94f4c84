"""The sections about the services alone: start, health, routes, endpoints, probe, imports."""

import shlex
from typing import Any

from e2e.report.blocks import Block, Log, Mark, Marks, Pairs, Prose, Section, Table
from e2e.report.view_imports import probe_blocks
from e2e.verdict.check import many

Summary = dict[str, Any]

_ERROR_ROWS = 20

STATUS = {"healthy": "pass", "exited": "fail", "unhealthy": "fail"}


def service_section(summary: Summary, name: str, title: str) -> Section | None:
    service = summary["services"].get(name)
    if service is None:
        return None
    pairs = [("address", service.get("url") or "unknown")]
    if service.get("command"):
        pairs.append(("start command", shlex.join(map(str, service["command"]))))
    if service.get("cwd") not in (None, "", "."):
        pairs.append(("in", service["cwd"]))
    found = "no, it ran already" if service["status"] == "healthy" else "not known"
    pairs.append(("started by this run", "yes" if service["started_by_run"] else found))
    marks = [_health(service), *_routes(service), _log(summary, name), _no_imports(summary, name)]
    blocks: list[Block] = [Pairs(pairs), Marks([*marks, *(_probe(summary) if name == "pusher" else _auth(summary))])]
    if service.get("last_words"):
        blocks.append(Log("last words of the service", service["last_words"], open=True))
    lines = summary["excerpt"]["probe"]
    if name == "pusher" and lines:
        blocks.append(Log(f"the probe in its log ({len(lines)} lines)", [log_line(x) for x in lines]))
    return Section(f"l1-{name}", title, blocks)


def log_line(line: dict[str, Any]) -> str:
    return f"{line['t']:9.3f} {line['service']:<7} {line['text']}"


def _health(service: dict[str, Any]) -> Mark:
    status = STATUS.get(service["status"], "inconclusive")
    words = {
        "exited": f"ended by itself, exit code {service.get('exit_code')}",
        "unknown": "not known to have answered",
    }
    boot = f" after {service['boot_seconds']:.1f} s" if service.get("boot_seconds") is not None else ""
    health = service.get("health") or {}
    answer = " ".join(str(health[k]) for k in ("url", "status", "body") if health.get(k))
    text = words.get(service["status"], service["status"] + boot)
    return Mark(status, f"service: {text}", answer or service.get("error") or "")


def _routes(service: dict[str, Any]) -> list[Mark]:
    routes = service.get("routes")
    if not routes:
        return []
    about = " ".join(str(routes[k]) for k in ("title", "version") if routes.get(k))
    return [Mark("pass" if routes.get("count") else "fail", f"routes: {routes.get('count')}", about)]


def _log(summary: Summary, name: str) -> Mark:
    log = summary["imports"]["services"].get(name)
    if not log or not log["lines"]:
        return Mark("inconclusive", "log: not read", (log or {}).get("why_not") or "")
    marker = f"boot marker seen: {log['boot_marker']}" if log["boot_marker"] else "boot marker not seen"
    if _running(summary):
        return Mark("inconclusive", f"log: {log['lines']} lines so far, {log['bytes']} bytes", log["why_not"] or "")
    return Mark(
        "pass" if log["read"] else "inconclusive", f"log read: {log['lines']} lines, {log['bytes']} bytes", marker
    )


def _running(summary: Summary) -> bool:
    """Whether it is looked at while it goes: what a log proves is known when it was read to its end."""
    return summary["verdict"] == "running"


def _no_imports(summary: Summary, name: str) -> Mark:
    log = summary["imports"]["services"].get(name) or {}
    errors = [e for e in summary["imports"]["errors"] if name in e["service"].split(", ")]
    if errors:
        return Mark("fail", f"import errors: {sum(e['count'] for e in errors)}", "; ".join(e["title"] for e in errors))
    if _running(summary):
        return Mark("inconclusive", "import errors: none so far", log.get("why_not") or "")
    status = "pass" if log.get("read") else "inconclusive"
    return Mark(status, "import errors: 0" if log.get("read") else "import errors: not observed")


def _auth(summary: Summary) -> list[Mark]:
    return [
        Mark(
            row["shows"],
            f"/v4/listen with {row.get('attempt')}: {'refused' if row.get('refused') else 'not refused'}",
            f"{row.get('form') or 'no answer'} {row.get('detail') or ''}".strip(),
        )
        for row in summary["auth_refused"]
    ]


def _probe(summary: Summary) -> list[Mark]:
    sessions = [s for s in summary["probes"] if s["kind"] == "pusher"]
    sessions = sessions or [s for s in summary["sessions"] if s["kind"] == "pusher"][:3]
    if not sessions:
        return [Mark("inconclusive", "/v1/trigger/listen: not probed")]
    marks = []
    for s in sessions:
        connected = "pass" if s["connected"] else "fail"
        marks.append(Mark(connected, "/v1/trigger/listen connected", s["problem"] or f"session {s['sid']}"))
        if s["connected"]:
            sent = s["chunks_sent"] or 0
            alive = "pass" if sent and not s["problem"] else "fail" if s["problem"] else "inconclusive"
            marks.append(
                Mark(alive, f"audio accepted: {sent} chunks, {s['bytes_sent'] or 0} bytes", s["problem"] or "")
            )
            clean = "inconclusive" if s["close_code"] is None else "pass" if s["close_code"] == 1000 else "fail"
            marks.append(Mark(clean, f"disconnect: {s['close_code']} by the {s['closed_by']}"))
        if s["requested"]:
            done = "pass" if s["processed"] >= s["requested"] else "fail"
            marks.append(Mark(done, f"conversations processed: {s['processed']} of {s['requested']} (104 → 201)"))
    return marks


def endpoint_table(summary: Summary) -> list[Block]:
    rows = summary["endpoints"]
    if not rows and not summary["auth_refused"]:
        return [Prose("The endpoint table was not asked.")]
    cells = [
        [
            f"{r['method']} {r['path']}",
            str(r["status"]) if r["status"] is not None else r.get("error") or "no answer",
            " or ".join(map(str, r.get("expected") or ())) + _tolerated(r),
            r.get("exercises") or "",
            f"{r['ms']:.0f}" if r.get("ms") is not None else "",
        ]
        for r in rows
    ]
    status = [r["shows"] for r in rows]
    for row in summary["auth_refused"]:
        cells.append(
            [
                f"WS /v4/listen, {row.get('attempt')}",
                row.get("form") or "no answer",
                row["wanted"],
                "listen handler",
                "",
            ]
        )
        status.append(row["shows"])
    return [Table(["endpoint", "status", "expected", "exercises", "ms"], cells, status, frozenset({4}))]


def _tolerated(row: dict[str, Any]) -> str:
    return " (tolerated)" if row["shows"] == "inconclusive" else ""


def error_table(errors: Summary) -> Table:
    """Error lines by what they say, the most frequent first; a fingerprint is the same in every run."""
    rows = [
        [group["service"], group["level"], group["pattern"], str(group["count"]), group["fingerprint"]]
        for group in errors["groups"][:_ERROR_ROWS]
    ]
    more = sum(group["count"] for group in errors["groups"][_ERROR_ROWS:]) + errors["ungrouped"]
    if more:
        rows.append(["", "", "others", str(more), ""])
    return Table(["service", "level", "error", "lines", "fingerprint"], rows, numeric=frozenset({3}))


def imports_section(summary: Summary) -> Section:
    imports = summary["imports"]
    blocks: list[Block] = []
    for error in imports["errors"]:
        place = f"{error['file']}:{error['line']}" if error["file"] else "place not named in the log"
        seen = f"{many(error['count'], 'time')}, first at {error['t']:.2f} s, seen by {error['source']}"
        blocks.append(Marks([Mark("fail", error["title"], f"{place}, {seen}")]))
        blocks.append(Log("the lines that say so", error["evidence"], open=True))
    rows, status = [], []
    no_marker = "so far" if _running(summary) else "no boot marker"
    for name, log in imports["services"].items():
        read = log["read"]
        rows.append(
            [
                f"{name}: modules imported at boot",
                str(log["errors"]) if log["errors"] or read else "?",
                f"{log['lines']} lines read, {log['boot_marker'] or no_marker}" if log["lines"] else "not read",
                "boot",
            ]
        )
        status.append("fail" if log["errors"] else "pass" if read and log["boot_marker"] else "inconclusive")
    for row in summary["endpoints"]:
        if row.get("exercises"):
            answered = row["status"] is not None
            seen = f"{row['method']} {row['path']}: {row['status'] if answered else 'no answer'}{_tolerated(row)}"
            rows.append([row["exercises"], "", seen, "route"])
            status.append(row["shows"] if answered else "inconclusive")
    for event, own in summary["lifecycle_own"].items():
        if event in _EXERCISED and own["count"]:
            rows.append([_EXERCISED[event], "", f"{event} logged {many(own['count'], 'time')}", "stream"])
            status.append("pass")
    if rows:
        blocks.append(
            Table(["what was loaded or run", "import errors", "seen by", "phase"], rows, status, frozenset({1}))
        )
    blocks += probe_blocks(imports.get("exercised") or {})
    return Section("imports", "Imports exercised", blocks or [Prose("Nothing is known of the services' imports.")])


_EXERCISED = {
    "conversation_created": "conversation model and store",
    "lifecycle_manager_started": "conversation life-cycle manager",
    "speaker_id_loaded": "speaker identification",
    "integrations_triggered": "realtime integrations",
    "processing_finalized": "processing of finished conversations",
    "pusher_process_request": "processing of conversations in the pusher",
}
