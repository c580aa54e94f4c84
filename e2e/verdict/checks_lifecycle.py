"""What the backend's log must show of each session. Checks and reports ask the same rule."""

from collections.abc import Iterable

from e2e.verdict.check import Params, Result, failed, missing, name_of, not_reached, passed, reached, unknown
from e2e.verdict.facts import Facts
from e2e.verdict.lifecycle import ENDINGS
from e2e.verdict.sessions import Session

ALTERNATIVES = {"conversation_created": ("conversation_resumed",)}
"""An event that may stand in the place of another: a session that resumes a conversation creates none."""


OF_PUSHER = frozenset({"speaker_sample_queued"})
"""Events that the pusher's log shows."""


def event_seen(facts: Facts, event: str) -> Result:
    """Whether the log shows the event for every session that got ready."""
    sessions = reached(facts, "listen")
    if not sessions and not facts.folded:
        return not_reached(facts)
    wrong = [s for s in sessions if event == "client_disconnected" and _other_code(s)]
    if wrong:
        words = [f"{name_of(s)}: the log says {s.logged_code}, the session closed with {s.close_code}" for s in wrong]
        return failed(f"{event} with another code: {words[0]}", words)
    lacking, owing = [s for s in sessions if not _seen(s, event)], facts.folded
    if event not in ENDINGS and len(lacking) < len(sessions):
        # Seen of others, so a session that the load ended only had too little time.
        lacking, owing = [s for s in lacking if s.left is None], facts.folded - facts.folded_left
    times = f"{event}: {count(facts, event)} times"
    if not lacking:
        if owing > sum(facts.folded_events[e] for e in _names(event)):
            return unknown(f"{event}: not seen for all of {facts.folded} sessions that are only counted")
        return passed(times)
    whose = f" ({_short(s.uid for s in lacking)})" if len(sessions) > 1 else ""
    service = "pusher" if event in OF_PUSHER else "backend"
    why = facts.not_read(service)
    if why:
        return unknown(f"{event}: {why}")
    log = facts.lifecycle
    if any(log.anonymous[e] for e in _names(event)):
        return unknown(f"{event}: its lines name no user, and several sessions listened{whose}")
    # Where the log says nothing at all of our users, they may go by another name there.
    if any(log.strangers[e] for e in _names(event)) and not any(s.named for s in sessions):
        return unknown(f"{event}: seen only for other users than {_short(s.uid for s in sessions)}; check the uid")
    return missing(facts, f"{event}: not seen in the log of {service}{whose}")


def lifecycle(facts: Facts, params: Params) -> Result:
    if not reached(facts, "listen") and not facts.folded:
        return not_reached(facts)
    events, optional = list(params.get("events") or ()), list(params.get("optional") or ())
    results = [event_seen(facts, event) for event in events]
    counts = [f"{event}: {count(facts, event)} times" for event in (*events, *optional)]
    for status in ("fail", "inconclusive"):
        found = [r for r in results if r.status == status]
        if found:
            details = list(dict.fromkeys(r.detail for r in found))
            return Result(status, "; ".join(details), [*counts, *(line for r in found for line in r.evidence)][:20])
    gone = [e for e in optional if not count(facts, e)]
    aside = f" (not seen, optional: {', '.join(gone)})" if gone else ""
    return passed(f"seen: {', '.join(events)}{aside}", counts)


def count(facts: Facts, event: str) -> int:
    """How often the log shows it, or what may stand in its place, of this run's own sessions."""
    return sum(facts.lifecycle.own[e] for e in _names(event))


def _names(event: str) -> tuple[str, ...]:
    return (event, *ALTERNATIVES.get(event, ()))


def _seen(session: Session, event: str) -> bool:
    return not session.events.isdisjoint(_names(event))


def _other_code(session: Session) -> bool:
    return None not in (session.logged_code, session.close_code) and session.logged_code != session.close_code


def _short(uids: Iterable[str | None]) -> str:
    names = sorted({str(uid) for uid in uids})
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
