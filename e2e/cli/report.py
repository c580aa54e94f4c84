"""`e2e report RUN`: the reports of a run, made anew from its journal."""

from pathlib import Path

import click

FORMATS = ("html", "markdown", "junit", "json")


@click.command(name="report")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(FORMATS), help="Print one format instead of writing all files.")
def command(run: Path, form: str | None) -> None:
    """Rebuild the reports of RUN (a run directory, its name, or `reports/latest`) from its journal."""
    from e2e.record.rundir import RunDirectory
    from e2e.report.write import FILES, read_run, render, write_reports

    directory = RunDirectory.open(run)
    if form is None:
        write_reports(directory)
        click.echo(f"wrote {', '.join(FILES.values())} in {directory.path}")
    else:
        click.echo(render(form, read_run(directory)), nl=False)
