"""Histograms for the eye: few bins of the same width on a logarithmic scale, counted from the fine ones."""

from bisect import bisect_right
from typing import Any

from e2e.record.histogram import Histogram

MAX_BINS = 40

FLOOR = 0.01
"""ms; what is nearer to 0 lies in one bin around it."""

_SERIES = (
    (1, 1.25, 1.6, 2, 2.5, 3.15, 4, 5, 6.3, 8),  # Renard's R10 of ISO 3: ten bins a decade
    (1, 1.6, 2.5, 4, 6.3),  # R5
    (1, 2, 5),
    (1,),
)
_DECADES = range(-2, 10)


def bins(histogram: Histogram) -> dict[str, Any]:
    """`edges` (ms, n + 1 of them) and `counts` (n): bin i holds the values from `edges[i]` up to `edges[i + 1]`.

    The finest of four scales is taken that needs no more than `MAX_BINS` bins from the smallest value to the largest.
    Counts come from the histogram's own buckets, so a value at an edge may lie in the neighbouring bin.
    """
    values = list(histogram.buckets())
    if not values:
        return {"edges": [], "counts": []}
    for series in _SERIES:
        edges = _edges(series)
        first, last = bisect_right(edges, values[0][0]) - 1, bisect_right(edges, values[-1][0]) - 1
        if last - first < MAX_BINS:
            break
    counts = [0] * (last - first + 1)
    for value, n in values:
        counts[bisect_right(edges, value) - 1 - first] += n
    return {"edges": edges[first : last + 2], "counts": counts}


def _edges(series: tuple[float, ...]) -> list[float]:
    up = [round(step * 10.0**decade, 6) for decade in _DECADES for step in series]
    return [-1e12, *(-edge for edge in reversed(up)), *up, 1e12]
