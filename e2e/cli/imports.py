"""`e2e imports`: the static audit of a source tree."""

from collections import Counter
from pathlib import Path

import click

from e2e import __version__
from e2e.errors import ExitCode, UsageError


@click.command(name="imports")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--package", metavar="NAME", help="Say only what is in, or about, this package of the tree.")
@click.option("--watch", multiple=True, metavar="PATTERN", help="Modules of interest, as models.*; may be repeated.")
@click.option("--python", metavar="INTERPRETER", help="Ask this interpreter which other modules exist.")
@click.option("--format", "form", type=click.Choice(["table", "json", "sarif"]), default="table", show_default=True)
@click.option("--baseline", type=click.Path(path_type=Path), metavar="FILE", help="Findings that are accepted.")
@click.option("--write-baseline", is_flag=True, help="Accept what is found now: write it to the baseline.")
def command(
    path: Path,
    package: str | None,
    watch: tuple[str, ...],
    python: str | None,
    form: str,
    baseline: Path | None,
    write_baseline: bool,
) -> ExitCode:
    """Find the imports of the source tree in PATH that cannot work, without running any of it.

    Exit codes: 0 no error, 1 errors that no baseline accepts, 2 wrong usage.
    """
    from e2e.audit import baseline as accepting
    from e2e.audit import output
    from e2e.audit.check import audit
    from e2e.audit.model import Severity

    if write_baseline and baseline is None:
        raise UsageError("--write-baseline needs a file to write: add --baseline FILE")
    known = Counter[str]() if baseline is None or write_baseline else accepting.load_baseline(baseline)
    result = audit(path, package, watch, python)
    if write_baseline and baseline is not None:
        count = accepting.write_baseline(baseline, result.findings)
        click.echo(f"{count} findings accepted in {baseline}")
        return ExitCode.PASS
    new, accepted = accepting.split(result.findings, known)
    if form == "json":
        click.echo(output.as_json(result, new, accepted))
    elif form == "sarif":
        click.echo(output.as_sarif(path, __version__, new, accepted))
    else:
        click.echo(output.as_table(result, new, accepted))
    return ExitCode.FAIL if any(f.severity is Severity.ERROR for f in new) else ExitCode.PASS
