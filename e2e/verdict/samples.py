"""Samples in blocks: those of one session are alike, so it is blocks, not samples, that two runs are compared by."""

from typing import Any

from e2e.record.histogram import Histogram

MAX_BLOCKS = 128

STRETCH_SECONDS = 10.0
"""Length of a block of a run with few sessions."""

FEW_SESSIONS = 16
"""Up to so many sessions of a run, stretches of time are kept as blocks too."""


class Blocks:
    """A histogram for each index. Of more than `limit` blocks every second index is kept, then every fourth, and so on:
    a block that is kept holds all of its samples, so that those of a short run and of a long one mean the same.
    """

    __slots__ = ("_limit", "_stride", "blocks")

    def __init__(self, limit: int = MAX_BLOCKS) -> None:
        self._limit = limit
        self._stride = 1
        self.blocks: dict[int, Histogram] = {}

    def add(self, index: int, value: float) -> None:
        if index % self._stride:
            return
        block = self.blocks.get(index)
        if block is None:
            if len(self.blocks) >= self._limit:
                self._stride *= 2
                self.blocks = {i: b for i, b in self.blocks.items() if i % self._stride == 0}
                return self.add(index, value)
            block = self.blocks[index] = Histogram()
        block.add(value)

    def rows(self) -> list[list[float]]:
        """`[median, p95, samples]` of each block, in order of the index."""
        return [
            [round(b.percentile(50) or 0.0, 3), round(b.percentile(95) or 0.0, 3), b.count]
            for _, b in sorted(self.blocks.items())
        ]


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
        self._few = self._few and number < FEW_SESSIONS
        self._sessions.add(number, value)

    def add_stretch(self, value: float, stretch: int) -> None:
        if self._few:
            self._stretches.add(stretch, value)

    def to_dict(self) -> dict[str, Any]:
        """Rows of `sessions`, and of `stretches` where there are few sessions."""
        return {"sessions": self._sessions.rows(), "stretches": self._stretches.rows() if self._few else []}
