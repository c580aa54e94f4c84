"""Transcript lag: how far what was heard is behind what was said, each second, and whether it grows."""

from collections.abc import Callable
from dataclasses import dataclass

SAMPLE_SECONDS = 1.0

NEVER = float("inf")

_BLOCK = 10
_MAX_BLOCKS = 64
MIN_BLOCKS = 5
"""Blocks of samples below which a session tells no slope: it shows its beginning, not whether the service keeps up."""


class Samples:
    """Lag of one session, sampled each second; `cursor` is the largest end of a segment so far, in seconds of audio.

    `due` is the instant of the next sample.

    Neighbouring samples are alike (lag grows through each pause of the speech), so sums are kept for blocks of at
    least ten seconds, and the error of the slope is taken from how blocks differ. At most 64 blocks are kept.
    """

    __slots__ = ("_base", "_blocks", "_size", "cursor", "due", "n")

    def __init__(self) -> None:
        self.cursor = 0.0
        self.due = NEVER
        self._base = 0.0
        self._size = _BLOCK
        self._blocks: list[list[float]] = []
        self.n = 0

    def begin(self, start: float, offset: float) -> None:
        """A play begins at `t` = `start`, `offset` seconds into the session's audio."""
        self.due = start + SAMPLE_SECONDS
        self._base = start - offset

    def until(self, t: float, add: Callable[[float, float], None]) -> None:
        """Take the samples that were due before `t`; `add(due, ms)` counts each."""
        while self.due < t:
            lag = self.due - self._base - self.cursor
            add(self.due, lag * 1000)
            self._sum(self.due - self._base, lag)
            self.due += SAMPLE_SECONDS

    def _sum(self, x: float, y: float) -> None:
        if self.n % self._size == 0:
            if len(self._blocks) == _MAX_BLOCKS:
                pairs = zip(self._blocks[::2], self._blocks[1::2], strict=True)
                self._blocks = [[a + b for a, b in zip(*pair, strict=True)] for pair in pairs]
                self._size *= 2
            self._blocks.append([0.0, 0.0, 0.0, 0.0, 0.0])
        block = self._blocks[-1]
        block[0] += 1
        block[1] += x
        block[2] += y
        block[3] += x * x
        block[4] += x * y
        self.n += 1

    def slope(self) -> "Slope":
        """Of this session alone."""
        n, sx, sy, sxx, sxy = (sum(sums) for sums in zip(*self._blocks, strict=True)) if self._blocks else (0.0,) * 5
        if n < 2:
            return Slope()
        mx, my = sx / n, sy / n
        pooled = Slope(1, len(self._blocks), sxy - n * mx * my, sxx - n * mx * mx)
        before = (0.0, 0.0)
        for bn, bx, by, bxx, bxy in self._blocks:
            # Sums of (x - mean x)(y - mean y) and of (x - mean x)^2 over the block.
            a = bxy - mx * by - my * bx + bn * mx * my
            b = bxx - 2 * mx * bx + bn * mx * mx
            pooled.aa += a * (a + before[0])
            pooled.ab += a * b + (a * before[1] + before[0] * b) / 2
            pooled.bb += b * (b + before[1])
            before = (a, b)
        return pooled


@dataclass(slots=True)
class Slope:
    """Least squares over the samples of all sessions, each with a level of its own: seconds of lag a second.

    `xy` and `xx` are sums of products of deviations from each session's means. The standard error is the sandwich
    estimate of Newey and West (1987) over blocks of samples: those of one block and its neighbour may depend on each
    other.
    """

    sessions: int = 0
    blocks: int = 0
    xy: float = 0.0
    xx: float = 0.0
    aa: float = 0.0
    ab: float = 0.0
    bb: float = 0.0

    def merge(self, other: "Slope") -> "Slope":
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self

    @property
    def value(self) -> float | None:
        """Above 0 the service falls behind: 0.1 is six seconds a minute. None: nothing was sampled."""
        return self.xy / self.xx if self.xx > 0 else None

    @property
    def error(self) -> float | None:
        """One standard error; None where there are too few blocks to tell."""
        slope = self.value
        if slope is None or self.blocks < MIN_BLOCKS:
            return None
        squares = max(0.0, self.aa - 2 * slope * self.ab + slope * slope * self.bb)
        return (squares * self.blocks / (self.blocks - 1)) ** 0.5 / self.xx

    def to_dict(self) -> dict[str, float | int | None]:
        value, error = self.value, self.error
        return {
            "slope": None if value is None else round(value, 5),
            "standard_error": None if error is None else round(error, 5),
            "sessions": self.sessions,
            "blocks": self.blocks,
        }
