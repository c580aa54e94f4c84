"""`report.md`: ready to be pasted into a pull request. Never longer than the forge's limit of a comment."""

from collections.abc import Callable
from typing import Any

from e2e.report import blocks as b
from e2e.report.curves import Curve
from e2e.report.text import fence
from e2e.report.text import markdown as md

LIMIT = 65_000
"""Characters. A comment may have 65,536; the rest is room for what a person writes around it."""

_LOG_LINES = 40
_LANE_LINES, _LANE_CHARS = 60, 160
_ROWS = 120
_TEXT = 3_000


def render_markdown(view: b.View) -> str:
    head = [
        f"# {b.MARKS[_STATUS[view.verdict]]} {md(view.title)}: {view.verdict}",
        md(view.sentence, 2000),
        " · ".join(f"{md(label)} **{md(value)}**" for label, value in view.figures),
    ]
    parts, used = ["\n\n".join(head)], sum(map(len, head))
    for section in view.sections:
        text = render_section(section)
        if used + len(text) > LIMIT - 300:
            # A section is shown whole or not at all: half a table or an open fence would break what follows.
            text = f"## {md(section.title)}\n\nLeft out here, since it is too long for a comment; see report.html."
        parts.append(text)
        used += len(text) + 2
    parts.append(f"Run `{md(view.run_id)}`, exit code {view.exit_code}.")
    return "\n\n".join(parts) + "\n"


def render_section(section: b.Section) -> str:
    """One section by itself."""
    return "\n\n".join([f"## {md(section.title)}", *(_block(block) for block in section.blocks)])


_STATUS = {"pass": "pass", "fail": "fail", "inconclusive": "inconclusive", "invalid": "fail"}


def _block(block: b.Block) -> str:
    return _RENDER[block.kind](block)


def _items(block: b.Items) -> str:
    return "\n".join(f"- {md(item, 1000)}" for item in block.items)


def _pairs(block: b.Pairs) -> str:
    return "\n".join(f"- {md(label)}: {md(value, 1000)}" for label, value in block.rows)


def _table(block: b.Table) -> str:
    marks = bool(block.status)
    head = ["", *block.head] if marks else block.head
    shift = 1 if marks else 0
    rule = ["---:" if i - shift in block.numeric else "---" for i in range(len(head))]
    lines = [_row(md(cell) for cell in head), _row(rule)]
    for n, row in enumerate(block.rows[:_ROWS]):
        cells = [md(cell) for cell in row]
        lines.append(_row([b.MARKS[block.status[n]], *cells] if marks else cells))
    if len(block.rows) > _ROWS:
        lines.append(f"\n{len(block.rows) - _ROWS} more rows are in report.html.")
    return "\n".join(lines)


def _row(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"


def _marks(block: b.Marks) -> str:
    lines = []
    for item in block.items:
        detail = f": {md(item.detail, 700)}" if item.detail else ""
        lines.append(f"- {b.MARKS[item.status]} {md(item.text)}{detail}")
        # What holds needs no proof in a comment; what does not is shown with its evidence.
        if item.status != "pass":
            lines += [f"  - {md(line, 300)}" for line in item.evidence[:8]]
    return "\n".join(lines)


def _log(block: b.Log) -> str:
    folded = " open" if block.open else ""
    body = fence(block.lines[:_LOG_LINES])
    return f"<details{folded}><summary>{md(block.title)}</summary>\n\n{body}\n\n</details>"


def _timeline(block: b.Timeline) -> str:
    rows = [[f"{m.t:.2f}", m.lane, m.label, m.detail] for m in block.moments]
    status = ["fail" if m.bad else "none" for m in block.moments] if any(m.bad for m in block.moments) else []
    table = _table(b.Table(["s", "service", "event", "line"], rows, status, frozenset({0})))
    return f"<details><summary>life cycle: {len(rows)} events</summary>\n\n{table}\n\n</details>"


def _side_by_side(block: b.SideBySide) -> str:
    sides = ((block.left_title, block.left), (block.right_title, block.right))
    return "\n\n".join(f"**{md(title)}:** {md(text, _TEXT)}" for title, text in sides)


_BARS = "▁▂▃▄▅▆▇█"
_BAR_COUNT = 60


def _curves(block: b.Curves) -> str:
    shown = [curve for curve in block.items if not curve.extra]
    more = len(block.items) - len(shown)
    return "\n\n".join([*map(_curve, shown), *([f"{more} more curves are in report.html."] if more else [])])


def _curve(curve: Curve) -> str:
    """A row of bars for each line, on the scale of the curve; each bar is the largest of its neighbours."""
    low, tall = curve.low, curve.high - curve.low
    unit = f" {md(curve.unit)}" if curve.unit else ""
    head = f"{md(curve.title)}, {curve.t[0]:g} to {curve.t[-1]:g} s, {low:g} to {curve.high:g}{unit}:"
    rows = []
    for line in curve.lines:
        size = -(-len(line.values) // _BAR_COUNT)
        parts = [[v for v in line.values[i : i + size] if v is not None] for i in range(0, len(line.values), size)]
        bars = [_BARS[min(7, int((max(p) - low) / tall * 8))] if p else " " for p in parts]
        rows.append(f"{line.name:20} {''.join(bars)}".rstrip())
    return f"{head}\n\n{fence(rows)}"


def _lanes(block: b.Lanes) -> str:
    if block.extra:
        return f"{md(block.title)}: in report.html."
    steps = [f"- {md(label)}: {md(value)}" for label, value in block.steps]
    lines, more = block.short, len(block.short) - _LANE_LINES
    if more > 0:
        head, tail = lines[: _LANE_LINES * 2 // 3], lines[-(_LANE_LINES // 3) :]
        lines = [*head, f"... {len(lines) - len(head) - len(tail)} lines are left out here, see report.html", *tail]
    body = "\n".join([*steps, "", fence(lines, _LANE_CHARS)])
    return f"<details><summary>{md(block.title)}</summary>\n\n{body}\n\n</details>"


_RENDER: dict[str, Callable[[Any], str]] = {
    "prose": lambda block: md(block.text, 2000),
    "items": _items,
    "pairs": _pairs,
    "table": _table,
    "marks": _marks,
    "log": _log,
    "code": lambda block: fence([block.text], 2000),
    "timeline": _timeline,
    "lanes": _lanes,
    "side_by_side": _side_by_side,
    "curves": _curves,
    "distributions": lambda block: "The histograms are in report.html.",
}
