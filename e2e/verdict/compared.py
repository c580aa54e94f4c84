"""A stored transcript held against what was streamed, segment by segment: by id, the last text of each."""

import re
from dataclasses import dataclass, field
from typing import Any

from e2e.verdict.transcript import Segment

MAX_KEPT = 50_000
"""Segments that wait for a comparison, over all sessions. Where there are more, a session is not compared."""

_CUT = re.compile(r"\.\.\. \[\d+ more characters\]\Z")


@dataclass(slots=True)
class Difference:
    """`kind`: `missing` (only streamed), `changed`, `grown` (stored with more behind), `added` (only stored).

    `tail`: nothing that was streamed stands behind what is stored here, so that it may have been heard later.
    `last`: it is of the segment that was streamed last, and perhaps still grew.
    """

    kind: str
    id: str
    heard: str
    stored: str
    tail: bool = False
    last: bool = False

    def __str__(self) -> str:
        name = self.id[:80]
        match self.kind:
            case "missing":
                return f"segment {name} was streamed and is not stored: {_short(self.heard)}"
            case "added":
                return f"segment {name} is stored and was never streamed: {_short(self.stored)}"
        return f"segment {name} was streamed as {_short(self.heard)}, stored as {_short(self.stored)}"


@dataclass(slots=True)
class Comparison:
    """What one session was told last of each segment (`heard`), and what its conversations hold (`stored`).

    `whole`: nothing of what is stored was left out. `agreed` is the number of segments that were the same on both
    sides, once all were. `given_up`: there was no room to compare it.
    """

    heard: dict[str, str] = field(default_factory=dict)
    stored: dict[str, str] = field(default_factory=dict)
    ended: bool = False
    whole: bool = False
    agreed: int | None = None
    given_up: bool = False

    @property
    def possible(self) -> bool:
        """Whether both sides are there; journals of earlier versions have no stored segments."""
        return self.agreed is not None or (self.ended and self.whole and not self.given_up)

    def differences(self) -> list[Difference]:
        found = []
        last = max((n for n, key in enumerate(self.stored) if key in self.heard), default=-1)
        behind = set(list(self.stored)[max(last, 0) :])
        newest = next(reversed(self.heard), None)
        for key, text in self.heard.items():
            stored = self.stored.get(key)
            if stored is None:
                found.append(Difference("missing", key, text, "", last=key == newest))
            elif not _same(text, stored):
                kind = "grown" if stored.startswith(text) else "changed"
                found.append(Difference(kind, key, text, stored, key in behind, key == newest))
        for key, text in self.stored.items():
            if key not in self.heard:
                found.append(Difference("added", key, "", text, key in behind))
        return found

    @property
    def same(self) -> int:
        if self.agreed is not None:
            return self.agreed
        return sum(key in self.stored and _same(text, self.stored[key]) for key, text in self.heard.items())

    @property
    def streamed(self) -> int:
        return self.agreed if self.agreed is not None else len(self.heard)


class Comparisons:
    """Takes the two sides of each session's comparison, within `MAX_KEPT`. One that is equal keeps its number alone."""

    def __init__(self) -> None:
        self._kept = 0

    def heard(self, comparison: Comparison, segments: dict[str, Segment], *, ended: bool = False) -> None:
        """The last version of each segment of which no more will come; `ended`: of all that are left."""
        texts = {key: s.text.strip() for key, s in segments.items() if s.deleted is None and s.text.strip()}
        if self._room(comparison, len(texts.keys() - comparison.heard.keys())):
            comparison.heard |= texts
            comparison.ended = ended
            if ended:
                self._close(comparison)

    def stored(self, comparison: Comparison, items: Any) -> None:
        """A part of what a conversation holds."""
        items = [i for i in items if isinstance(i, dict)] if isinstance(items, list) else []
        texts = {str(i.get("id")): str(i.get("text") or "").strip() for i in items}
        texts = {key: text for key, text in texts.items() if text and key not in comparison.stored}
        if comparison.agreed is None and self._room(comparison, len(texts)):
            comparison.stored |= texts

    def read(self, comparison: Comparison, whole: bool) -> None:
        """All of a conversation has been taken."""
        comparison.whole = whole
        self._close(comparison)

    def forget(self, comparison: Comparison) -> None:
        self._kept -= len(comparison.heard) + len(comparison.stored)
        comparison.heard, comparison.stored = {}, {}

    def _room(self, comparison: Comparison, more: int) -> bool:
        if comparison.given_up or self._kept + more > MAX_KEPT:
            self.forget(comparison)
            comparison.given_up = True
            return False
        self._kept += more
        return True

    def _close(self, comparison: Comparison) -> None:
        if comparison.possible and comparison.agreed is None and not comparison.differences():
            comparison.agreed = len(comparison.heard)
            self.forget(comparison)


def _same(heard: str, stored: str) -> bool:
    """Whether both say the same, as far as the journal has it."""
    cut = _CUT.search(heard)
    return stored.startswith(heard[: cut.start()]) if cut else heard == stored


def _short(text: str, limit: int = 80) -> str:
    return repr(text if len(text) <= limit else f"{text[:limit]}...")
