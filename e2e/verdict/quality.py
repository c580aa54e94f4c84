"""How well speech was understood: what was heard of a session, held against what was said in it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from e2e.verdict.spoken import Spoken, Utterance, longest_gap, touches, union
from e2e.verdict.transcript import Segment, joined_text, normalise
from e2e.verdict.words import Alignment, WordErrors


@dataclass(slots=True)
class Score:
    """What can be summed up over sessions, minutes and loads. `speech` and `covered` are seconds."""

    words: int = 0
    word_errors: int = 0
    characters: int = 0
    character_errors: int = 0
    speech: float = 0.0
    covered: float = 0.0

    def merge(self, other: "Score") -> "Score":
        self.words += other.words
        self.word_errors += other.word_errors
        self.characters += other.characters
        self.character_errors += other.character_errors
        self.speech += other.speech
        self.covered += other.covered
        return self

    @property
    def wer(self) -> float | None:
        return self.word_errors / self.words if self.words else None

    @property
    def cer(self) -> float | None:
        return self.character_errors / self.characters if self.characters else None

    @property
    def coverage(self) -> float | None:
        """Share of the known speech that lies under a segment."""
        return self.covered / self.speech if self.speech else None


@dataclass(slots=True)
class Quality(Score):
    """Of one session, or of many. `on_silence` counts words of segments that lie wholly in known silence.

    `changes_heard` and `changes_said` count neighbours with different speakers, among segments and among utterances of
    the same sessions. `timed` counts the sessions of which it is known when something was said; the others have no
    coverage, no gap, no words on silence and no speakers.
    """

    timed: int = 0
    on_silence: int = 0
    gap: float = 0.0
    changes_heard: int = 0
    changes_said: int = 0

    def merge(self, other: "Quality") -> "Quality":
        Score.merge(self, other)
        self.timed += other.timed
        self.on_silence += other.on_silence
        self.gap = max(self.gap, other.gap)
        self.changes_heard += other.changes_heard
        self.changes_said += other.changes_said
        return self


Placed = tuple[float, Score]
"""A score, and the instant of the run at which what it is about had been said."""


def measure(
    segments: Sequence[Segment], said: Spoken, pooled: WordErrors, *, by_time: bool, wordless: bool
) -> tuple[Quality, list[Placed]]:
    """Hold the final segments of a session, in order, against what was said in it; word errors also go to `pooled`.

    `by_time`: the times of its segments count from its own first audio. `wordless`: the service only marks speech.
    """
    quality = Quality()
    # Where nothing was said at all, times do not matter.
    timed = said.timed and (by_time or not (said.utterances or said.unknown))
    # What is heard of an utterance that was cut off is in no reference, so it is no error either.
    whole = [s for s in segments if not _within((s.start + s.end) / 2, said.unknown)] if timed else segments
    alignment = pooled.measure(None if wordless else said.reference, joined_text(whole))
    heard = union((s.start, s.end) for s in segments) if timed else []
    placed = _placed(said, alignment, heard if timed else None)
    for _, score in placed:
        Score.merge(quality, score)
    if timed:
        speech = said.speech
        quality.timed = 1
        quality.gap = longest_gap(speech, heard)
        if not wordless:
            noisy = union([*speech, *said.unknown])
            quality.on_silence = sum(len(normalise(s.text).split()) for s in segments if _silent(s, noisy))
        if said.utterances:
            quality.changes_said = _changes(u.speaker for u in said.utterances)
            quality.changes_heard = _changes(_speaker(s.speaker) for s in whole if s.speaker and s.text.strip())
    return quality, placed


def _placed(said: Spoken, alignment: Alignment | None, heard: list[tuple[float, float]] | None) -> list[Placed]:
    """The scores of each utterance; of all in one, at the end, where it is not known when the words were said."""
    scores = [Score() for _ in said.utterances]
    if heard is not None:
        for utterance, score in zip(said.utterances, scores, strict=True):
            score.speech = utterance.end - utterance.onset
        _cover(said.utterances, heard, scores)
    placed = [(u.due, score) for u, score in zip(said.utterances, scores, strict=True)]
    if alignment is None:
        return placed
    texts = [normalise(u.text) for u in said.utterances]
    words = [text.count(" ") + 1 if text else 0 for text in texts]
    if not said.timed or sum(words) != alignment.words.reference:
        scores = [Score()]
        placed.append((said.ended, scores[0]))
        words, characters = [alignment.words.reference], [alignment.characters.reference]
    else:
        # The space behind each text but the last.
        characters = [len(text) + 1 if text else 0 for text in texts]
    for score, n, m in zip(scores, words, characters, strict=True):
        score.words, score.characters = n, m
    surplus = sum(characters) - alignment.characters.reference
    last = next((s for s in reversed(scores) if s.characters), None)
    if last is not None:
        last.characters -= surplus
    for score, n in zip(scores, _spread(alignment.word_errors, words), strict=True):
        score.word_errors = n
    for score, n in zip(scores, _spread(alignment.character_errors, characters), strict=True):
        score.character_errors = n
    return placed


def _spread(errors: Iterable[tuple[int, int]], sizes: list[int]) -> list[int]:
    """Errors at places in order, counted for stretches of those sizes; what is beyond the last counts there."""
    counts, k, end = [0] * len(sizes), 0, sizes[0] if sizes else 0
    for place, n in errors:
        while place >= end and k + 1 < len(sizes):
            k += 1
            end += sizes[k]
        counts[k] += n
    return counts


def _cover(utterances: list[Utterance], heard: list[tuple[float, float]], scores: list[Score]) -> None:
    """Seconds of each utterance that lie under a segment. Utterances are in order and do not overlap."""
    k = 0
    for utterance, score in zip(utterances, scores, strict=True):
        while k < len(heard) and heard[k][1] <= utterance.onset:
            k += 1
        i = k
        while i < len(heard) and heard[i][0] < utterance.end:
            score.covered += min(heard[i][1], utterance.end) - max(heard[i][0], utterance.onset)
            i += 1


def _within(x: float, intervals: list[tuple[float, float]]) -> bool:
    return any(start <= x < end for start, end in intervals)


def _silent(segment: Segment, noisy: list[tuple[float, float]]) -> bool:
    """Whether nothing is said, or may be said, during the segment."""
    return not touches(segment.start, max(segment.end, segment.start + 1e-6), noisy)


def _changes(speakers: Iterable[str]) -> int:
    return sum(a != b for a, b in pairwise(speakers))


_NUMBER = re.compile(r"SPEAKER_0*(\d+)\Z")


def _speaker(name: str) -> str:
    """`SPEAKER_0` and `SPEAKER_00` are the same."""
    match = _NUMBER.match(name)
    return match.group(1) if match else name
