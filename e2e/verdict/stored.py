"""Whether a stored conversation is the one that a session made: by its segments' ids, else by its words."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from difflib import SequenceMatcher
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from e2e.verdict.compared import Difference
from e2e.verdict.metrics import REALTIME
from e2e.verdict.sessions import Session
from e2e.verdict.transcript import normalise

MIN_SHARE = 0.5
"""Of the words that a session heard, those that a stored text must hold in the same order to be of this session."""

MIN_WORDS = 3
"""Different words that a session must have heard to be known by them."""

_MAX_WORDS = 200

QUIET_SECONDS = 5.0
"""Before it closed, in which a session heard and sent nothing: what a service hears in five seconds it could stream."""

STATES = frozenset({"in_progress", "processing", "merging", "completed"})


def unstored(session: Session) -> str | None:
    """Why the conversation that was read is not the one that this session made; None when it is."""
    found = session.conversation or {}
    name = f"conversation {found.get('conversation') or 'unknown'}"
    if not found.get("found"):
        answer = found.get("error") or (f"HTTP {found['status']}" if found.get("status") else "no answer")
        return f"{name} was not found ({answer})"
    if not found.get("segments"):
        return f"{name} holds no transcript"
    ids = found.get("segment_ids")
    if isinstance(ids, list) and not session.segment_ids.isdisjoint(map(str, ids)):
        return None
    if _shared(session.text, str(found.get("text") or "")) >= MIN_SHARE:
        return None
    how = f", found as {found['by']}" if found.get("by") else ""
    made = f", of {found['created_at']}" if found.get("created_at") else ""
    return f"{name} holds no transcript of this session ({found['segments']} segments{how}{made})"


def _shared(heard: str, stored: str) -> float:
    """Share of the first words heard that the stored text holds in that order; 0 where too few were heard to tell."""
    words = normalise(heard).split()[:_MAX_WORDS]
    if len(set(words)) < MIN_WORDS:
        return 0.0
    blocks = SequenceMatcher(None, words, normalise(stored).split(), autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) / len(words)


def by_user(sessions: Iterable[Session]) -> dict[str | None, list[Session]]:
    users = defaultdict(list)
    for session in sessions:
        if session.kind == "listen":
            users[session.uid].append(session)
    return users


def wrong_with(session: Session, users: dict[str | None, list[Session]]) -> list[str]:
    """In words, all that is wrong with the conversation that was read for a session; `users` are those of the run."""
    why = unstored(session)
    return [why] if why else differs(session, [s for s in users.get(session.uid, ()) if s is not session])


def differs(session: Session, mates: Collection[Session] = ()) -> list[str]:
    """In words, how what is stored differs from what this session streamed and asked for.

    `mates` are the other sessions of its user, which may be in the same conversation. What a conversation holds beyond
    the session's own words only counts where the conversation was made for this session alone; at its end, only where
    the session was quiet before it closed: what is heard after the client has left cannot be streamed. For the same
    reason the last segment of a session that the load ended is not judged: the service hears it to its end.
    """
    found = session.conversation or {}
    state = found.get("state")
    words = [] if state in (None, *STATES) else [f"conversation {found.get('conversation')} is {str(state)!r}"]
    own = not mates and not session.resumed and "conversation_created" in session.events
    if own:
        words += _asked(session, found)
    if not session.compared.possible:
        return words
    for difference in session.compared.differences():
        if _still_open(session, difference):
            continue
        more = difference.kind in ("grown", "added")
        if not more or (own and (not difference.tail or _was_quiet(session))):
            words.append(str(difference))
    return words


def unjudged(session: Session) -> int:
    """Segments that differ and are not judged, since the load ended the session while they grew."""
    return sum(_still_open(session, d) for d in session.compared.differences()) if session.compared.possible else 0


def _still_open(session: Session, difference: Difference) -> bool:
    return difference.last and session.left is not None


def _asked(session: Session, found: dict[str, Any]) -> list[str]:
    query = dict(parse_qsl(urlsplit(session.url or "").query))
    language = {"auto": "multi"}.get(query.get("language", ""), query.get("language"))
    wanted = {"language": None if language == "multi" else language, "source": query.get("source")}
    return [
        f"its {name} is {str(found[name])!r}, asked for was {value!r}"
        for name, value in wanted.items()
        if value is not None and found.get(name) is not None and found[name] != value
    ]


def _was_quiet(session: Session) -> bool:
    if session.pace != REALTIME or session.ended is None or (session.closed or {}).get("by") != "client":
        return False
    sent = session.plays[-1].last_send if session.plays else None
    last = max(session.last_transcript or session.began, sent or session.began)
    return session.ended - last >= QUIET_SECONDS
