"""`e2e history [DIR]`: the runs of a directory, as a table or as a page with trends."""

import json
import sys
from pathlib import Path

import click

from e2e.cli.params import Whole
from e2e.errors import UsageError

PAGE = "history.html"
MAX_NAMES = 20


@click.command(name="history")
@click.argument("directory", metavar="[DIR]", default="reports", type=click.Path(path_type=Path))
@click.option("--limit", type=Whole(), help="Show so many, the newest.  [50; 200 on the page]")
@click.option("--scenario", metavar="NAME", help="Only runs of that scenario.")
@click.option("--format", "form", type=click.Choice(("text", "json", "html")), default="text", show_default=True)
@click.option("--rebuild", is_flag=True, help="Read all runs anew.")
def command(directory: Path, limit: int | None, scenario: str | None, form: str, rebuild: bool) -> None:
    """Show the runs below DIR (default: reports), the newest first; --format html writes DIR/history.html."""
    from e2e.record.history import History
    from e2e.report.page import render_history
    from e2e.report.terminal_blocks import console, show_blocks
    from e2e.report.text import one_line
    from e2e.report.view_history import history_blocks, history_page
    from e2e.report.write import replace

    with History(directory, rebuild=rebuild) as history:
        history.refresh()
        there = history.scenarios()
        if scenario is not None and there and scenario not in there:
            names = ", ".join(one_line(name, 60) for name in there[:MAX_NAMES])
            raise UsageError(f"no run of {one_line(scenario, 60)} in {directory}; there are: {names}")
        runs = history.runs(scenario, limit or (200 if form == "html" else 50))
        total = history.count(scenario)
    if form == "json":
        click.echo(json.dumps({"total": total, "runs": [run.to_dict() for run in runs]}, indent=1, ensure_ascii=False))
    elif form == "html":
        replace(directory / PAGE, render_history(history_page(f"Runs in {directory}", runs, total)))
        click.echo(f"wrote {directory / PAGE}")
    else:
        show_blocks(console(sys.stdout), history_blocks(runs, total))
