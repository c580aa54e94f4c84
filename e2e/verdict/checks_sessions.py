"""Checks of the stream: what each session, and the services behind it, did."""

from e2e.verdict.check import (
    Params,
    Result,
    examples,
    failed,
    many,
    missing,
    name_of,
    not_reached,
    passed,
    reached,
    unknown,
)
from e2e.verdict.facts import Facts
from e2e.verdict.sessions import Session


def connected(facts: Facts, params: Params) -> Result:
    return _all(facts, facts.stream, lambda s: s.opened is not None, "connected")


def ready(facts: Facts, params: Params) -> Result:
    return _all(facts, [s for s in facts.stream if s.kind == "listen"], lambda s: s.ready_ms is not None, "got ready")


def _all(facts: Facts, sessions: list[Session], good, did: str) -> Result:
    if not sessions:
        return not_reached(facts)
    # The load ended these on their way there.
    bad = [s for s in sessions if not good(s)]
    left = [s for s in bad if s.left is not None and s.problem is None]
    bad = [s for s in bad if s.left is None or s.problem is not None]
    total = len(sessions) + facts.folded - len(left)
    if not total:
        return unknown(f"not reached: {many(len(left), 'session')} ended by the load before that")
    detail = f"{total - len(bad)} of {many(total, 'session')} {did}"
    detail += f", {many(len(left), 'session')} ended by the load before that" if left else ""
    if not bad:
        return passed(detail)
    pending = [s for s in bad if s.problem is None]
    evidence = examples(bad, lambda s: s.problem or "no answer yet")
    if len(pending) == len(bad):
        return missing(facts, detail, evidence)
    nobody = total == len(bad) and all(s.unreachable or s.problem is None for s in bad)
    first = next(s.problem for s in bad if s.problem)
    return failed(f"{detail}: {first}", evidence, unreachable=nobody)


def no_session_failed(facts: Facts, params: Params) -> Result:
    sessions = facts.stream
    if not sessions:
        return not_reached(facts)
    bad, total = [s for s in sessions if s.problem], facts.totals.sessions
    if bad:
        nobody = not any(s.reached for s in sessions) and all(s.unreachable for s in bad)
        detail = f"{len(bad)} of {many(total, 'session')} failed: {bad[0].problem}"
        return failed(detail, examples(bad, lambda s: s.problem), unreachable=nobody)
    if facts.cut_short:
        return unknown(f"none of {many(total, 'session')} failed so far; {facts.cut_short}")
    return passed(f"none of {many(total, 'session')} failed")


def all_chunks_sent(facts: Facts, params: Params) -> Result:
    sessions, totals = [s for s in reached(facts) if s.plays or s.planned], facts.totals
    if not sessions and not facts.folded:
        return not_reached(facts)
    short = [s for s in sessions if s.unsent]
    # A session that failed before it played anything planned nothing, and sent nothing either.
    silent = [s for s in facts.stream if s.reached and s.problem and not s.plays]
    detail = f"{totals.sent} of {totals.planned} chunks sent"
    if totals.left:
        rest = f" with {totals.left_chunks} unsent" if totals.left_chunks else ""
        detail += f", {many(totals.left, 'session')} ended by the load{rest}"
    if not short and not silent:
        return passed(detail)
    words = examples([*short, *silent], lambda s: f"{s.sent or 0} of {s.planned}, {s.problem or 'without an error'}")
    # A session that the service ended stays a failure, also in a run that was interrupted later.
    return failed(detail, words) if any(s.problem for s in (*short, *silent)) else missing(facts, detail, words)


def transcripts_received(facts: Facts, params: Params) -> Result:
    wanted, sessions = int(params.get("at_least") or 1), reached(facts, "listen")
    if not sessions and not facts.folded:
        return not_reached(facts)
    total = len(sessions) + facts.folded
    few = [s for s in sessions if s.transcripts < wanted]
    if len(few) < len(sessions):
        # Others heard enough, so one that the load ended only had too little time.
        few = [s for s in few if s.left is None]
    whole = facts.folded - facts.folded_left
    bad = len(few) + (whole if facts.folded_transcripts < wanted else 0)
    some = sum(s.transcripts > 0 for s in sessions) + (facts.folded if facts.folded_transcripts else 0)
    heard = f"{many(facts.totals.transcripts, 'transcript message')} with words in {many(some, 'session')}"
    if not bad:
        return passed(heard)
    little = "no transcript message" if wanted == 1 else f"fewer than {wanted} transcript messages"
    detail = f"{bad} of {many(total, 'session')} received {little} with words; {heard}"
    return missing(facts, detail, examples(few, lambda s: f"{s.transcripts} transcript messages with words"))


def close_code(facts: Facts, params: Params) -> Result:
    wanted = int(params.get("code") or 1000)
    sessions = [s for s in reached(facts) if not s.dropped]
    if not sessions:
        return not_reached(facts)
    total = len(sessions) + facts.folded
    bad = [s for s in sessions if s.close_code != wanted]
    # Only sessions that ended with 1000 are ever counted without being kept.
    folded = facts.folded if wanted != 1000 else 0
    if not bad and not folded:
        by = sorted({s.closed.get("by") or "?" for s in sessions if s.closed})
        return passed(f"{total} of {many(total, 'session')} closed with {wanted} (by the {' and the '.join(by)})")
    detail = f"{len(bad) + folded} of {many(total, 'session')} did not close with {wanted}"
    closed = [s for s in bad if s.close_code is not None]
    if closed or folded:
        first = closed[0].problem or f"closed with {closed[0].close_code}" if closed else "closed with 1000"
        return failed(f"{detail}: {first}", examples(bad, _ending))
    return missing(facts, detail, [f"{name_of(s)}: no close was recorded" for s in bad])


def _ending(session: Session) -> str:
    code, problem = session.close_code, session.problem
    return problem if problem and str(code) in problem else f"closed with {code}{f', {problem}' if problem else ''}"


def pusher_probed(facts: Facts, params: Params) -> Result:
    sessions = [s for s in facts.sessions.values() if s.kind == "pusher"]
    if not sessions:
        return unknown("not reached: no pusher session was opened")
    bad = [s for s in sessions if not _accepted(s)]
    evidence = examples(sessions, lambda s: s.problem or f"{s.sent or 0} chunks sent, closed {s.close_code}")
    if not bad:
        return passed(f"{many(len(sessions), 'pusher session')} connected, sent audio and closed with 1000", evidence)
    pending = all(s.problem is None and s.closed is None for s in bad)
    detail = f"{len(bad)} of {many(len(sessions), 'pusher session')} did not connect, take audio and close with 1000"
    if pending:
        return missing(facts, detail, evidence)
    return failed(detail, evidence, unreachable=len(bad) == len(sessions) and all(s.unreachable for s in bad))


def _accepted(session: Session) -> bool:
    audio = (session.sent or 0) > 0 or session.sent_kinds.get("pusher.101", 0) > 0
    return session.opened is not None and audio and session.problem is None and session.close_code == 1000


def drained(facts: Facts, params: Params) -> Result:
    drains = facts.drains
    if not drains.required:
        why = facts.not_read("backend") or "not reached: no end of a session was awaited"
        return unknown(why) if reached(facts) else not_reached(facts)
    late = drains.unseen[True]
    detail = f"{drains.required - late.total} of {many(drains.required, 'awaited end')} seen in the logs"
    if not late:
        return passed(f"{detail}, after at most {drains.waited_s:.1f} s")
    words = [f"{r.get('awaited')} of {r.get('uid')}: not seen within {r.get('waited_s') or 0:.1f} s" for r in late]
    why = facts.not_read("backend")
    return unknown(f"{detail}; {why}", words) if why else missing(facts, detail, words)
