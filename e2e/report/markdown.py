"""`report.md`: ready to be pasted into a pull request, and never longer than a forge takes of a comment.

What is too long is not cut: it is told with fewer rows, lines and words (`SCALES`), the least important section with
the fewest. Whatever a run holds, the head and the list of checks stay; what is left out is said.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from e2e.report import blocks as b
from e2e.report.curves import Curve
from e2e.report.text import fence, markup
from e2e.report.text import markdown as md
from e2e.verdict.check import many

LIMIT = 65_000
"""Characters. A comment may have 65,536; the rest is room for what a person writes around it."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is told: at most so many `rows` of a table or list, `lines` of a log, `chars` of one value or cell,
    `text` of prose, and so many lines of `evidence` of one check."""

    rows: int
    lines: int
    chars: int
    text: int
    evidence: int


SCALES = (
    Scale(rows=120, lines=60, chars=700, text=3000, evidence=8),
    Scale(rows=40, lines=30, chars=400, text=1500, evidence=4),
    Scale(rows=15, lines=15, chars=250, text=800, evidence=2),
    Scale(rows=5, lines=6, chars=160, text=400, evidence=1),
)
FIRST, FIRST_ROWS = "verdict", 60
"""The section that is always told, and the rows that it then has; the others may be named only."""

LEAST = ("timeline", "proven", "imports", "log", "measures", "became", "endpoints", "protocol")
"""Sections by how soon they shrink; those that are not named do so after them, the last one first."""

_FOLDED_ROWS = 20
_LINE_CHARS, _LANE_CHARS = 400, 160
_MORE = "see report.html"


def render_markdown(view: b.View) -> str:
    head = [
        f"# {b.MARKS[_STATUS[view.verdict]]} {md(view.title, 300)}: {view.verdict}",
        md(view.sentence, 2000),
        " · ".join(f"{md(label, 60)} **{md(value, 200)}**" for label, value in view.figures),
    ]
    foot = f"Run {md(view.run_id, 200)}, exit code {view.exit_code}."
    parts = {section.id: render_section(section) for section in view.sections}
    if _room([*head, *parts.values(), foot]) < 0:
        parts = {section.id: render_section(section, _scale(section, None)) for section in view.sections}
        room = _room([*head, *parts.values(), foot])
        for scale in reversed(SCALES):
            for section in _by_weight(view.sections):
                longer = render_section(section, _scale(section, scale))
                more = len(longer) - len(parts[section.id])
                if more <= room:
                    parts[section.id] = longer
                    room -= more
    return "\n\n".join([*head, *parts.values(), foot]) + "\n"


def _room(parts: list[str]) -> int:
    return LIMIT - sum(len(part) + 2 for part in parts)


def _by_weight(sections: list[b.Section]) -> list[b.Section]:
    """The most important first."""
    rank = {FIRST: -1} | {name: len(sections) + len(LEAST) - n for n, name in enumerate(LEAST)}
    return [s for _, _, s in sorted((rank.get(s.id, n), n, s) for n, s in enumerate(sections))]


def _scale(section: b.Section, scale: Scale | None) -> Scale | None:
    if section.id != FIRST:
        return scale
    if scale is None:
        return replace(SCALES[-1], rows=FIRST_ROWS, evidence=0)
    return replace(scale, rows=max(FIRST_ROWS, scale.rows))


_STATUS = {"pass": "pass", "fail": "fail", "inconclusive": "inconclusive", "invalid": "fail"}


def render_section(section: b.Section, scale: Scale | None = SCALES[0]) -> str:
    """One section by itself; with no scale, it is only named."""
    head = f"## {md(section.title, 100)}"
    if scale is None:
        return f"{head}\n\nLeft out here, since it is too long for a comment: {_MORE}."
    return "\n\n".join([head, *filter(None, (_RENDER[block.kind](block, scale) for block in section.blocks))])


def _more(count: int, what: str) -> list[str]:
    return [f"{many(count, f'more {what}')}: {_MORE}."] if count > 0 else []


def _fold(title: str, body: str, *, open: bool = False) -> str:
    # The empty lines make a forge read what is inside as Markdown.
    return f"<details{' open' if open else ''}><summary>{markup(title, 300)}</summary>\n\n{body}\n\n</details>"


def _items(block: b.Items, scale: Scale) -> str:
    lines = [f"- {md(item, scale.chars) or '–'}" for item in block.items[: scale.rows]]
    return "\n".join([*lines, *(f"- {more}" for more in _more(len(block.items) - scale.rows, "line"))])


def _pairs(block: b.Pairs, scale: Scale) -> str:
    lines = [f"- {md(label, 100)}: {md(value, scale.chars)}" for label, value in block.rows[: scale.rows]]
    return "\n".join([*lines, *(f"- {more}" for more in _more(len(block.rows) - scale.rows, "line"))])


def _table(block: b.Table, scale: Scale) -> str:
    grid = _grid(block, scale)
    return _fold(f"{len(block.rows)} rows", grid) if len(block.rows) > _FOLDED_ROWS else grid


def _grid(block: b.Table, scale: Scale) -> str:
    marks = bool(block.status)
    head = ["", *block.head] if marks else block.head
    shift = 1 if marks else 0
    rule = ["---:" if i - shift in block.numeric else "---" for i in range(len(head))]
    lines = [_row(md(cell, 60) for cell in head), _row(rule)]
    for n, row in enumerate(block.rows[: scale.rows]):
        cells = [md(cell, scale.chars) for cell in row]
        lines.append(_row([b.MARKS[block.status[n]], *cells] if marks else cells))
    return "\n\n".join(["\n".join(lines), *_more(len(block.rows) - scale.rows, "row")])


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


_RANK = {"fail": 0, "inconclusive": 1}


def _marks(block: b.Marks, scale: Scale) -> str:
    items = block.items
    if len(items) > scale.rows:
        items = sorted(items, key=lambda item: _RANK.get(item.status, 2))[: scale.rows]
    lines = []
    for item in items:
        detail = f": {md(item.detail, scale.chars)}" if item.detail else ""
        lines.append(f"- {b.MARKS[item.status]} {md(item.text, min(300, scale.chars))}{detail}")
        # What holds needs no proof in a comment; what does not is shown with its evidence.
        if item.status != "pass":
            # An empty one would be a line under a heading.
            lines += [f"  - {md(line, min(300, scale.chars)) or '–'}" for line in item.evidence[: scale.evidence]]
    return "\n".join([*lines, *(f"- {more}" for more in _more(len(block.items) - len(items), "line"))])


def _log(block: b.Log, scale: Scale) -> str:
    body = [_fence(block.lines[: scale.lines], scale), *_more(len(block.lines) - scale.lines, "line")]
    return _fold(block.title, "\n\n".join(body), open=block.open)


def _fence(lines: list[str], scale: Scale) -> str:
    return fence(lines, min(_LINE_CHARS, scale.chars))


def _timeline(block: b.Timeline, scale: Scale) -> str:
    rows = [[f"{m.t:.2f}", m.lane, m.label, m.detail] for m in block.moments]
    status = ["fail" if m.bad else "none" for m in block.moments] if any(m.bad for m in block.moments) else []
    grid = _grid(b.Table(["s", "service", "event", "line"], rows, status, frozenset({0})), scale)
    return _fold(f"life cycle: {len(rows)} events", grid)


def _side_by_side(block: b.SideBySide, scale: Scale) -> str:
    sides = ((block.left_title, block.left), (block.right_title, block.right))
    return "\n\n".join(f"**{md(title, 60)}:** {md(text, scale.text)}" for title, text in sides)


_BARS = "▁▂▃▄▅▆▇█"
_BAR_COUNT = 60


def _curves(block: b.Curves, scale: Scale) -> str:
    shown = [curve for curve in block.items if not curve.extra][: scale.rows]
    return "\n\n".join([*(_curve(curve, scale) for curve in shown), *_more(len(block.items) - len(shown), "curve")])


def _curve(curve: Curve, scale: Scale) -> str:
    """A row of bars for each line, on the scale of the curve; each bar is the largest of its neighbours."""
    low, tall = curve.low, curve.high - curve.low
    unit = f" {md(curve.unit, 30)}" if curve.unit else ""
    head = f"{md(curve.title, 100)}, {curve.t[0]:g} to {curve.t[-1]:g} s, {low:g} to {curve.high:g}{unit}:"
    rows = []
    for line in curve.lines[: scale.lines]:
        size = -(-len(line.values) // _BAR_COUNT)
        parts = [[v for v in line.values[i : i + size] if v is not None] for i in range(0, len(line.values), size)]
        bars = [_BARS[min(7, int((max(p) - low) / tall * 8))] if p else " " for p in parts]
        rows.append(f"{line.name:20} {''.join(bars)}".rstrip())
    return f"{head}\n\n{fence(rows, 120)}"


def _lanes(block: b.Lanes, scale: Scale) -> str:
    if block.extra:
        return f"{md(block.title, 300)}: in report.html."
    steps = [f"- {md(label, 100)}: {md(value, 100)}" for label, value in block.steps[: scale.rows]]
    lines, more = block.short, len(block.short) - scale.lines
    if more > 0:
        # It is the beginning and the end of a session that tell most.
        tail = scale.lines // 3
        lines = [*lines[: scale.lines - tail], f"... {more} lines are left out here, {_MORE}", *lines[-tail:]]
    return _fold(block.title, "\n".join([*steps, "", fence(lines, min(_LANE_CHARS, scale.chars))]))


_RENDER: dict[str, Callable[[Any, Scale], str]] = {
    "prose": lambda block, scale: md(block.text, scale.text),
    "items": _items,
    "pairs": _pairs,
    "table": _table,
    "marks": _marks,
    "log": _log,
    "code": lambda block, scale: fence([block.text], 2000),
    "timeline": _timeline,
    "lanes": _lanes,
    "side_by_side": _side_by_side,
    "curves": _curves,
    "distributions": lambda block, scale: "The histograms are in report.html.",
}
