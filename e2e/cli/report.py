"""`e2e report RUN`: the reports of a run, made anew from its journal, or the timeline of one of its sessions."""

import sys
from pathlib import Path

import click

from e2e.errors import UsageError

FORMATS = ("html", "markdown", "junit", "json")


@click.command(name="report")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(FORMATS), help="Print one format instead of writing all files.")
@click.option("--session", metavar="SID|UID", help="Print the timeline of a session, or of all sessions of a user.")
def command(run: Path, form: str | None, session: str | None) -> None:
    """Rebuild the reports of RUN (a run directory, its name, or `reports/latest`) from its journal."""
    from e2e.record.rundir import RunDirectory
    from e2e.report.write import FILES, read_run, render, write_reports

    if form is not None and session is not None:
        raise UsageError("--format and --session exclude each other: a timeline is printed as text")
    directory = RunDirectory.open(run)
    if session is not None:
        _tell(directory.journal, session)
    elif form is None:
        write_reports(directory)
        click.echo(f"wrote {', '.join(FILES.values())} in {directory.path}")
    else:
        click.echo(render(form, read_run(directory)), nl=False)


def _tell(journal: Path, name: str) -> None:
    from functools import partial

    from rich.console import Console

    from e2e.record.journal import read_journal
    from e2e.report.terminal_timeline import show_timeline
    from e2e.report.text import one_line
    from e2e.verdict.timeline import find_sessions, read_timelines

    found = find_sessions(read_journal(journal, ()), name)
    if not found.total:
        some = ", ".join(f"{one_line(sid, 40)} (uid {one_line(uid, 60)})" for sid, uid in found.some.items())
        there = f"there are for example {some}" if some else "the run opened none"
        raise UsageError(f"no session {one_line(name, 60)!r} in {journal}: {there}")
    console = Console(file=sys.stdout)
    for timeline in read_timelines(partial(read_journal, journal), found.wanted):
        show_timeline(console, timeline)
    if found.total > len(found.wanted):
        click.echo(f"{found.total - len(found.wanted)} more sessions of this user: name them by their id")
