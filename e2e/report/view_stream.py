"""The parts about the stream: what was played, what was seen of it in messages and logs, and how fast."""

from collections import Counter
from typing import Any

from e2e.report.blocks import Block, Log, Mark, Moment, Prose, Table, Timeline
from e2e.report.view_services import log_line
from e2e.verdict.check import many

Summary = dict[str, Any]

EVENTS = (
    ("conversation_created", "conversation stub created"),
    ("lifecycle_manager_started", "life-cycle manager started"),
    ("speaker_id_loaded", "speaker identification loaded"),
    ("integrations_triggered", "realtime integrations triggered"),
    ("client_disconnected", "the service saw the client disconnect"),
)

WHOLE = ("complete", "finished")
"""How a run has ended that did all that it was to do: by itself, or by hand."""

MAX_SAME = 12


def stream_pairs(summary: Summary) -> list[tuple[str, str]]:
    rows = []
    for tape in [t for t in summary["audio"] if t["played"]][:5]:
        rows.append(("audio", tape["description"] or tape["name"]))
        rate = f"{tape['sample_rate'] / 1000:g} kHz {tape['codec']}"
        rows.append(("format", f"{rate}, chunks of {tape['chunk_ms']:g} ms, {tape['seconds']:.1f} s of audio"))
        if tape["streamed_seconds"]:
            quicker = tape["realtime_factor"] and summary["pace"] != "realtime"
            factor = f", {tape['realtime_factor']:g} times real time" if quicker else ""
            rows.append(("streamed in", f"{tape['streamed_seconds']:.1f} s{factor}"))
    counters = summary["counters"]
    rows.append(("bytes sent", str(counters["bytes_sent"])))
    if counters["sessions"] > 1:
        failed = f", {counters['sessions_failed']} failed" if counters["sessions_failed"] else ""
        left = counters.get("sessions_ended_by_load")
        rows.append(("sessions", f"{counters['sessions']}{failed}{f', {left} ended by the load' if left else ''}"))
    if "dropped_arrivals" in counters:
        rows.append(("arrivals", arrivals(counters)))
    return rows


def arrivals(counters: dict[str, Any]) -> str:
    """Of an open load."""
    return f"{counters['arrivals_started']} started, {counters['dropped_arrivals']} dropped"


def stream_marks(summary: Summary) -> list[Mark]:
    """The list that a reviewer reads first, each line with a tick only for what was seen."""
    counters, sessions = summary["counters"], summary["sessions"]
    total, checks = counters["sessions"], {c["name"]: c for c in summary["checks"]}
    connected = counters["sessions_connected"]
    sent, planned = counters["chunks_sent"], counters["chunks_planned"]
    heard = counters["transcripts"]
    ready = counters["sessions_ready"]
    unopened, unready = counters.get("sessions_ended_unopened", 0), counters.get("sessions_ended_unready", 0)
    marks = [
        _all_mark("connected", connected, total - unopened, [s for s in sessions if not s["connected"]]),
        _all_mark("ready", ready, total - unready, [s for s in sessions if s["kind"] == "listen" and not s["ready"]]),
    ]
    if planned:
        left = counters.get("chunks_left_by_load", 0)
        complete = "pass" if sent + left >= planned else "inconclusive" if summary["ended"] not in WHOLE else "fail"
        marks.append(
            Mark(complete, f"chunks sent: {sent} of {planned}", f"{left} left when the load ended" if left else "")
        )
    if any(s["kind"] == "listen" for s in sessions):
        marks += [_event_mark(summary, event, words) for event, words in EVENTS[:1]]
        marks += _stored(sessions)
        marks += [_event_mark(summary, event, words) for event, words in EVENTS[1:]]
        silent = "fail" if counters["sessions_ready"] and summary["ended"] in WHOLE else "inconclusive"
        quiet = "pass" if heard else silent
        words = f"server messages received: {counters['server_messages']}, transcripts with words among them: {heard}"
        marks.append(Mark(quiet, words))
    marks.append(_close_mark(counters, checks.get("close_code")))
    marks.append(_imports_mark(summary["imports"], running=summary["verdict"] == "running"))
    return marks


def _all_mark(did: str, n: int, total: int, others: list[dict[str, Any]]) -> Mark:
    problem = next((s["problem"] for s in others if s["problem"]), "")
    return Mark(
        "inconclusive" if not total else "pass" if n == total else "fail",
        f"{did}: {n} of {many(total, 'session')}",
        problem,
    )


def _event_mark(summary: Summary, event: str, words: str) -> Mark:
    """By the rule of the check: only lines of this run's own sessions count."""
    own = summary["lifecycle_own"][event]
    status, why = own["status"], own["words"]
    resumed = summary["lifecycle_own"].get("conversation_resumed")
    if event == "conversation_created" and resumed and not own["count"]:
        own, words = resumed, "conversation resumed"
    n = own["count"]
    times = f" {many(n, 'time')}" if n > 1 or (n and event == "integrations_triggered") else ""
    if status != "pass":
        return Mark(status, f"{words}{times}", why)
    told = ", ".join(f"{k} {v}" for k, v in own["detail"].items())
    return Mark(status, f"{words}{times}", told)


def _stored(sessions: list[dict[str, Any]]) -> list[Mark]:
    read = [s for s in sessions if s["conversation_found"] is not None]
    if not read:
        return [Mark("inconclusive", "conversation found in the store: not read over HTTP")]
    found = [s for s in read if not s["conversation_problem"]]
    problem = next((s["conversation_problem"] for s in read if s["conversation_problem"]), None)
    detail = problem or f"{found[0]['conversation']}, {found[0]['conversation_segments']} segments"
    words = f"conversation found in the store, with this run's transcript: {len(found)} of {len(read)}"
    return [Mark("fail" if problem else "pass", words, detail)]


def _close_mark(counters: dict[str, Any], check: dict[str, Any] | None) -> Mark:
    codes = counters["close_codes"]
    words = ", ".join(f"{code} × {n}" for code, n in codes.items()) or "no close recorded"
    status = "pass" if set(codes) == {"1000"} else "fail" if codes else "inconclusive"
    return Mark(check["status"] if check else status, f"disconnect: {words}")


def _imports_mark(imports: dict[str, Any], *, running: bool) -> Mark:
    if imports["errors"]:
        return Mark("fail", f"ImportError or ModuleNotFoundError in the logs: {imports['lines']} lines")
    names = " and ".join(imports["services"]) or "no service"
    if imports["observed"]:
        return Mark("pass", f"zero ImportError and ModuleNotFoundError in {names}")
    gaps = "; ".join(dict.fromkeys(s["why_not"] for s in imports["services"].values() if s["why_not"]))
    seen = "none so far" if running else "not observed"
    return Mark("inconclusive", f"ImportError and ModuleNotFoundError: {seen}", gaps)


def message_table(summary: Summary) -> Table:
    rows = [[kind, str(n)] for kind, n in summary["counters"]["messages_by_type"].items()]
    return Table(["message", "count"], rows, numeric=frozenset({1}))


def sessions_table(summary: Summary) -> list[Block]:
    sessions = summary["sessions"]
    rows, status = [], []
    for s in sessions:
        ready = f"{s['ready_ms']:.0f}" if s["ready_ms"] is not None else "–"
        sent = "?" if s["chunks_sent"] is None else s["chunks_sent"]
        close = str(s["close_code"]) if s["close_code"] is not None else "–"
        chunks = f"{sent} of {s['chunks_planned']}"
        words = s["problem"] or (f"ended by the load ({s['ended_by_load']})" if s["ended_by_load"] else "")
        rows.append([f"{s['kind']} {s['sid']}", str(s["uid"]), ready, chunks, str(s["transcripts"]), close, words])
        status.append(session_status(s))
    head = ["session", "uid", "ready ms", "chunks", "transcripts", "close", "problem"]
    blocks: list[Block] = [Table(head, rows, status, frozenset({2, 3, 4, 5}))] if rows else []
    beyond = summary["counters"]["sessions"] - len(sessions)
    if beyond > 0:
        blocks.append(Prose(f"{beyond} more sessions are not listed; failed ones are listed first."))
    return blocks


def session_status(session: dict[str, Any]) -> str:
    """How a session went, in the words of a check."""
    if session["problem"]:
        return "fail"
    if session["ended_by_load"]:
        return "none"
    return "inconclusive" if session["close_code"] is None else "pass"


def lifecycle_timeline(summary: Summary) -> list[Block]:
    seen: Counter[str] = Counter()
    moments = []
    for e in summary["lifecycle"]:
        seen[e["event"]] += 1
        if seen[e["event"]] <= MAX_SAME:
            moments.append(Moment(e["t"], e["service"], e["event"], e.get("text") or "", False))
    moments += [Moment(e["t"], e["service"], "import error", e["title"], True) for e in summary["imports"]["errors"]]
    if not moments:
        return []
    moments.sort(key=lambda m: m.t)
    blocks: list[Block] = [Timeline(sorted({m.lane for m in moments}), moments, max(summary["duration"], 0.001))]
    total = sum(summary["lifecycle_counts"].values())
    if total > sum(not m.bad for m in moments):
        blocks.append(Prose(f"The first {MAX_SAME} of each event, {total} in all; every one is in the journal."))
    return blocks


def excerpt_log(summary: Summary) -> list[Block]:
    excerpt = summary["excerpt"]
    if not excerpt["lines"]:
        return []
    left = f", {excerpt['left_out']} more lines of that time are in the journal" if excerpt["left_out"] else ""
    title = f"{len(excerpt['lines'])} lines, seconds since the run began{left}"
    return [Log(title, [log_line(line) for line in excerpt["lines"]])]
