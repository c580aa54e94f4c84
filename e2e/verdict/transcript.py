"""What was heard: segments become a transcript, and the transcript is measured against what was said."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec

NORMALISATION = "lower case, apostrophes dropped, other punctuation to spaces, whitespace squeezed"

_APOSTROPHES = re.compile(r"['’ʼ]")
_PUNCTUATION = re.compile(r"[^\w\s]|_")

MAX_SEGMENTS = 20_000
MAX_WORDS = 50_000


@dataclass(slots=True)
class Segment:
    start: float
    end: float
    text: str
    speaker: str | None = None


@dataclass(slots=True)
class Transcript:
    """Segments of one session by id: the last text of an id wins, deleted ids are gone."""

    segments: dict[str, Segment] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    revisions: int = 0
    deleted: int = 0
    beyond: int = 0

    def fold(self, data: Any) -> list[Segment]:
        """Take a transcript array as it came; returns the segments whose id was seen for the first time.

        Items that are no segments are left alone.
        """
        new = []
        for item in segments_of(data):
            segment = _segment(item)
            if segment is None:
                continue
            key = str(item.get("id"))
            if key not in self.seen:
                if len(self.seen) >= MAX_SEGMENTS:
                    self.beyond += 1
                    continue
                self.seen.add(key)
                new.append(segment)
            elif self.segments.get(key) != segment:
                self.revisions += 1
            self.segments[key] = segment
        return new

    def delete(self, data: Any) -> None:
        ids = data.get("segment_ids") if isinstance(data, dict) else None
        for key in ids if isinstance(ids, list) else ():
            if self.segments.pop(str(key), None) is not None:
                self.deleted += 1

    def text(self) -> str:
        ordered = sorted(self.segments.values(), key=lambda s: s.start)
        return " ".join(s.text.strip() for s in ordered if s.text.strip())


def segments_of(data: Any) -> list[dict[str, Any]]:
    """The objects of a transcript array, which the journal may hold as text, or cut with a word about the rest."""
    if isinstance(data, str):
        try:
            data = msgspec.json.decode(data)
        except (msgspec.DecodeError, RecursionError):
            return []
    return [item for item in data if isinstance(item, dict)] if isinstance(data, list) else []


def says_something(item: dict[str, Any]) -> bool:
    text = item.get("text")
    return isinstance(text, str) and bool(text.strip())


def _segment(item: Any) -> Segment | None:
    if not isinstance(item, dict) or "id" not in item or not isinstance(item.get("text"), str):
        return None
    start, end = item.get("start"), item.get("end")
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in (start, end)):
        return None
    speaker = item.get("speaker")
    return Segment(float(start), float(end), item["text"], speaker if isinstance(speaker, str) else None)


@dataclass(frozen=True, slots=True)
class Tape:
    """What was played, as the journal tells it: chunks of `chunk_ms`, and the text that a listener should hear."""

    name: str
    description: str
    codec: str
    sample_rate: int
    chunk_ms: float
    chunks: int
    seconds: float
    reference: str | None
    utterances: tuple[dict[str, Any], ...]

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Tape":
        return cls(
            name=str(record.get("name")),
            description=str(record.get("description") or ""),
            codec=str(record.get("codec") or ""),
            sample_rate=int(record.get("sample_rate") or 0),
            chunk_ms=float(record.get("chunk_ms") or 100),
            chunks=int(record.get("chunks") or 0),
            seconds=float(record.get("seconds") or 0),
            reference=record.get("reference"),
            utterances=tuple(u for u in record.get("utterances") or () if isinstance(u, dict)),
        )

    @property
    def onset(self) -> float | None:
        """Seconds from the first sample to the first speech; None where the tape does not know it."""
        return min((u["onset"] for u in self.utterances if u.get("onset") is not None), default=None)

    def said(self, chunks: int) -> str | None:
        """The reference of the first `chunks` chunks, several times over for a tape that was played in a loop.

        Only utterances that were sent to their end count. None: no reference is known, or it cannot be cut there.
        """
        if self.reference is None or not self.chunks:
            return None
        loops, rest = divmod(chunks, self.chunks)
        if not rest:
            return " ".join([self.reference] * loops)
        if not self.utterances and self.reference.strip():
            return None
        sent = rest * self.chunk_ms / 1000
        part = " ".join(u.get("text", "") for u in self.utterances if u.get("end", 0) <= sent)
        return " ".join([self.reference] * loops + [part]).strip()


@lru_cache(maxsize=64)
def normalise(text: str) -> str:
    """The words that are compared: `NORMALISATION`."""
    return " ".join(_PUNCTUATION.sub(" ", _APOSTROPHES.sub("", text.lower())).split())


@dataclass(slots=True)
class WordErrors:
    """Word errors pooled over sessions: rates divide sums, so that long sessions weigh more than short ones."""

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    sessions: int = 0
    on_silence: int = 0
    unmeasured: int = 0

    def add(self, reference: str | None, heard: str) -> None:
        """Count one session. Words heard where nothing was said are counted apart, in `on_silence`."""
        words, heard_words = normalise(reference or ""), normalise(heard)
        if reference is None or max(words.count(" "), heard_words.count(" ")) >= MAX_WORDS:
            self.unmeasured += 1
        elif not words:
            self.on_silence += len(heard_words.split())
        else:
            self.sessions += 1
            for name, n in _align(words, heard_words).items():
                setattr(self, name, getattr(self, name) + n)

    @property
    def words(self) -> int:
        """Words of the reference."""
        return self.hits + self.substitutions + self.deletions

    @property
    def rate(self) -> float | None:
        """(substitutions + deletions + insertions) / reference words; None where no reference was known."""
        return (self.substitutions + self.deletions + self.insertions) / self.words if self.words else None


# Sessions of one load play the same tape, and mostly hear the same of it.
@lru_cache(maxsize=256)
def _align(reference: str, heard: str) -> dict[str, int]:
    if not heard:
        return {"deletions": len(reference.split())}
    # Imported here: it costs a tenth of a second that `e2e --help` need not pay.
    import jiwer

    output = jiwer.process_words(reference, heard)
    return {name: getattr(output, name) for name in ("hits", "substitutions", "deletions", "insertions")}


def joined(parts: Iterable[str | None]) -> str | None:
    """References of several plays as one; None as soon as one is unknown."""
    texts = list(parts)
    return None if not texts or None in texts else " ".join(t for t in texts if t)
