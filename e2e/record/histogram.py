"""Mergeable latency histograms with a bounded relative error.

Log-linear buckets as in HdrHistogram: each power of two is cut into `2**11` equal sub-buckets, so that a bucket is
at most 1/2048 of its value wide and every percentile is right to three significant digits. Merging adds counts and
is therefore exact and independent of the order. Negative values are kept in a mirror of the same buckets: a segment
may be seen before its own end, and that is shown, not clamped.
"""

import itertools
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

SHOWN = (50, 90, 95, 99)
"""Percentiles of a summary."""

_SUB_BITS = 11
_SUB = 1 << _SUB_BITS


def _index(units: int) -> int:
    """Bucket of a non-negative integer count of units."""
    shift = units.bit_length() - _SUB_BITS - 1
    if shift <= 0:
        return units
    return (shift << _SUB_BITS) + (units >> shift)


def _key(ms: float) -> int:
    """Where a duration is counted: in their order. Negative ones are ~index, so that 0 and -0 do not meet."""
    units = round(ms * 1000)
    return _index(units) if units >= 0 else ~_index(-units)


def _middle(index: int) -> float:
    """Middle of a bucket, in units: the inverse of `_index` to within half a bucket."""
    shift = (index >> _SUB_BITS) - 1
    if shift <= 0:
        return float(index)
    low = ((index & (_SUB - 1)) | _SUB) << shift
    return low + ((1 << shift) - 1) / 2


class Histogram:
    """Counts of durations. Values go in as milliseconds and are kept in units of one microsecond."""

    __slots__ = ("_counts", "count", "max", "min", "sum")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.count = 0
        self.sum = 0.0
        self.min: float | None = None
        self.max: float | None = None

    def add(self, ms: float, times: int = 1) -> None:
        key = _key(ms)
        self._counts[key] = self._counts.get(key, 0) + times
        self.count += times
        self.sum += ms * times
        if self.min is None or ms < self.min:
            self.min = ms
        if self.max is None or ms > self.max:
            self.max = ms

    def extend(self, values: Iterable[float]) -> "Histogram":
        for value in values:
            self.add(value)
        return self

    def merge(self, other: "Histogram") -> "Histogram":
        for key, n in other._counts.items():
            self._counts[key] = self._counts.get(key, 0) + n
        self.count += other.count
        self.sum += other.sum
        for bound, pick in (("min", min), ("max", max)):
            mine, theirs = getattr(self, bound), getattr(other, bound)
            if theirs is not None:
                setattr(self, bound, theirs if mine is None else pick(mine, theirs))
        return self

    def percentile(self, p: float) -> float | None:
        """The value in ms at or below which `p` percent of the samples lie; None when empty.

        Nearest-rank definition: the ceil(p/100 * n)-th smallest sample, to the precision of its bucket.
        """
        return self.percentiles(p)[0]

    def percentiles(self, *rising: float) -> list[float | None]:
        """Several of them at the cost of one."""
        count, found = self.count, []
        if count:
            keys, seen = iter(sorted(self._counts)), 0
            key = -1
            for p in rising:
                rank = max(1, -(-count * p // 100))
                while seen < rank and (following := next(keys, None)) is not None:
                    key = following
                    seen += self._counts[key]
                found.append(min(max(_signed(key) / 1000, self.min), self.max))
        return found or [None] * len(rising)

    def cumulative(self, bounds: Sequence[float]) -> list[int]:
        """How many samples lie at or below each of the rising `bounds` (ms), to the precision of their buckets."""
        marks, counts = [_key(bound) for bound in bounds], [0] * (len(bounds) + 1)
        for key, n in list(self._counts.items()):
            counts[bisect_left(marks, key)] += n
        return list(itertools.accumulate(counts[:-1]))

    def buckets(self) -> Iterator[tuple[float, int]]:
        """Middle of each bucket in ms and how many samples it holds, from the smallest on."""
        return ((_signed(key) / 1000, self._counts[key]) for key in sorted(self._counts))

    @property
    def mean(self) -> float | None:
        return self.sum / self.count if self.count else None

    @property
    def share_negative(self) -> float:
        return sum(n for key, n in self._counts.items() if key < 0) / self.count if self.count else 0.0

    def summary(self) -> dict[str, float | int | None]:
        """`{"count", "p50", "p90", "p95", "p99", "max"}`, durations in ms rounded to a microsecond."""
        out: dict[str, float | int | None] = {"count": self.count}
        for p, value in zip(SHOWN, self.percentiles(*SHOWN), strict=True):
            out[f"p{p}"] = None if value is None else round(value, 3)
        out["max"] = None if self.max is None else round(self.max, 3)
        return out

    def to_dict(self) -> dict[str, Any]:
        return {
            "counts": {str(k): n for k, n in self._counts.items()},
            "sum": self.sum,
            "min": self.min,
            "max": self.max,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Histogram":
        histogram = cls()
        histogram._counts = {int(k): n for k, n in data["counts"].items()}
        histogram.count = sum(histogram._counts.values())
        histogram.sum, histogram.min, histogram.max = data["sum"], data["min"], data["max"]
        return histogram


def _signed(key: int) -> float:
    return _middle(key) if key >= 0 else -_middle(~key)
