"""Blocks of a report in a terminal. Everything is `Text`: words that look like markup must stay words."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from e2e.report import blocks as b
from e2e.report.text import one_line

_MARK = {"pass": ("✓", "green"), "fail": ("✗", "red"), "inconclusive": ("?", "yellow"), "none": ("·", "dim")}
_NAME_WIDTH = 26
_PLAIN_WIDTH = 160
"""Columns where the output is no terminal."""


def console(file: Any) -> Console:
    found = Console(file=file)
    return found if found.is_terminal else Console(file=file, width=_PLAIN_WIDTH)


def show_blocks(out: Console, blocks: Iterable[b.Block]) -> None:
    """Print what a terminal can show: prose, lists, marks, tables and pairs; of the others nothing."""
    for block in blocks:
        for part in _RENDER.get(block.kind, lambda _: ())(block):
            out.print(part, highlight=False)
        out.print()


def _prose(block: b.Prose) -> Iterable[RenderableType]:
    yield Text(one_line(block.text, 2000))


def _items(block: b.Items) -> Iterable[RenderableType]:
    for item in block.items:
        yield Padding(Text(f"- {one_line(item, 500)}"), (0, 0, 0, 2))


def _pairs(block: b.Pairs) -> Iterable[RenderableType]:
    yield _table([], [[label, value] for label, value in block.rows], [], frozenset())


def _marks(block: b.Marks) -> Iterable[RenderableType]:
    yield _table([], [[m.text, m.detail] for m in block.items], [m.status for m in block.items], frozenset())


def _tables(block: b.Table) -> Iterable[RenderableType]:
    yield _table(block.head, block.rows, block.status, block.numeric)


def _table(head: list[str], rows: list[list[str]], status: list[str], numeric: frozenset[int]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=bool(head), header_style="dim")
    if status:
        table.add_column(width=1)
    for i in range(len(head) or max(map(len, rows), default=0)):
        # Where it is narrow, words give way to names and numbers.
        title, longest = head[i] if head else "", max((len(one_line(row[i])) for row in rows), default=0)
        if i in numeric:
            table.add_column(title, justify="right", width=max(longest, *map(len, title.split())), overflow="fold")
        else:
            table.add_column(title, overflow="fold", min_width=min(longest, _NAME_WIDTH) if i == 0 else None)
    for n, row in enumerate(rows):
        cells = [Text(one_line(cell, 400)) for cell in row]
        mark, style = _MARK[status[n]] if status else ("", "")
        table.add_row(*([Text(mark, style=f"bold {style}")] if status else []), *cells)
    return table


_RENDER: dict[str, Any] = {"prose": _prose, "items": _items, "pairs": _pairs, "marks": _marks, "table": _tables}
