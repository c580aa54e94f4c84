"""How well speech was understood over time and over load: the same scores by minute and by number of streams."""

from array import array
from bisect import bisect_left
from typing import Any

from e2e.record.series import Series
from e2e.verdict.quality import Placed, Score

MINUTE = 60.0
MAX_MINUTES = 240

BANDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
"""Upper ends of the bands of streams at once."""

_MAX_SECONDS = 1_000_000


class Streams:
    """How many streams played at once in each second of the run: the most of the second."""

    def __init__(self) -> None:
        self._counts = array("L")
        self._now = 0

    def change(self, t: float, by: int) -> None:
        second = min(max(int(t), 0), _MAX_SECONDS)
        missing = second + 1 - len(self._counts)
        if missing > 0:
            self._counts.extend([self._now] * missing)
        self._now = max(0, self._now + by)
        self._counts[-1] = max(self._counts[-1], self._now)

    def at(self, t: float) -> int:
        second = max(int(t), 0)
        return self._counts[second] if second < len(self._counts) else self._now

    def mean(self, begin: float, seconds: float) -> float:
        """Over the seconds of a stretch that something was known of."""
        counts = self._counts[int(begin) : int(begin + seconds)]
        return sum(counts) / len(counts) if counts else float(self._now)


class QualityCurve:
    """Scores by the minute in which it was said, and by how many streams played then."""

    def __init__(self) -> None:
        self.streams = Streams()
        self.minutes: Series[Score] = Series(Score, MINUTE, MAX_MINUTES)
        self.bands: dict[int, Score] = {}

    def add(self, placed: list[Placed]) -> None:
        for t, score in placed:
            self.minutes.at(t).merge(score)
            band = bisect_left(BANDS, self.streams.at(t))
            self.bands.setdefault(band, Score()).merge(score)

    def to_dict(self) -> dict[str, Any]:
        step = self.minutes.step
        return {
            "step_s": step,
            "by_time": [
                {"t": t, "streams": round(self.streams.mean(t, step), 1), **_rates(score)} for t, score in self.minutes
            ],
            "by_streams": [{"streams": _band(band), **_rates(self.bands[band])} for band in sorted(self.bands)],
        }


def _band(index: int) -> str:
    if index >= len(BANDS):
        return f"more than {BANDS[-1]}"
    low = BANDS[index - 1] + 1 if index else BANDS[index]
    return str(low) if low == BANDS[index] else f"{low} to {BANDS[index]}"


def _rates(score: Score) -> dict[str, Any]:
    return {
        "words": score.words,
        "wer": rounded(score.wer),
        "cer": rounded(score.cer),
        "speech_s": round(score.speech, 1),
        "coverage": rounded(score.coverage),
    }


def rounded(value: float | None, digits: int = 4) -> float | None:
    return None if value is None else round(value, digits)
