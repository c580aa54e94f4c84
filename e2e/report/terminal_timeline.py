"""Timelines of sessions on a terminal, or as plain lines for a pipe."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from e2e.durations import told
from e2e.report.text import one_line
from e2e.report.view_timeline import brief, doubt, entry_line, since, title

_STYLE = {"client": "cyan", "server": "green", "backend log": "magenta", "pusher log": "yellow"}


def show_timeline(console: Console, timeline: dict[str, Any]) -> None:
    """Print one session: a table on a terminal, else plain lines."""
    if console.is_terminal:
        console.print(_table(timeline))
        return
    for line in plain_timeline(timeline):
        console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)


def plain_timeline(timeline: dict[str, Any]) -> Iterator[str]:
    yield one_line(title(timeline), 600)
    for entry in timeline["entries"]:
        yield one_line(entry_line(entry, timeline), 700)
    if timeline["left_out"]:
        yield f"{timeline['left_out']} more entries are left out"
    for step in timeline["steps"]:
        yield f"{one_line(step['from'], 80)} -> {one_line(step['to'], 80)}: {told(step['ms'])}"


def _table(timeline: dict[str, Any]) -> Group:
    # Everything is `Text`: service words that look like markup must stay words.
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="dim")
    table.add_column("s", justify="right", no_wrap=True)
    table.add_column("since", justify="right", no_wrap=True, style="dim")
    table.add_column("where", no_wrap=True)
    table.add_column("what", overflow="fold")
    for entry in timeline["entries"]:
        bad, where = entry.get("bad"), entry["where"]
        what = Text(one_line(entry["what"], 200), style="bold red" if bad else "bold")
        for words, style in ((brief(entry["detail"], timeline), ""), (doubt(entry), "italic dim")):
            if words:
                what.append(f"  {one_line(words, 320)}", style=style or "not bold dim")
        gap = "" if entry["since_ms"] is None else since(entry["since_ms"])
        table.add_row(Text(f"{entry['t']:.3f}"), Text(gap), Text(where, style=_STYLE.get(where, "")), what)
    parts: list[Any] = [Text(one_line(title(timeline), 600), style="bold"), Text(), table]
    if timeline["left_out"]:
        parts.append(Text(f"{timeline['left_out']} more entries are left out", style="dim"))
    steps = Table(box=None, pad_edge=False, show_header=False)
    for step in timeline["steps"]:
        words = f"{one_line(step['from'], 80)} → {one_line(step['to'], 80)}"
        steps.add_row(Text(words, style="dim"), Text(told(step["ms"]), style="bold", justify="right"))
    return Group(*parts, Text(), steps, Text())
