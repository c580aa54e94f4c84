"""Pure arithmetic of load curves: straight lines between points, and when they cross what counts.

A curve is a tuple of points (seconds, level), seconds not falling; two points at one instant are a jump.
"""

import itertools
import math
from collections.abc import Iterable, Iterator

Point = tuple[float, float]
Curve = tuple[Point, ...]


def crossings(curve: Curve) -> Iterator[tuple[float, int, bool]]:
    """Where a curve of whole levels passes them: (seconds, n, rising).

    Rising from 0 to 3 it passes 0, 1 and 2, the first at once; falling back it passes 2, 1 and 0, the last at the end.
    """
    for (t0, l0), (t1, l1) in itertools.pairwise(curve):
        start, target = int(l0), int(l1)
        for n in range(start, target) if target > start else range(start - 1, target - 1, -1):
            yield t0 + abs(n - start) * (t1 - t0) / abs(target - start), n, target > start


def fill_times(curve: Curve, marks: Iterable[float]) -> Iterator[float]:
    """When the area under a curve reaches each of the rising `marks`; ends where the curve does.

    For a curve of arrivals a second, the area is how many have arrived.
    """
    pieces = itertools.pairwise(curve)
    area, t0, l0, span, slope, whole = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for mark in marks:
        while mark >= area + whole:
            area += whole
            piece = next(pieces, None)
            if piece is None:
                return
            (t0, l0), (t1, l1) = piece
            span = t1 - t0
            slope = (l1 - l0) / span if span else 0.0
            whole = (l0 + l1) / 2 * span
        yield t0 + min(span, _within(l0, slope, mark - area))


def _within(level: float, slope: float, area: float) -> float:
    """Seconds until a line that begins at `level` covers `area`: the root of `slope/2 t^2 + level t = area`.

    In the form that divides by a sum, so that a slope of almost nothing loses no digits.
    """
    if area <= 0:
        return 0.0
    return 2 * area / (level + math.sqrt(max(0.0, level * level + 2 * slope * area)))
