"""What was understood of a session, counted when it ends; of a long one, as soon as its beginning is settled."""

from math import inf

from e2e.verdict.facts import Facts
from e2e.verdict.lag import MIN_BLOCKS
from e2e.verdict.metrics import REALTIME
from e2e.verdict.quality import Quality, measure
from e2e.verdict.sessions import Session
from e2e.verdict.spoken import spoken, touches, union
from e2e.verdict.transcript import Segment, final, joined_text
from e2e.verdict.words import WordErrors

MAX_LIVE = 128
"""Segments of a session that are kept before a cut is looked for."""

AGAIN = 32
"""More segments until the next look, where there was no place to cut."""

BEHIND_SECONDS = 60.0
"""A cut lies at least so far behind what has been heard."""

STILL_SECONDS = 30.0
"""For so long nothing before a cut may have changed."""

MAX_HISTORY = 200
"""Segments of a session whose history is kept."""

MAX_HEARD = 2_000
"""Characters of a session's text that are kept, but for the first sessions."""


def understand(facts: Facts, session: Session, segments: dict[str, Segment], until: float = inf) -> None:
    """Hold what was heard since `session.settled_to` against what was said. Without `until` (seconds of the session's
    audio) the session has ended, and counts."""
    last, ended = final(segments.values()), until == inf
    sent = [(p, p.sent if p.sent is not None else (session.sent or 0) if ended else p.planned) for p in session.plays]
    said = spoken([(p, min(p.planned, n)) for p, n in sent], session.settled_to, until)
    _remember(session, segments, last, said.reference)
    if session.kind != "listen":
        return
    session.words, session.quality = session.words or WordErrors(), session.quality or Quality()
    words, by_time = WordErrors(), not session.displaced
    quality, placed = measure(last, said, words, by_time=by_time, wordless=facts.wordless)
    session.words.pool(words)
    session.quality.merge(quality)
    # Sent quicker than it was spoken, nothing was said at an instant of its own.
    if session.pace == REALTIME:
        facts.curve.add(placed)
    for _, score in placed:
        if score.words:
            facts.utterances += 1
            facts.heard.add_stretch(100 * score.word_errors / score.words, facts.utterances)
    if ended:
        # Its parts are one session.
        session.words.sessions, session.words.unmeasured = min(1, session.words.sessions), words.unmeasured
        session.quality.timed = min(1, session.quality.timed)
        facts.words.pool(session.words)
        if session.words.rate is not None:
            facts.heard.add_session(100 * session.words.rate, session.number)
        facts.quality.merge(session.quality)
        if session.pace == REALTIME and by_time:
            slope = session.lag.slope()
            # Sessions that play the same beginning of a tape would all agree on what it happens to sound like.
            if slope.blocks >= MIN_BLOCKS:
                facts.lag.merge(slope)


def _remember(session: Session, segments: dict[str, Segment], last: list[Segment], reference: str | None) -> None:
    keep = session.transcript.keep_versions
    if keep or len(session.text) < MAX_HEARD:
        parts = [session.reference if session.settled_to else "", reference]
        session.text = " ".join(text for text in (session.text, joined_text(last)) if text)
        session.reference = None if None in parts else " ".join(part for part in parts if part)
    for key, segment in segments.items():
        if keep and len(session.history) < MAX_HISTORY:
            session.history.append((key, segment))


def settle_beginning(facts: Facts, session: Session, t: float) -> dict[str, Segment]:
    """Count, and forget, what nothing changes any more, so that hours take no more memory than minutes. Returns it."""
    cut = None if session.probe else _cut(session, t)
    if cut is None:
        session.next_cut = len(session.transcript.segments) + AGAIN
        return {}
    segments = session.transcript.take_before(cut)
    session.settle_segments(segments.values(), facts.latencies)
    understand(facts, session, segments, cut)
    session.settled_to, session.next_cut = cut, 0
    return segments


def _cut(session: Session, t: float) -> float | None:
    """The latest pause of the tapes (seconds of the session's audio) that no segment spans, and before which nothing
    changes any more; None: there is none, or the tapes do not know their pauses."""
    plays = session.plays
    if session.displaced or session.pace != REALTIME or not all(p.tape and p.tape.utterances for p in plays):
        return None
    segments = session.transcript.segments.values()
    latest = session.transcript.cursor - BEHIND_SECONDS
    moving = [s.start for s in segments if s.changed > t - STILL_SECONDS]
    latest = min([latest, *moving])
    said = spoken([(p, p.planned if p.sent is None else p.sent) for p in plays], session.settled_to, latest)
    heard = union((s.start, s.end) for s in segments)
    for before, after in zip(reversed(said.utterances[:-1]), reversed(said.utterances), strict=False):
        cut = (before.end + after.onset) / 2
        if session.settled_to < cut <= latest and before.end < after.onset and not touches(cut, cut + 1e-9, heard):
            return cut
    return None
