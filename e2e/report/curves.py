"""Curves and bars as a report draws them: values, scales, and the paths of an SVG."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

Value = float | None

WIDE, TALL = 1000, 100
"""Of the box that an SVG path is drawn in; the page stretches it to where it stands. `report.js` draws in the same."""

_MOST = 5.5
"""Steps between the ticks of an axis: six ticks."""

_CLOCK_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)


@dataclass(frozen=True)
class Line:
    """A value for each time of its curve; None leaves a gap."""

    name: str
    values: Sequence[Value]

    @property
    def known(self) -> list[float]:
        return [v for v in self.values if v is not None]


@dataclass(frozen=True)
class Curve:
    """Lines over the times `t` (s), drawn from 0 to `end` (s). `unit` is that of the values.

    The y axis begins at 0, or below it. An `extra` curve is left out where there is room for a few only.
    """

    title: str
    unit: str
    t: Sequence[float]
    lines: Sequence[Line]
    end: float
    extra: bool = False

    @cached_property
    def low(self) -> float:
        return 0.0 - nice(-min(self._all(), default=0.0))

    @cached_property
    def high(self) -> float:
        return nice(max(self._all(), default=0.0)) or (0.0 if self.low else 1.0)

    def _all(self) -> Iterable[float]:
        return (v for line in self.lines for v in line.known)

    @property
    def scale(self) -> list[str]:
        """What to write at the top, in the middle and at the bottom of the y axis."""
        return [short(self.low + share * (self.high - self.low)) for share in (1.0, 0.5, 0.0)]

    @property
    def axis(self) -> list[tuple[float, str]]:
        return ticks(0.0, self.end)

    def told(self, line: Line) -> str:
        """What is to be said of a line without a look at it."""
        known = line.known
        if not known:
            return "not known"
        low, high = min(known), max(known)
        return short(high) if low == high else f"{short(low)} to {short(high)}"

    @property
    def data(self) -> dict[str, Any]:
        """What a script needs to draw it anew, and to tell its values."""
        lines = [{"name": line.name, "values": line.values} for line in self.lines]
        return {"t": self.t, "unit": self.unit, "lines": lines}

    def path(self, line: Line) -> str:
        """The line as an SVG path in a box of `WIDE` by `TALL`. A value alone between gaps is a short stroke."""
        across, up = WIDE / (self.end or 1.0), TALL / (self.high - self.low)
        parts, pen = [], "M"
        for n, value in enumerate(line.values):
            if value is None:
                pen = "M"
                continue
            x, y = min(self.t[n], self.end) * across, TALL - (value - self.low) * up
            parts.append(f"{pen}{x:.1f} {y:.1f}")
            if pen == "M" and (n + 1 >= len(line.values) or line.values[n + 1] is None):
                parts.append("h1")
            pen = "L"
        return "".join(parts)


@dataclass(frozen=True)
class Bars:
    """How often values lie between neighbouring `edges` (one more than `counts`); `notes` name figures of them all."""

    title: str
    unit: str
    edges: Sequence[float]
    counts: Sequence[int]
    notes: Sequence[tuple[str, str]] = ()

    @property
    def rows(self) -> list[tuple[str, int, float]]:
        """Of each bin: from where to where, how many, and how high its bar is as a share of the highest."""
        top = max(self.counts, default=0) or 1
        edges = [short(e) if abs(e) < 1e12 else "∞" for e in self.edges]
        return [(f"{edges[n]} to {edges[n + 1]}", count, count / top) for n, count in enumerate(self.counts)]

    @property
    def scale(self) -> list[tuple[float, str]]:
        """Where (share of the width) to write which edge."""
        n = len(self.counts)
        every = max(1, -(-n // 4))
        return [(k / n, short(self.edges[k])) for k in range(0, n + 1, every) if abs(self.edges[k]) < 1e12]


def nice(value: float) -> float:
    """The next number not below it that a scale can end with; 0 for what is not above 0."""
    if value <= 0:
        return 0.0
    power = 10.0 ** int(f"{value:e}".partition("e")[2])
    return next(step * power for step in (1, 2, 3, 4, 5, 6, 8, 10, 20) if step * power >= value)


def short(value: float) -> str:
    """A number in a few characters: `0.0123`, `12.3`, `1,234`, `1.23M`."""
    if abs(value) >= 999_999.5:
        return f"{value / 1e6:,.0f}M" if abs(value) >= 1e9 else f"{value / 1e6:.3g}M"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def clock(t: float, end: float) -> str:
    """An instant of something that lasts until `end` (s): `12.5 s`, `4:05`, `1:04:05`."""
    if end < 120:
        return f"{t:.3g} s"
    minutes, seconds = divmod(round(t), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}" if end >= 3600 else f"{minutes}:{seconds:02}"


def ticks(begin: float, end: float) -> list[tuple[float, str]]:
    """Round instants of an axis of time, at most six: where (percent of the width), and what to write there."""
    step = _step(end - begin, by_clock=end >= 120)
    places = [n * step for n in range(math.ceil(begin / step - 1e-9), math.floor(end / step + 1e-9) + 1)]
    words = (f"{round(t, 6):g} s" if end < 120 else clock(t, end) for t in places)
    return [((t - begin) / (end - begin) * 100, word) for t, word in zip(places, words, strict=True)]


def _step(span: float, *, by_clock: bool) -> float:
    """What lies between two ticks (s); of a clock no part of a second, but of minutes and hours."""
    if by_clock:
        return next((s for s in _CLOCK_STEPS if span <= _MOST * s), 86_400.0 * math.ceil(span / _MOST / 86_400))
    power = 10.0 ** math.floor(math.log10(span / _MOST))
    return next(step * power for step in (1, 2, 5, 10) if span <= _MOST * step * power * (1 + 1e-9))
