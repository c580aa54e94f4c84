"""Checks of conversations: stored as they were streamed, resumed, completed, answered by the pusher."""

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
from e2e.verdict.memories import FINISHED
from e2e.verdict.sessions import Session
from e2e.verdict.stored import by_user, unjudged, wrong_with


def conversation_stored(facts: Facts, params: Params) -> Result:
    sessions = reached(facts, "listen")
    # Who neither sent nor heard anything made no conversation.
    sessions = [s for s in sessions if s.conversation is not None or s.plays or s.transcripts] or sessions
    if not sessions:
        return not_reached(facts)
    read = [s for s in sessions if s.conversation is not None]
    mates = by_user(sessions)
    wrong = {s.sid: wrong_with(s, mates) for s in read}
    bad = [s for s in read if wrong[s.sid]]
    evidence = [f"{name_of(s)}: {words}" for s in bad for words in wrong[s.sid]]
    evidence = evidence or examples(read, _stored)
    total = len(sessions) + facts.folded
    if bad:
        first = wrong[bad[0].sid]
        more = f" (and {len(first) - 1} more)" if len(first) > 1 else ""
        detail = f"{len(bad)} of {many(total, 'conversation')} not as expected: {first[0]}{more}"
        return missing(facts, detail, evidence)
    # A session that the load ended does not read its conversation, which shows nothing where others did.
    unread = sum(s.conversation is None and (s.left is None or not read) for s in sessions) + facts.folded_unread
    left = len(sessions) - len(read) + facts.folded_left
    if unread:
        return unknown(f"not reached: {unread} of {total} conversations were not read over HTTP", evidence)
    aside = f", {many(left, 'session')} ended by the load before" if left else ""
    words = f"{total - left} of {many(total - left, 'conversation')} readable over HTTP, with this run's transcript"
    return passed(words + _compared(read) + aside, evidence)


def _compared(read: list[Session]) -> str:
    possible = [s.compared for s in read if s.compared.possible]
    if not possible:
        return ""
    words = f": {sum(c.same for c in possible)} of {many(sum(c.streamed for c in possible), 'segment')} as streamed"
    growing = sum(unjudged(s) for s in read)
    words += f", {growing} not judged that still grew when the load ended the session" if growing else ""
    return words + (f" ({len(read) - len(possible)} not compared)" if len(possible) < len(read) else "")


def _stored(session: Session) -> str:
    found, compared = session.conversation or {}, session.compared
    words = f"conversation {found.get('conversation')}: {found.get('segments')} segments, {found.get('state')}"
    told = [f"{name} {found[name]}" for name in ("language", "source") if found.get(name) is not None]
    told += [f"{compared.same} of {compared.streamed} segments as streamed"] if compared.possible else []
    told += [f"{more} more or longer than streamed"] if (more := _more(session)) else []
    return ", ".join([words, *told])


def _more(session: Session) -> int:
    """Segments that hold more than was streamed: of others in the conversation, or heard when the client had left."""
    return sum(d.kind in ("grown", "added") for d in session.compared.differences()) if session.compared.possible else 0


def conversation_completed(facts: Facts, params: Params) -> Result:
    sessions = reached(facts, "listen")
    if not sessions:
        return not_reached(facts)
    waited = [s for s in sessions if s.told.waits]
    if not waited:
        return unknown("not reached: no session waited for its conversation to be processed (--wait-conversation)")
    spoken = [s for s in waited if any(w.get("heard") for w in s.told.waits)]
    # The load did not let these wait to the end.
    left = [s for s in spoken if s.left is not None and not s.told.created]
    spoken = [s for s in spoken if s not in left]
    if left and not spoken:
        return unknown(f"not reached: {many(len(left), 'session')} ended by the load while it waited")
    if not spoken:
        return unknown("not reached: nothing was heard, so there was no conversation to process")
    users = by_user(sessions)
    wrong = {s.sid: _uncompleted(s, users[s.uid]) for s in spoken}
    bad = [s for s in spoken if wrong[s.sid]]
    memories = [m for s in spoken for m in s.told.created]
    detail = f"{len(spoken) - len(bad)} of {many(len(spoken), 'session')} saw the conversation processed"
    if bad:
        first = wrong[bad[0].sid]
        return missing(facts, f"{detail}: {first}", examples(bad, lambda s: wrong[s.sid]))
    longest = max(w.get("waited_s") or 0.0 for s in spoken for w in s.told.waits)
    detail += f": {many(len(memories), 'memory_created message')}, waited for at most {longest:.1f} s"
    return passed(detail, [f"conversation {m.id}: {m.status}, title or overview: {m.structured}" for m in memories])


def _uncompleted(session: Session, mates: list[Session]) -> str | None:
    for memory in session.told.created:
        if memory.problem:
            return memory.problem
    found = session.conversation or {}
    if found.get("by") == "memory" and found.get("found") and found.get("state") != FINISHED:
        return f"conversation {found.get('conversation')} was created and reads as {found.get('state')!r} over HTTP"
    unseen = next((w for w in session.told.waits if w.get("heard") and not w.get("seen")), None)
    # The service tells of a conversation that two devices share to one of them.
    if unseen is None or any(s.told.created for s in mates if s is not session):
        return None
    began = "memory_processing_started came, but " if session.told.started else ""
    return f"{began}no memory_created within {unseen.get('waited_s') or 0:.1f} s after the last word"


def conversation_resumed(facts: Facts, params: Params) -> Result:
    users = {uid: sessions for uid, sessions in by_user(reached(facts, "listen")).items() if len(sessions) > 1}
    if not users:
        return unknown("not reached: no user listened more than once") if facts.stream else not_reached(facts)
    later, bad, unsure = [], [], []
    unread = facts.not_read("backend")
    for sessions in users.values():
        sessions.sort(key=lambda s: s.began)
        first = (sessions[0].conversation or {}).get("conversation")
        for session in sessions[1:]:
            own = (session.conversation or {}).get("conversation")
            later.append(f"{name_of(session)}: conversation {own}, {'resumed' if session.resumed else 'not resumed'}")
            if None not in (first, own) and first != own:
                bad.append(f"{name_of(session)}: conversation {own} in place of {first}")
            elif not session.resumed and not unread:
                bad.append(f"{name_of(session)}: the log does not say `Resuming conversation`")
            elif None in (first, own) and not session.resumed:
                unsure.append(f"{name_of(session)}: its conversation was not read over HTTP")
    detail = f"{len(later) - len(bad)} of {many(len(later), 'later session')} went on in the conversation of the first"
    if bad:
        return missing(facts, f"{detail}: {bad[0]}", bad)
    return unknown(f"{detail}, as far as is known: {unsure[0]}", unsure) if unsure else passed(detail, later)


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
