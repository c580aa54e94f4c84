"""`e2e compare RUN_A RUN_B`: what is worse, better, different, or the same in the second run."""

import json
import sys
from pathlib import Path

import click

from e2e.errors import ExitCode, UsageError


@click.command(name="compare")
@click.argument("before", metavar="RUN_A", type=click.Path(path_type=Path))
@click.argument("after", metavar="RUN_B", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(("text", "markdown", "json")), default="text", show_default=True)
@click.option("--fail-on", type=click.Choice(("regression",)), help="Exit with 1 where anything is worse.")
@click.option("--smallest", metavar="SHARE,TIME", help="Latencies that moved less are no regression.  [5%,1ms]")
def command(before: Path, after: Path, form: str, fail_on: str | None, smallest: str | None) -> ExitCode:
    """Compare RUN_B with RUN_A (run directories, or their names below reports).

    Exit codes: 0 nothing is worse (or it was not asked), 1 a regression and --fail-on, 2 wrong usage or no run.
    """
    from e2e.engine.options import parse_smallest
    from e2e.record.rundir import RunDirectory
    from e2e.report.markdown import render_section
    from e2e.report.terminal_blocks import console, show_blocks
    from e2e.report.view_compare import comparison_blocks, comparison_section
    from e2e.report.write import read_digest
    from e2e.verdict.compare import compare
    from e2e.verdict.moved import Smallest

    least = Smallest(**parse_smallest(smallest).params)
    runs = [RunDirectory.open(run) for run in (before, after)]
    if runs[0] == runs[1]:
        raise UsageError(f"{before} and {after} are the same run ({runs[0].run_id}): name two")
    result = compare(*map(read_digest, runs), least)
    data = result.to_dict()
    if form == "json":
        click.echo(json.dumps(data, indent=1, ensure_ascii=False))
    elif form == "markdown":
        click.echo(render_section(comparison_section(data)))
    else:
        show_blocks(console(sys.stdout), comparison_blocks(data))
    return ExitCode.FAIL if fail_on and result.regression else ExitCode.PASS
