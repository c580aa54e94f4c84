"""One session on one axis of time: its audio, what was said and heard of it, and the events of each lane."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from e2e.report.curves import TALL, WIDE, ticks

MAX_POINTS = 1_800
"""Of all waveforms of a session."""

_QUIET = 10  # percent of full scale: nothing is drawn higher than if this were the loudest


@dataclass(frozen=True, slots=True)
class Wave:
    """Audio that was played from `begin` to `end`: least and greatest sample of equal stretches, in percent."""

    begin: float
    end: float
    points: Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Span:
    begin: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class Tick:
    t: float
    text: str
    bad: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """From `begin` to `end` (s of the run). `events` are all entries of the timeline, in its order; `ticks` the same by
    lane. `difference` says how what was heard differs from what was said (`e2e.verdict.difference`), `note` what of it
    is not there."""

    begin: float
    end: float
    waves: Sequence[Wave]
    said: Sequence[Span]
    heard: Sequence[Span]
    ticks: dict[str, list[Tick]]
    events: Sequence[Tick]
    difference: Sequence[tuple[str, str, str]]
    note: str = ""

    def across(self, t: float) -> float:
        return round((min(max(t, self.begin), self.end) - self.begin) / (self.end - self.begin) * WIDE, 2)

    @property
    def spans(self) -> list[tuple[str, list[tuple[float, float, str]]]]:
        """Of `said` and `heard`: from where on, how wide, what."""
        named = (("said", self.said), ("heard", self.heard))
        return [
            (name, [(x := self.across(s.begin), max(1.0, round(self.across(s.end) - x, 2)), s.text) for s in spans])
            for name, spans in named
            if spans
        ]

    @property
    def axis(self) -> list[tuple[float, str]]:
        return ticks(self.begin, self.end)

    @property
    def wave(self) -> str:
        """The outline of the audio as an SVG path; the loudest moment reaches the edge."""
        loudest = max((abs(v) for wave in self.waves for pair in wave.points for v in pair), default=0)
        up = TALL / 2 / max(loudest, _QUIET)
        every = -(-sum(len(wave.points) for wave in self.waves) // MAX_POINTS) or 1
        paths = []
        for wave in self.waves:
            parts = [wave.points[i : i + every] for i in range(0, len(wave.points), every)]
            step = (wave.end - wave.begin) / (len(parts) or 1)
            xs = [self.across(wave.begin + (n + 0.5) * step) for n in range(len(parts))]
            over = [TALL / 2 - max(high for _, high in part) * up for part in parts]
            under = [TALL / 2 - min(low for low, _ in part) * up for part in parts]
            around = [*zip(xs, over, strict=True), *reversed(list(zip(xs, under, strict=True)))]
            paths.append("M" + "L".join(f"{x:g} {y:.1f}" for x, y in around) + "Z" if around else "")
        return "".join(paths)

    @property
    def data(self) -> dict[str, Any]:
        """What a script needs to find what happened at a time; the words are in the page."""
        times = sorted({round(t, 3) for t in (*(e.t for e in self.events), *(s.begin for s in self.said))})
        return {
            "begin": self.begin,
            "end": self.end,
            "charts": [{"t": times}],
            "events": [e.t for e in self.events],
            "said": [(s.begin, s.end) for s in self.said],
            "heard": [(s.begin, s.end) for s in self.heard],
        }
