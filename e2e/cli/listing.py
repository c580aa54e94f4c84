"""`e2e list`: what can be run, and which faults the stand-in has."""

import sys

import click


@click.command(name="list")
@click.option("--faults", is_flag=True, help="List the stand-in's faults instead.")
def command(faults: bool) -> None:
    """List the scenarios. When the output is not a terminal: one line each, NAME<TAB>text."""
    rows = _faults() if faults else _scenarios()
    if not sys.stdout.isatty():
        for name, text in rows:
            click.echo(f"{name}\t{text}")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("fault" if faults else "scenario", style="cyan", no_wrap=True)
    table.add_column("what the stand-in then does" if faults else "what it shows")
    for name, text in rows:
        table.add_row(name, text)
    Console().print(table)


def _scenarios() -> list[tuple[str, str]]:
    from e2e.engine.scenario import shipped_scenarios

    return [(name, scenario.title) for name, scenario in shipped_scenarios().items()]


def _faults() -> list[tuple[str, str]]:
    from e2e.standin.faults import FAULTS

    return list(FAULTS.items())
