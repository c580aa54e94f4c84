"""The last lines that a user sees: checks, key figures, what was heard, the verdict."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from e2e.report.text import one_line
from e2e.report.view import figures

Summary = dict[str, Any]

_MARK = {"pass": ("✓", "green"), "fail": ("✗", "red"), "inconclusive": ("?", "yellow"), "skipped": ("·", "dim")}
_STYLE = {"pass": "bold green", "fail": "bold red", "inconclusive": "bold yellow", "invalid": "bold magenta"}
_WORD = {"pass": "ok  ", "fail": "FAIL", "inconclusive": "?   ", "skipped": "·   "}


def show_verdict(console: Console, summary: Summary, where: str) -> None:
    """Print the verdict; `where` is the run directory as the user would write it.

    A terminal gets a table. Anything else gets plain lines, the last of which is
    `verdict: pass (exit 0) reports/RUN_ID`.
    """
    if console.is_terminal:
        console.print(verdict_text(summary, where))
        return
    for line in plain_lines(summary, where):
        console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)


def verdict_text(summary: Summary, where: str) -> RenderableType:
    # Everything is `Text`: service words that look like markup must stay words.
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(width=1)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for status, name, words in _rows(summary["checks"]):
        mark, style = _MARK[status]
        detail = Text(words, style="" if status != "pass" else "dim")
        table.add_row(Text(mark, style=f"bold {style}"), Text(name), detail)
    numbers = Text()
    for label, value in figures(summary)[1:]:
        numbers.append(f"{label} ", style="dim").append(f"{one_line(value, 120)}   ", style="bold")
    parts: list[RenderableType] = [Text(), table, Text(), numbers]
    heard = _heard(summary)
    if heard:
        parts.append(Text("heard: ", style="dim").append(f"“{heard}”", style="italic"))
    parts += [Text(), Text(one_line(summary["sentence"], 600))]
    verdict = summary["verdict"]
    last = Text("verdict: ").append(verdict, style=_STYLE[verdict])
    last.append(f" (exit {summary['exit_code']})   {one_line(where, 300)}/report.html")
    return Group(*parts, last)


def plain_lines(summary: Summary, where: str) -> Iterator[str]:
    for status, name, words in _rows(summary["checks"]):
        yield f"{_WORD[status]} {name}: {words}"
    for label, value in figures(summary)[1:]:
        yield f"{label}: {one_line(value, 200)}"
    heard = _heard(summary)
    if heard:
        yield f"heard: {heard}"
    yield one_line(summary["sentence"], 600)
    yield f"verdict: {summary['verdict']} (exit {summary['exit_code']}) {one_line(where, 300)}"


_NOT_REACHED = "not reached: "


def _rows(checks: list[Summary]) -> Iterator[tuple[str, str, str]]:
    """Status, name and detail. Checks that could not be decided for the same reason are one row."""
    alike: dict[str, list[str]] = {}
    for check in checks:
        if check["status"] == "inconclusive":
            alike.setdefault(_reason(check), []).append(one_line(check["name"], 60))
    for check in checks:
        detail = one_line(check["detail"], 300)
        names = alike.get(_reason(check), []) if check["status"] == "inconclusive" else []
        if len(names) < 2:
            yield check["status"], one_line(check["name"], 60), detail
        elif names[0] == one_line(check["name"], 60):
            reached = " not reached" if detail.startswith(_NOT_REACHED) else ""
            yield "inconclusive", f"{len(names)} checks{reached}", f"{_reason(check)} ({', '.join(names)})"


def _reason(check: Summary) -> str:
    return one_line(check["detail"], 300).removeprefix(_NOT_REACHED)


def _heard(summary: Summary) -> str:
    return one_line(summary["transcript"]["text"], 200)
