"""What was said in a session, and when: the tapes that it played, up to where it sent them."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from typing import Protocol

from e2e.verdict.transcript import Tape

Interval = tuple[float, float]


class Played(Protocol):
    """One tape as a session played it: see `e2e.verdict.sessions.Play`."""

    tape: Tape | None
    planned: int
    start: float
    offset: float


@dataclass(frozen=True, slots=True)
class Utterance:
    """`onset` and `end` are seconds of the session's audio, `due` is the instant of the run at which it was over."""

    onset: float
    end: float
    text: str
    speaker: str
    due: float


@dataclass(slots=True)
class Spoken:
    """`reference`: all that was said, None where that is not known. `ended`: when its last audio was due (`t`).

    `timed`: it is known when something was said and when nothing was, but for the stretches `unknown` (seconds of the
    session's audio): what a cut left of an utterance there belongs to no reference.
    """

    reference: str | None
    utterances: list[Utterance] = field(default_factory=list)
    unknown: list[Interval] = field(default_factory=list)
    timed: bool = False
    ended: float = 0.0

    @property
    def speech(self) -> list[Interval]:
        return union((u.onset, u.end) for u in self.utterances)


def spoken(plays: Iterable[tuple[Played, int]], since: float = 0.0, until: float = inf) -> Spoken:
    """What was said in the first chunks (the second of each pair) of some plays.

    With `since` or `until` (seconds of the session's audio), only the utterances that lie between; all tapes must then
    be timed.
    """
    said, texts, whole = Spoken(""), [], since <= 0 and until == inf
    for play, chunks in plays:
        tape = play.tape
        seconds = chunks * (tape.chunk_ms if tape else 100.0) / 1000
        said.ended = play.start + seconds
        text = tape.said(chunks) if tape and whole else None
        texts.append(text)
        if tape is not None and (tape.utterances or (text == "" and not tape.partial)):
            said.timed = True
            _say(said, play, tape, seconds, since, until)
        else:
            said.unknown.append((play.offset, play.offset + seconds))
    if not whole:
        texts = [u.text for u in said.utterances]
    said.reference = None if None in texts else " ".join(t for t in texts if t)
    return said


def _say(said: Spoken, play: Played, tape: Tape, seconds: float, since: float, until: float) -> None:
    """Add the utterances of one play of `seconds`, over and over where it is longer than its tape."""
    length = tape.chunks * tape.chunk_ms / 1000
    began = 0.0
    while began < seconds:
        first = bisect_left(tape.utterances, since - play.offset - began, key=lambda u: u.get("onset", 0.0))
        for u in tape.utterances[first:]:
            onset, end = began + u.get("onset", 0.0), began + u.get("end", 0.0)
            if onset >= seconds or play.offset + onset >= until:
                break
            if end > seconds:
                said.unknown.append((play.offset + onset, play.offset + seconds))
                break
            text, speaker = str(u.get("text", "")), str(u.get("speaker", ""))
            said.utterances.append(Utterance(play.offset + onset, play.offset + end, text, speaker, play.start + end))
        if tape.partial and began + tape.partial[0] < seconds:
            said.unknown.append((play.offset + began + tape.partial[0], play.offset + min(began + length, seconds)))
        began += length or seconds


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """The same stretches without overlaps, in order; those that have no length are left out."""
    merged: list[Interval] = []
    for start, end in sorted(i for i in intervals if i[1] > i[0]):
        if merged and start <= merged[-1][1]:
            if end > merged[-1][1]:
                merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged


def length(intervals: Iterable[Interval]) -> float:
    return sum(end - start for start, end in intervals)


def common(one: list[Interval], other: list[Interval]) -> list[Interval]:
    """Where two unions overlap."""
    both, i, k = [], 0, 0
    while i < len(one) and k < len(other):
        start, end = max(one[i][0], other[k][0]), min(one[i][1], other[k][1])
        if end > start:
            both.append((start, end))
        if one[i][1] < other[k][1]:
            i += 1
        else:
            k += 1
    return both


def longest_gap(speech: list[Interval], heard: list[Interval]) -> float:
    """The most seconds of speech in a row that nothing of `heard` covers; pauses between are not counted."""
    longest, missed, at = 0.0, 0.0, 0
    pieces = common(speech, heard)
    for start, end in speech:
        while at < len(pieces) and pieces[at][0] < end:
            longest = max(longest, missed + pieces[at][0] - start)
            missed, start = 0.0, pieces[at][1]
            at += 1
        missed += end - start
        longest = max(longest, missed)
    return longest


def touches(start: float, end: float, intervals: list[Interval]) -> bool:
    """Whether a stretch overlaps one of a union."""
    k = bisect_left(intervals, (end,))
    return k > 0 and intervals[k - 1][1] > start
