"""Whether a stored conversation is the one that a session made: by its segments' ids, else by its words."""

from difflib import SequenceMatcher

from e2e.verdict.sessions import Session
from e2e.verdict.transcript import normalise

MIN_SHARE = 0.5
"""Of the words that a session heard, those that a stored text must hold in the same order to be of this session."""

MIN_WORDS = 3
"""Different words that a session must have heard to be known by them."""

_MAX_WORDS = 200


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
