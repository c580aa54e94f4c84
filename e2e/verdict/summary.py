"""`run.json`: everything that a report, a comparison or another program needs to know of a run, as plain data."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from e2e.verdict.audits import proven
from e2e.verdict.became import became
from e2e.verdict.by_hand import by_hand
from e2e.verdict.checks_lifecycle import event_seen
from e2e.verdict.checks_services import RIGHT, auth_status, endpoint_status, endpoint_words, stands_on
from e2e.verdict.expect import LIFECYCLE
from e2e.verdict.facts import Facts
from e2e.verdict.fold_sessions import MAX_SESSIONS
from e2e.verdict.judge import Verdict
from e2e.verdict.limits import latency_limits, not_shown
from e2e.verdict.logs import AUDIT, LogLine
from e2e.verdict.sessions import Session
from e2e.verdict.stored import by_user, wrong_with
from e2e.verdict.summary_speech import heartbeat, histograms, lag, latencies, series, transcript, understood
from e2e.verdict.tally import MOST, MOST_PLAYING

SCHEMA = 1

MAX_LIFECYCLE = 500
MAX_SESSION_ROWS = 50
EXCERPT_LINES = 40


def summarise(facts: Facts, verdict: Verdict, timelines: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """The content of `run.json`. Durations whose name ends in `_ms` are milliseconds, other times seconds.

    `timelines` are those of `e2e.verdict.timeline`, for the sessions that it says are worth telling.
    """
    run, users = facts.run, by_user(facts.stream)
    return {
        "schema": SCHEMA,
        "run_id": run.get("run_id"),
        "version": run.get("version"),
        "scenario": run.get("scenario"),
        "title": run.get("title"),
        "target": (run.get("target") or {}).get("name"),
        "target_details": run.get("target") or {},
        "started": run.get("started"),
        "duration": round(facts.last_t, 3),
        "command": list(run.get("command") or ()),
        "options": run.get("options") or {},
        "pace": next(iter(sorted(facts.paces)), facts.pace),
        "ended": (facts.end or {}).get("reason") or ("still going" if facts.running else "did not end by itself"),
        "verdict": verdict.value,
        "exit_code": int(verdict.exit_code),
        "sentence": verdict.sentence,
        "checks": [check.to_dict() for check in verdict.checks],
        "comparison": verdict.comparison.to_dict() if verdict.comparison else None,
        "counters": _counters(facts),
        "latency_ms": latencies(facts, verdict),
        "histograms": histograms(facts, verdict),
        "latency_note": latency_limits(facts, verdict),
        "transcript_lag": lag(facts, verdict),
        "heartbeat": heartbeat(facts),
        "series": series(facts, verdict),
        "findings": [group.to_dict() for group in facts.findings.ordered()],
        "protocol": _protocol(facts),
        "lifecycle": [_event(record) for record in facts.events.items[:MAX_LIFECYCLE]],
        "lifecycle_counts": dict(facts.lifecycle.counts),
        "lifecycle_own": {event: _own(facts, event) for event in (*LIFECYCLE, *facts.lifecycle.own)},
        "imports": _imports(facts),
        "generator": _generator(facts, verdict),
        "environment": run.get("environment") or {},
        "services": {name: _service(facts, name) for name in facts.under_test},
        "endpoints": [
            {
                **_plain(row),
                "as_expected": row.get("status") in (row.get("expected") or ()),
                "shows": endpoint_status(row),
                "text": endpoint_words(row),
            }
            for row in facts.endpoints
        ],
        "auth_refused": [
            {
                **_plain(row),
                "shows": auth_status(facts, row),
                "wanted": "accepted" if row.get("attempt") == RIGHT else "refused",
            }
            for row in facts.auth
        ],
        "audio": [_tape(facts, tape) for tape in facts.tapes],
        "transcript": transcript(facts),
        "sessions": [_session(s, users) for s in _worth_showing(facts)],
        "probes": [_session(s, {}) for s in facts.probes[:MAX_SESSION_ROWS]],
        "phases": facts.phases,
        "errors": _errors(facts),
        "drain": [_plain(row) for row in facts.drains.rows.items[:MAX_SESSION_ROWS]],
        "became": became(facts),
        "excerpt": _excerpt(facts),
        "timeline": list(timelines),
        "controls": [_plain(record) for record in facts.controls],
        "notes": _notes(facts),
        "not_shown": not_shown(facts, verdict),
    }


def _counters(facts: Facts) -> dict[str, Any]:
    totals = facts.totals
    counters: dict[str, Any] = {
        "sessions": totals.sessions,
        "sessions_connected": totals.connected,
        "sessions_ready": totals.reached,
        "sessions_failed": totals.failed,
        "probe_sessions": totals.probes,
        "chunks_planned": totals.planned,
        "chunks_sent": totals.sent,
        "bytes_sent": totals.bytes,
        "server_messages": sum(facts.messages.values()),
        "transcripts": totals.transcripts,
        "messages_by_type": dict(facts.messages.most_common()),
        "close_codes": dict(totals.close_codes),
        "backlog_max_bytes": totals.backlog,
        "backlog_max_chunks": round(totals.backlog_chunks, 1),
    }
    if totals.left:
        counters["sessions_ended_by_load"] = totals.left
        counters["sessions_ended_unopened"] = totals.left_unopened
        counters["sessions_ended_unready"] = totals.left_unready
        counters["chunks_left_by_load"] = totals.left_chunks
    if facts.arrivals is not None:
        counters["arrivals_started"] = facts.arrivals.get("started") or 0
        counters["dropped_arrivals"] = facts.arrivals.get("dropped") or 0
    if facts.folded:
        counters["sessions_only_counted"] = facts.folded
    return counters


def _protocol(facts: Facts) -> dict[str, Any]:
    findings = facts.findings
    return {
        "profile": findings.profile,
        "seen": sorted(findings.profiles),
        "sessions": findings.judged,
        "unknown": dict(findings.unknown.most_common()),
    }


def _event(record: dict[str, Any]) -> dict[str, Any]:
    names = ("service", "event", "uid", "session", "conversation", "detail", "text")
    return {"t": record["t"], **{n: record.get(n) for n in names if record.get(n) is not None}}


def _own(facts: Facts, event: str) -> dict[str, Any]:
    """What the log shows of an event of this run's own sessions, by the rule of the check `lifecycle`."""
    result, detail = event_seen(facts, event), facts.lifecycle.first.get(event, {}).get("detail")
    return {
        "status": result.status,
        "count": facts.lifecycle.own[event],
        "detail": detail if isinstance(detail, dict) else {},
        "words": result.detail,
    }


def _imports(facts: Facts) -> dict[str, Any]:
    services = {}
    proofs, trees = proven(facts.audits, facts.exercised)
    for name in facts.under_test:
        mine = facts.imports.of(name)
        log, why = facts.logs.get(name), facts.not_read(name)
        services[name] = {
            "read": why is None,
            "why_not": why,
            "source": log.source if log else None,
            "where": log.where if log else None,
            "lines": log.lines if log else 0,
            "bytes": log.bytes if log else 0,
            "boot_marker": log.boot_marker if log else None,
            "errors": sum(p.count for p in mine if p.source != AUDIT),
            "found_by_audit": sum(p.source == AUDIT for p in mine),
            "audit": facts.audits.words(name),
            "audited": facts.audits.done(name),
            "proven": proofs.get(name),
        }
    errors = [
        {
            **{n: getattr(p, n) for n in ("service", "kind", "module", "name", "file", "line", "phase", "source")},
            "evidence": p.evidence,
            "count": p.count,
            "t": p.t,
            "title": p.title,
        }
        for p in facts.imports
    ]
    observed = bool(services) and all(s["read"] for s in services.values())
    return {
        "observed": observed,
        "services": services,
        "errors": errors,
        "lines": facts.imports.total,
        "exercised": facts.exercised.summary(),
        "stands_on": stands_on(facts, facts.under_test),
        "trees": trees,
    }


def _generator(facts: Facts, verdict: Verdict) -> dict[str, Any]:
    generator, health = facts.generator, verdict.generator
    return {
        "valid": health.valid,
        "reasons": health.reasons,
        "resources": health.resources,
        "streams_ok": health.streams_ok,
        "cpu": round(generator.cpu_sum / generator.samples, 4) if generator.samples else None,
        "cpu_max": round(generator.cpu_max, 4) if generator.samples else None,
        "rss_mb": generator.rss_mb or None,
        "loop_lag_ms": generator.lag.summary(),
        "send_lateness_ms": facts.generator.lateness.summary(),
        "late_share": health.late_share,
        **{f"{name}_max": generator.most.get(name) for name in (*MOST_PLAYING, *MOST)},
    }


def _service(facts: Facts, name: str) -> dict[str, Any]:
    service = facts.services.get(name)
    target_url = (facts.run.get("target") or {}).get(name)
    if service is None:
        return {"status": "unknown", "url": target_url, "started_by_run": False}
    return {
        "status": service.status,
        "url": service.url or target_url,
        "started_by_run": service.launched is not None,
        "command": service.command,
        "cwd": service.cwd,
        "pid": service.pid,
        "boot_seconds": service.boot_seconds,
        "health": service.health,
        "exit_code": service.exit_code,
        "error": service.error,
        "routes": _plain(service.routes) if service.routes else None,
        "last_words": list(facts.logs[name].tail) if service.status == "exited" and name in facts.logs else [],
    }


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in record.items() if k != "type"}


def _tape(facts: Facts, tape: Any) -> dict[str, Any]:
    names = ("name", "description", "codec", "sample_rate", "chunk_ms", "chunks", "seconds", "envelope")
    plays = [p for s in facts.stream for p in s.plays if p.tape is tape]
    factors = [p.realtime_factor for p in plays if p.realtime_factor]
    return {
        **{n: getattr(tape, n) for n in names},
        "played": len(plays),
        "streamed_seconds": max((p.seconds for p in plays if p.seconds), default=None),
        "realtime_factor": round(sum(factors) / len(factors), 3) if factors else None,
    }


def _worth_showing(facts: Facts) -> list[Session]:
    """Failed sessions first, since a table of thousands is read by nobody."""
    return sorted(facts.stream, key=lambda s: s.problem is None)[:MAX_SESSION_ROWS]


def _session(session: Session, users: dict[str | None, list[Session]]) -> dict[str, Any]:
    conversation = session.conversation or {}
    return {
        "sid": session.sid,
        "kind": session.kind,
        "uid": session.uid,
        "connected": session.opened is not None,
        "ready": session.ready_ms is not None,
        "handshake_ms": session.handshake_ms,
        "ready_ms": session.ready_ms,
        "chunks_planned": session.planned,
        "chunks_sent": session.sent,
        "bytes_sent": (session.closed or {}).get("bytes_sent"),
        "messages": sum(session.messages.values()),
        "transcripts": session.transcripts,
        "close_code": session.close_code,
        "closed_by": (session.closed or {}).get("by"),
        "problem": session.problem,
        "ended_by_load": session.left,
        "requested": session.requested,
        "processed": session.processed,
        "conversation": conversation.get("conversation"),
        "conversation_found": conversation.get("found"),
        "conversation_segments": conversation.get("segments"),
        "conversation_problem": next(iter(wrong_with(session, users)), None) if conversation else None,
        "segments_ahead_s": round(session.shift, 3) if session.displaced and session.shift is not None else None,
        "began": session.began,
        "ended": session.ended,
        **understood(session),
    }


def _errors(facts: Facts) -> dict[str, Any]:
    errors = facts.errors
    return {
        "count": errors.first.total,
        "noise": errors.noise,
        "groups": [asdict(group) for group in errors.groups],
        "ungrouped": errors.ungrouped,
        "lines": [{n: r.get(n) for n in ("t", "service", "level", "text")} for r in errors.first],
    }


def _excerpt(facts: Facts) -> dict[str, Any]:
    lines, left_out = facts.excerpt.quote(EXCERPT_LINES)
    return {
        "lines": [_line(line) for line in lines],
        "left_out": left_out,
        "probe": [_line(line) for line in facts.excerpt.probe],
    }


def _line(line: LogLine) -> dict[str, Any]:
    return {"t": line.t, "service": line.service, "level": line.level, "text": line.text, "mark": line.mark}


def _notes(facts: Facts) -> list[str]:
    notes = by_hand(facts.controls) + list(facts.notes)
    if facts.notes.left_out:
        notes.append(f"and {facts.notes.left_out} more notes in the journal")
    late = facts.drains.unseen[False]
    if late:
        waited = max(r.get("waited_s") or 0 for r in late)
        notes.append(
            f"{late.items[0].get('awaited')} was not seen for {late.total} users within {waited:.0f} s: services may "
            "log it up to a minute after the close, so this is no failure"
        )
    if facts.folded:
        notes.append(f"more than {MAX_SESSIONS} sessions: {facts.folded} that ended cleanly are counted, not listed")
    return notes
