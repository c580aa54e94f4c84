"""From a scenario and a target to an exit code: run directory, journal, live view, reports, last lines."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from e2e.cli.github import inert_output, tell_actions
from e2e.cli.live import Watching
from e2e.cli.prepared import prepared
from e2e.engine.options import Options
from e2e.engine.runner import Run
from e2e.engine.scenario import Scenario
from e2e.engine.target import TargetConfig
from e2e.errors import ExitCode, UsageError
from e2e.report.terminal import show_verdict


def run_scenario(scenario: Scenario, target: TargetConfig, options: Options, out: Path, watching: Watching) -> ExitCode:
    """Run, report, and say the verdict on standard output.

    Raises:
        UsageError: the scenario, the options or the configuration ask for something that cannot be done.
    """
    with inert_output():
        summary, directory = _run(scenario, target, options, out, watching)
        show_verdict(Console(file=sys.stdout), summary, str(directory))
    tell_actions(summary, directory)
    return ExitCode(summary["exit_code"])


def _run(
    scenario: Scenario, target: TargetConfig, options: Options, out: Path, watching: Watching
) -> tuple[dict[str, Any], Path]:
    factory = loop_factory()
    with (
        watching.exporters(),  # ports are taken before anything is started
        prepared(scenario, target, options, out) as ready,
        watching.served(ready.directory),
        asyncio.Runner(loop_factory=factory) as runner,
        _polite_end(ready.run, runner.get_loop()),
    ):
        try:
            with watching.view(ready.journal, ready.run, runner.get_loop()):
                runner.run(ready.run.execute())
        finally:
            summary = ready.report()
    return summary, ready.directory.path


@contextmanager
def _polite_end(run: Run, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Ctrl-C (and SIGTERM) ends the run politely, however often it comes, and never costs its reports."""

    def end(*_: object) -> None:
        loop.call_soon_threadsafe(run.interrupt)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed, else asyncio's own (None); `E2E_LOOP` is `asyncio` or `uvloop` for who wants one.

    Raises:
        UsageError: it is something else, or uvloop is wanted and not installed.
    """
    wanted = os.environ.get("E2E_LOOP", "")
    if wanted not in ("", "asyncio", "uvloop"):
        raise UsageError(f"E2E_LOOP={wanted}: it may be asyncio or uvloop, or not be set")
    if wanted == "asyncio":
        return None
    try:
        import uvloop
    except ImportError:
        if wanted:
            raise UsageError("E2E_LOOP=uvloop, but uvloop is not installed: pip install 'e2e[fast]'") from None
        return None
    return uvloop.new_event_loop
