"""The runs of a directory over time: a table for the terminal, and the trends of a page."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import quote

from e2e.durations import told
from e2e.record.history import RunRow
from e2e.report.blocks import Block, Items, Prose, Table
from e2e.verdict.check import many

_STATUS = {"pass": "pass", "fail": "fail", "invalid": "fail"}
_HEAD = ["run", "scenario", "target", "started", "pace", "faults", "users", "ready p95", "first segment p95"]
_HEAD += ["word error rate", "chunks lost", "import errors", "worse"]
_NUMERIC = frozenset(range(6, len(_HEAD)))

MAX_TOLD = 5
"""Verdicts of a scenario, and scenarios, that the head of the page tells."""

MAX_POINTS = 200
"""Runs of a trend: the newest."""

WIDTH, HEIGHT = 1000, 200
_EDGE = 24

_CHOSEN = ("ready", "handshake", "first_segment", "segment_emission", "finalisation", "transcript_lag")
"""Latencies whose trend is drawn."""


@dataclass(frozen=True, slots=True)
class Point:
    """Where it lies in a box of `WIDTH` by `HEIGHT`; `status` is the verdict's, in the words of a check."""

    x: float
    y: float
    words: str
    status: str


@dataclass(frozen=True, slots=True)
class Trend:
    title: str
    scale: str
    points: list[Point]

    @property
    def radius(self) -> int:
        return 12 if len(self.points) <= 40 else 7

    @property
    def line(self) -> str:
        return " ".join(f"{p.x:.1f},{p.y:.1f}" for p in self.points)


@dataclass(frozen=True, slots=True)
class Group:
    """Runs that may be compared, the oldest first: of one scenario, target, load and pace, with the same faults."""

    title: str
    sentence: str
    first: str
    last: str
    trends: list[Trend]


@dataclass(frozen=True, slots=True)
class Line:
    status: str
    link: str
    name: str
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Page:
    """`history.html`. `lines` are the runs, the newest first, as in `head`; `broken` those that cannot be read."""

    title: str
    status: str
    figures: list[tuple[str, str]]
    groups: list[Group]
    head: list[str]
    numeric: frozenset[int]
    lines: list[Line]
    broken: list[str]
    left_out: int
    width: int = WIDTH
    height: int = HEIGHT


def status_of(run: RunRow) -> str:
    return _STATUS.get(run.verdict or "", "inconclusive")


def history_blocks(runs: list[RunRow], total: int) -> list[Block]:
    """For the terminal; `total` is how many runs there are. Scenario and time are in the name of a run; target, pace
    and faults are told where they differ."""
    fine = [run for run in runs if run.problem is None]
    blocks: list[Block] = []
    if fine:
        known = {"scenario", "started"}
        known |= {name for name in ("target", "pace", "faults") if len({getattr(run, name) for run in fine}) == 1}
        keep = [i for i, name in enumerate(_HEAD) if name not in known]
        rows = [[[run.name, *_cells(run)][i] for i in keep] for run in fine]
        numeric = frozenset(n for n, i in enumerate(keep) if i in _NUMERIC)
        blocks.append(Table([_HEAD[i] for i in keep], rows, [status_of(run) for run in fine], numeric))
    if broken := _broken(runs):
        blocks += [Prose("Not readable:"), Items(broken)]
    if total > len(runs):
        blocks.append(Prose(f"{total - len(runs)} more: see --limit and --scenario."))
    return blocks or [Prose("No runs yet.")]


def history_page(title: str, runs: list[RunRow], total: int) -> Page:
    """`runs` are the newest first. A run that is like no other is in the table alone."""
    fine = [run for run in runs if run.problem is None]
    groups: dict[str, list[RunRow]] = {}
    scenarios: dict[str, list[RunRow]] = {}
    for run in fine:
        groups.setdefault(_alike(run), []).append(run)
        scenarios.setdefault(run.scenario or "?", []).append(run)
    passed = sum(run.verdict == "pass" for run in fine)
    figures = [("runs", str(total)), ("shown", str(len(runs))), ("passed", f"{passed} of {len(fine)}")]
    for name, found in list(scenarios.items())[:MAX_TOLD]:
        verdicts = ", ".join(str(run.verdict) for run in found[:MAX_TOLD])
        figures.append((f"{name}, the newest first" if len(found) > 1 else name, verdicts))
    return Page(
        title=title,
        status=_worst([status_of(found[0]) for found in scenarios.values()]),
        figures=figures,
        groups=[_group(name, found[::-1][-MAX_POINTS:]) for name, found in groups.items() if len(found) > 1],
        head=_HEAD,
        numeric=_NUMERIC,
        lines=[Line(status_of(r), quote(f"{r.name}/report.html"), r.name, _cells(r)) for r in fine],
        broken=_broken(runs),
        left_out=total - len(runs),
    )


def _worst(statuses: list[str]) -> str:
    """Of the newest run of each scenario: one that fails is not hidden by a later one of another."""
    return next((status for status in ("fail", "inconclusive", "pass") if status in statuses), "none")


def _alike(run: RunRow) -> str:
    """What runs have in common whose figures make a curve."""
    load = run.load or ("" if run.users is None else f"{run.users} users")
    how = [re.sub(r"^1 users\b", "1 user", load), run.pace or "", f"with {run.faults}" if run.faults else ""]
    return ", ".join(filter(None, (f"{run.scenario or '?'} on {run.target or '?'}", *how)))


def _broken(runs: list[RunRow]) -> list[str]:
    return [f"{run.name}: {run.problem}" for run in runs if run.problem is not None]


def _cells(run: RunRow) -> list[str]:
    return [
        run.scenario or "?",
        run.target or "?",
        _when(run),
        run.pace or "",
        run.faults or "",
        _count(run.users),
        _ms(run.p95.get("ready")),
        _ms(run.p95.get("first_segment")),
        _percent(run.wer),
        "cut" if run.cut else _count(run.chunks_lost),
        _count(run.import_errors),
        _count(run.regressions),
    ]


def _group(title: str, runs: list[RunRow]) -> Group:
    """`runs` are the oldest first."""
    verdicts = _trend("verdict", runs, lambda r: float(r.verdict == "pass"), lambda v: "pass" if v else "no pass")
    trends = [replace(verdicts, scale="pass is above, all else below")]
    for metric in _CHOSEN:
        trends.append(_trend(f"{metric} p95", runs, lambda r, m=metric: r.p95.get(m), _ms))
    trends.append(_trend("word error rate", runs, lambda r: r.wer, _percent))
    counts: tuple[tuple[str, Callable[[RunRow], float | None]], ...] = (
        ("chunks lost", lambda r: r.chunks_lost),
        ("import errors", lambda r: r.import_errors),
        ("regressions", lambda r: r.regressions),
    )
    trends += [_trend(name, runs, of, _count) for name, of in counts]
    passed = sum(run.verdict == "pass" for run in runs)
    sentence = f"{many(len(runs), 'run')}, {passed} passed; the last one: {runs[-1].verdict}."
    first, last = _when(runs[0]), _when(runs[-1])
    return Group(title, sentence, first, last, [t for t in trends if t.points])


def _when(run: RunRow) -> str:
    """The minute."""
    return (run.started or "unknown")[:16].replace("T", " ")


def _trend(
    title: str, runs: list[RunRow], of: Callable[[RunRow], float | None], say: Callable[[float | None], str]
) -> Trend:
    """One value of each run that has it, at the run's place among all of the group. The scale begins at 0, or below."""
    values = [(i, value, run) for i, run in enumerate(runs) if (value := of(run)) is not None]
    if not values:
        return Trend(title, "", [])
    low, high = min(0.0, *(v for _, v, _ in values)), max(0.0, *(v for _, v, _ in values))
    tall, wide = (high - low) or 1.0, max(1, len(runs) - 1)
    points = [
        Point(
            _EDGE + i / wide * (WIDTH - 2 * _EDGE),
            HEIGHT - _EDGE - (value - low) / tall * (HEIGHT - 2 * _EDGE),
            f"{run.name}: {say(value)}",
            status_of(run),
        )
        for i, value, run in values
    ]
    return Trend(title, f"{say(low)} to {say(high)}" if low < high else say(low), points)


def _count(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _ms(value: float | None) -> str:
    return "" if value is None else told(value, digits=0)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
