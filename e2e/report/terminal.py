"""The last lines that a user sees: checks, key figures, what was heard, the verdict."""

from collections import Counter, defaultdict
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
    for status, name, words in _rows(summary):
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
    for status, name, words in _rows(summary):
        yield f"{_WORD[status]} {name}: {words}"
    for label, value in figures(summary)[1:]:
        yield f"{label}: {one_line(value, 200)}"
    heard = _heard(summary)
    if heard:
        yield f"heard: {heard}"
    yield one_line(summary["sentence"], 600)
    yield f"verdict: {summary['verdict']} (exit {summary['exit_code']}) {one_line(where, 300)}"


_NOT_REACHED = "not reached: "


def _rows(summary: Summary) -> Iterator[tuple[str, str, str]]:
    """Status, name and detail. Checks that could not be decided for the same reason are one row."""
    checks, alike = summary["checks"], defaultdict(list)
    for check in checks:
        if check["status"] == "inconclusive":
            alike[_reason(summary, check)].append(check)
    for check in checks:
        group = alike[_reason(summary, check)] if check["status"] == "inconclusive" else [check]
        if len(group) == 1:
            yield check["status"], one_line(check["name"], 60), one_line(check["detail"], 300)
        elif check is group[0]:
            reasons = Counter(one_line(c["detail"], 300) for c in group)
            reason = reasons.most_common(1)[0][0]
            reached = " not reached" if reason.startswith(_NOT_REACHED) else ""
            names = ", ".join(one_line(c["name"], 60) for c in group)
            yield "inconclusive", f"{len(group)} checks{reached}", f"{reason.removeprefix(_NOT_REACHED)} ({names})"


def _reason(summary: Summary, check: Summary) -> str:
    """Where a service was not there, so that nothing was begun, there is one reason for all that was not reached."""
    detail = one_line(check["detail"], 300)
    down = any(service["status"] in ("exited", "unhealthy") for service in summary["services"].values())
    return (
        detail if summary["counters"]["sessions"] or not down or not detail.startswith(_NOT_REACHED) else _NOT_REACHED
    )


def _heard(summary: Summary) -> str:
    return one_line(summary["transcript"]["text"], 200)
