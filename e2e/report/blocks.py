"""The pieces of a report, independent of its format: each renderer knows how to show these and nothing else."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from e2e.report.curves import Bars, Curve, ticks
from e2e.report.scene import Scene

MARKS = {"pass": "✅", "fail": "❌", "inconclusive": "❓", "none": "·"}
"""A tick only for what was seen, a cross for what was seen to be wrong, a question mark for what was not seen."""


@dataclass(frozen=True, slots=True)
class Prose:
    text: str
    kind: ClassVar[str] = "prose"


@dataclass(frozen=True, slots=True)
class Items:
    """A plain list."""

    items: list[str]
    kind: ClassVar[str] = "items"


@dataclass(frozen=True, slots=True)
class Pairs:
    """Labels and their values."""

    rows: list[tuple[str, str]]
    kind: ClassVar[str] = "pairs"


@dataclass(frozen=True, slots=True)
class Table:
    """`status` gives each row a mark in front of it, in the words of a check; `numeric` are columns set right."""

    head: list[str]
    rows: list[list[str]]
    status: list[str] = field(default_factory=list)
    numeric: frozenset[int] = frozenset()
    kind: ClassVar[str] = "table"


@dataclass(frozen=True, slots=True)
class Mark:
    status: str
    text: str
    detail: str = ""
    evidence: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Marks:
    """Statements with a tick, a cross or a question mark."""

    items: list[Mark]
    kind: ClassVar[str] = "marks"


@dataclass(frozen=True, slots=True)
class Log:
    """Quoted lines, folded under a title."""

    title: str
    lines: list[str]
    open: bool = False
    kind: ClassVar[str] = "log"


@dataclass(frozen=True, slots=True)
class Code:
    """A command or a short output, to be copied."""

    text: str
    kind: ClassVar[str] = "code"


@dataclass(frozen=True, slots=True)
class Moment:
    t: float
    lane: str
    label: str
    detail: str = ""
    bad: bool = False


@dataclass(frozen=True, slots=True)
class Timeline:
    """Events on one time axis of `seconds`, a lane for each service."""

    lanes: list[str]
    moments: list[Moment]
    seconds: float
    kind: ClassVar[str] = "timeline"

    @property
    def axis(self) -> list[tuple[float, str]]:
        return ticks(0.0, self.seconds)


@dataclass(frozen=True, slots=True)
class SideBySide:
    """Two texts that a reader compares."""

    left_title: str
    left: str
    right_title: str
    right: str
    kind: ClassVar[str] = "side_by_side"


@dataclass(frozen=True, slots=True)
class Lane:
    """One thing that happened. `lane` is a column; `arrow` shows which way it went, where it went any."""

    t: float
    since_ms: float | None
    lane: str
    arrow: str
    what: str
    detail: str = ""
    bad: bool = False
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Lanes:
    """One session in order of time, each part of the system in a lane of its own; folded under a title.

    `steps` are durations that have a name. `short` is the same as text, for where a table has no room; where not even
    that has, an `extra` one is only named. `scene` draws it, `status` is how it went, in the words of a check.
    """

    title: str
    lanes: list[str]
    rows: list[Lane]
    steps: list[tuple[str, str]]
    short: list[str]
    left_out: int = 0
    open: bool = False
    extra: bool = False
    scene: Scene | None = None
    status: str = "none"
    kind: ClassVar[str] = "lanes"


@dataclass(frozen=True, slots=True)
class Curves:
    """Curves over the same stretch of time, to be looked at together."""

    items: list[Curve]
    kind: ClassVar[str] = "curves"

    @property
    def data(self) -> dict[str, Any]:
        """What a script needs to know of them."""
        return {"begin": 0, "end": self.items[0].end, "charts": [curve.data for curve in self.items]}


@dataclass(frozen=True, slots=True)
class Distributions:
    """Histograms beside each other."""

    items: list[Bars]
    kind: ClassVar[str] = "distributions"


Block = Prose | Items | Pairs | Table | Marks | Log | Code | Timeline | Lanes | SideBySide | Curves | Distributions


@dataclass(frozen=True, slots=True)
class Section:
    id: str
    title: str
    blocks: list[Block]


@dataclass(frozen=True, slots=True)
class View:
    """A whole report. `figures` are the few numbers that a reader looks for first."""

    title: str
    run_id: str
    verdict: str
    exit_code: int
    sentence: str
    figures: list[tuple[str, str]]
    sections: list[Section]
