"""Checks of conversations: stored with this session's words, processed and answered by the pusher."""

from e2e.verdict.check import Params, Result, examples, failed, many, missing, not_reached, passed, reached, unknown
from e2e.verdict.facts import Facts
from e2e.verdict.sessions import Session
from e2e.verdict.stored import unstored


def conversation_stored(facts: Facts, params: Params) -> Result:
    sessions = reached(facts, "listen")
    if not sessions:
        return not_reached(facts)
    read = [s for s in sessions if s.conversation is not None]
    bad = [s for s in read if unstored(s)]
    evidence = examples(bad or read, lambda s: unstored(s) or _stored(s))
    total = len(sessions) + facts.folded
    if bad:
        detail = f"{len(bad)} of {many(total, 'conversation')} not as expected: {unstored(bad[0])}"
        return missing(facts, detail, evidence)
    # A session that the load ended does not read its conversation, which shows nothing where others did.
    unread = sum(s.conversation is None and (s.left is None or not read) for s in sessions) + facts.folded_unread
    left = len(sessions) - len(read) + facts.folded_left
    if unread:
        return unknown(f"not reached: {unread} of {total} conversations were not read over HTTP", evidence)
    aside = f", {many(left, 'session')} ended by the load before" if left else ""
    words = f"{total - left} of {many(total - left, 'conversation')} readable over HTTP, with this run's transcript"
    return passed(words + aside, evidence)


def _stored(session: Session) -> str:
    found = session.conversation or {}
    return f"conversation {found.get('conversation')}: {found.get('segments')} segments, {found.get('state')}"


def conversation_processed(facts: Facts, params: Params) -> Result:
    sessions = [s for s in facts.sessions.values() if s.kind == "pusher" and s.requested]
    asked, answered = sum(s.requested for s in sessions), sum(s.processed for s in sessions)
    refusals = [words for s in sessions for words in s.refusals]
    if not asked:
        return unknown("not reached: no conversation was handed to the pusher (104)")
    detail = f"{answered} of {many(asked, 'conversation')} processed (104 answered by 201)"
    if refusals:
        return failed(f"{detail}: {refusals[0]}", refusals)
    return passed(detail) if answered >= asked else missing(facts, detail)


def conversation_answered(facts: Facts, params: Params) -> Result:
    sessions = [s for s in facts.sessions.values() if s.kind == "pusher" and s.requested]
    asked, refusals = sum(s.requested for s in sessions), [words for s in sessions for words in s.refusals]
    if not asked:
        return unknown("not reached: no conversation was handed to the pusher (104)")
    answered = sum(s.processed for s in sessions) + len(refusals)
    detail = f"{answered} of {many(asked, 'conversation')} answered (104 by 201)"
    detail += f", {len(refusals)} with an error: {refusals[0]}" if refusals else ""
    return passed(detail, refusals) if answered >= asked else missing(facts, detail)
