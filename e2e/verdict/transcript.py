"""What was heard and what was said: the segments of a session with their history, and the tapes that it played."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec

NORMALISATION = "lower case, apostrophes dropped, other punctuation to spaces, whitespace squeezed"

_APOSTROPHES = re.compile(r"['’ʼ]")
_PUNCTUATION = re.compile(r"[^\w\s]|_")

MAX_SEGMENTS = 20_000
ORDER_SECONDS = 0.001
"""Starts that differ by less are the same."""

MAX_CHANGES = 20
"""Versions of one segment that are kept, where they are kept."""

MAX_SECONDS = 1e7
"""Segment times beyond this are no times: nobody speaks for four months."""


@dataclass(slots=True, eq=False)
class Segment:
    """The last version of a segment and its history. `first`, `changed` and `deleted` are instants of the run (s).

    `changed` is when its text last changed (first sight counts), `first_end` its end as it was first seen, `updates`
    how often a new version came. `versions` holds the first of them as (instant, end, text), where they are kept.
    """

    start: float
    end: float
    text: str
    speaker: str | None
    first: float
    first_end: float
    changed: float
    updates: int = 0
    deleted: float | None = None
    versions: list[tuple[float, float, str]] | None = None

    def update(self, start: float, end: float, text: str, speaker: str | None, t: float) -> bool:
        """Take another version; returns whether it differs."""
        if text != self.text:
            self.changed = t
        elif self.end == end and self.start == start and self.speaker == speaker and self.deleted is None:
            return False
        self.start, self.end, self.text, self.speaker, self.deleted = start, end, text, speaker, None
        self.updates += 1
        if self.versions is not None and len(self.versions) < MAX_CHANGES:
            self.versions.append((t, end, text))
        return True


@dataclass(slots=True)
class Transcript:
    """Segments of one session by id: the last version of an id wins, and those that were deleted say so.

    `ids` counts all ids, `cursor` is the largest end (s) of a segment so far, `out_of_order` counts the segments that
    start before one that was seen earlier, `beyond` those that there was no room for. With `keep_versions`, segments
    remember what they said before.
    """

    segments: dict[str, Segment] = field(default_factory=dict)
    keep_versions: bool = False
    ids: int = 0
    revisions: int = 0
    deleted: int = 0
    beyond: int = 0
    out_of_order: int = 0
    cursor: float = 0.0
    _last_start: float = -MAX_SECONDS

    def fold(self, data: Any, t: float = 0.0) -> list[Segment]:
        """Take a transcript array that came at `t`; returns the segments whose id was seen for the first time.

        Items that are no segments are left alone.
        """
        return self.take(segments_of(data), t)

    def take(self, items: list[dict[str, Any]], t: float) -> list[Segment]:
        """The same for objects of an array."""
        new = []
        for item in items:
            text, start, end = item.get("text"), item.get("start"), item.get("end")
            if not isinstance(text, str) or "id" not in item or not _is_time(start) or not _is_time(end):
                continue
            speaker = item.get("speaker")
            if not isinstance(speaker, str):
                speaker = None
            key = str(item["id"])
            segment = self.segments.get(key)
            if segment is not None:
                self.revisions += segment.update(start, end, text, speaker, t)
            elif len(self.segments) >= MAX_SEGMENTS:
                self.beyond += 1
                continue
            else:
                segment = self.segments[key] = Segment(start, end, text, speaker, t, end, t)
                if self.keep_versions:
                    segment.versions = [(t, end, text)]
                self.ids += 1
                if start < self._last_start - ORDER_SECONDS:
                    self.out_of_order += 1
                elif start > self._last_start:
                    self._last_start = start
                new.append(segment)
            if end > self.cursor:
                self.cursor = end
        return new

    def delete(self, data: Any, t: float = 0.0) -> None:
        ids = data.get("segment_ids") if isinstance(data, dict) else None
        for key in ids if isinstance(ids, list) else ():
            segment = self.segments.get(str(key))
            if segment is not None and segment.deleted is None:
                segment.deleted = t
                self.deleted += 1

    def take_before(self, cut: float) -> dict[str, Segment]:
        """Forget the segments that end before a second of the audio, and return them. Should one of them be sent again,
        it counts as a new one."""
        gone = {key: s for key, s in self.segments.items() if s.end <= cut}
        self.segments = {key: s for key, s in self.segments.items() if s.end > cut}
        return gone

    def final(self) -> list[Segment]:
        """What was not deleted, by start."""
        return final(self.segments.values())

    def text(self) -> str:
        return joined_text(self.final())


def final(segments: Iterable[Segment]) -> list[Segment]:
    return sorted((s for s in segments if s.deleted is None), key=lambda s: s.start)


def joined_text(segments: Iterable[Segment]) -> str:
    return " ".join(text for s in segments if (text := s.text.strip()))


def _is_time(value: Any) -> bool:
    return type(value) in (float, int) and -MAX_SECONDS < value < MAX_SECONDS


def segments_of(data: Any) -> list[dict[str, Any]]:
    """The objects of a transcript array, which the journal may hold as text, or cut with a word about the rest."""
    if isinstance(data, str):
        try:
            data = msgspec.json.decode(data)
        except (msgspec.DecodeError, RecursionError):
            return []
    return [item for item in data if type(item) is dict] if type(data) is list else []


def says_something(item: dict[str, Any]) -> bool:
    text = item.get("text")
    return isinstance(text, str) and bool(text.strip())


@dataclass(frozen=True, slots=True)
class Tape:
    """What was played, as the journal tells it: chunks of `chunk_ms`, and the text that a listener should hear.

    `partial` is the stretch (s) of an utterance that the tape's end cuts off; it is in no reference. `envelope` holds
    the least and the greatest sample of equal stretches, in percent of full scale; empty where it is not known.
    """

    name: str
    description: str
    codec: str
    sample_rate: int
    chunk_ms: float
    chunks: int
    seconds: float
    reference: str | None
    utterances: tuple[dict[str, Any], ...]
    partial: tuple[float, float] | None = None
    envelope: tuple[tuple[int, int], ...] = ()

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
            partial=tuple(record["partial"]) if record.get("partial") else None,
            envelope=tuple((low, high) for low, high in record.get("envelope") or ()),
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


def tape_played(tapes: Sequence[Tape], name: str, planned: int) -> Tape | None:
    """The tape that a play of `planned` chunks means by a name; several may have it."""
    named = [t for t in tapes if t.name == name]
    return next((t for t in named if t.chunks == planned), named[-1] if named else None)


@lru_cache(maxsize=64)
def normalise(text: str) -> str:
    """The words that are compared: `NORMALISATION`."""
    return " ".join(_PUNCTUATION.sub(" ", _APOSTROPHES.sub("", text.lower())).split())
