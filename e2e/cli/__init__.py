"""The command line. Commands import what they need when they are called, so that `e2e --help` answers at once."""

import os
import sys
from importlib import import_module

import click

from e2e import __version__
from e2e.errors import E2EError, ExitCode

# Command -> module of this package that holds it, and the one line that `e2e --help` shows.
COMMANDS = {
    "run": ("run", "Run a scenario and say pass or fail, with the evidence."),
    "list": ("listing", "List the scenarios, or the stand-in's faults."),
    "init": ("init", "Write a commented e2e.toml."),
    "report": ("report", "Make the reports of a run anew from its journal."),
    "compare": ("compare", "Compare two runs: what is worse, better, or the same."),
    "history": ("history", "Show the runs of a directory over time."),
    "imports": ("imports", "Find the imports of a source tree that cannot work, without running it."),
    "doctor": ("doctor", "Say what this machine and the target can do."),
    "standin": ("standin", "Serve the stand-in backend and pusher on loopback."),
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        return import_module(f"e2e.cli.{COMMANDS[name][0]}").command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="e2e")
def cli() -> None:
    """Stream real speech through Omi's backend and pusher and say, with evidence, what happened.

    Exit codes: 0 pass, 1 fail, 2 wrong usage or configuration, 3 target unreachable or never ready, 4 inconclusive,
    5 invalid (the generator was the bottleneck), 130 interrupted.
    """


def _show(error: click.ClickException) -> None:
    """As any other error: one line. click's own is several, and looks as if it were of another program."""
    context = getattr(error, "ctx", None)
    if context is not None and error.message == context.get_help():
        error.show()  # nothing was asked for: the help is the answer
        return
    text = " ".join(error.format_message().split()).rstrip(".")
    click.echo(f"e2e: {text}; see {context.command_path if context else 'e2e'} --help", err=True)


def main() -> None:
    """Entry point of `e2e`."""
    try:
        code = cli.main(prog_name="e2e", standalone_mode=False)
    except E2EError as error:
        click.echo(f"e2e: {error}", err=True)
        code = error.exit_code
    except click.ClickException as error:
        _show(error)
        code = ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        click.echo("e2e: interrupted", err=True)
        code = ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; Python must not complain while it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.FAIL
    sys.exit(int(code or 0))
