"""Samples in blocks: those of one session are alike, so it is blocks, not samples, that two runs are compared by."""

from array import array
from typing import Any

from e2e.record.histogram import Histogram

MAX_BLOCKS = 128

MAX_VALUES = 1024
"""Of a block with more, a histogram is kept: right to three digits, and slower to make."""

STRETCH_SECONDS = 10.0
"""Length of a block of a run with few sessions."""

FEW_SESSIONS = 16
"""Up to so many sessions of a run, stretches of time are kept as blocks too."""


class Blocks:
    """Values by an index. Of more than `limit` blocks every second index is kept, then every fourth, and so on: a block
    that is kept holds all of its samples, so that those of a short run and of a long one mean the same.
    """

    __slots__ = ("_full", "_limit", "blocks", "stride")

    def __init__(self, limit: int = MAX_BLOCKS) -> None:
        self._limit = limit
        self.stride = 1
        self.blocks: dict[int, array[float]] = {}
        self._full: dict[int, Histogram] = {}

    def add(self, index: int, value: float) -> None:
        """Count a value of an index that is kept: `index % stride` is 0."""
        block = self.blocks.get(index)
        if block is None:
            if len(self.blocks) >= self._limit:
                self.stride *= 2
                self.blocks = {i: b for i, b in self.blocks.items() if i % self.stride == 0}
                if index % self.stride == 0:
                    self.add(index, value)
                return
            block = self.blocks[index] = array("d")
        block.append(value)
        if len(block) >= MAX_VALUES:
            self._full.setdefault(index, Histogram()).extend(block)
            del block[:]

    def rows(self) -> list[list[float]]:
        """`[median, p95, samples]` of each block, in order of the index."""
        return [self._row(index) for index in sorted(self.blocks)]

    def _row(self, index: int) -> list[float]:
        values = sorted(self.blocks[index])
        if index in self._full:
            whole = Histogram().merge(self._full[index]).extend(values)
            return [round(whole.percentile(50) or 0.0, 3), round(whole.percentile(95) or 0.0, 3), whole.count]
        n = len(values)
        return [round(values[-(-n * p // 100) - 1], 3) for p in (50, 95)] + [n]


class Samples:
    """One metric of a run: by session, and while there are few sessions also by stretches of the run."""

    __slots__ = ("_few", "_sessions", "_stretches")

    def __init__(self) -> None:
        self._sessions, self._stretches = Blocks(), Blocks()
        self._few = True

    def add(self, value: float, number: int, stretch: int) -> None:
        """`number` is that of the session, `stretch` that of the block of time."""
        self.add_session(value, number)
        self.add_stretch(value, stretch)

    def add_session(self, value: float, number: int) -> None:
        if not number % self._sessions.stride:
            self._sessions.add(number, value)
        if self._few and number >= FEW_SESSIONS:
            self._few, self._stretches = False, Blocks()

    def add_stretch(self, value: float, stretch: int) -> None:
        if self._few and not stretch % self._stretches.stride:
            self._stretches.add(stretch, value)

    def to_dict(self) -> dict[str, Any]:
        """Rows of `sessions`, and of `stretches` where there are few sessions."""
        return {"sessions": self._sessions.rows(), "stretches": self._stretches.rows()}
