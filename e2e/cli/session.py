"""From a scenario and a target to an exit code: run directory, journal, live view, reports, last lines."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path

from rich.console import Console

from e2e.cli.live import live_view
from e2e.cli.web import served
from e2e.clients.outlet import best_outlet
from e2e.engine.limits import check_limits, raise_limits
from e2e.engine.options import Options
from e2e.engine.runner import Run
from e2e.engine.scenario import Scenario
from e2e.engine.target import TargetConfig
from e2e.errors import ExitCode, UsageError
from e2e.record.journal import Journal
from e2e.record.redact import Redactor
from e2e.record.rundir import RunDirectory
from e2e.report.terminal import show_verdict
from e2e.report.write import write_reports


def run_scenario(
    scenario: Scenario,
    target: TargetConfig,
    options: Options,
    out: Path,
    quiet: bool,
    web: socket.socket | None = None,
) -> ExitCode:
    """Run, report, and say the verdict on standard output. `web`: where the report is served meanwhile.

    Raises:
        UsageError: the scenario, the options or the configuration ask for something that cannot be done.
    """
    scenario.settings(options.settings)
    target.services(scenario.services)
    load, _ = options.applied_to(scenario.load)
    check_limits(load, raise_limits(), target.connect_rate)
    factory, outlet = loop_factory(), best_outlet()
    directory = RunDirectory.create(out, scenario.name, datetime.now())
    secrets = target.credentials.secrets if target.credentials else ()
    journal = Journal(directory.journal, time.monotonic, Redactor(secrets))
    watched = nullcontext() if web is None else served(directory, web)
    with journal, watched, asyncio.Runner(loop_factory=factory) as runner:
        run = Run(scenario, target, options, directory, journal, outlet=outlet)
        with _polite_end(run, runner.get_loop()):
            with live_view(journal, quiet):
                runner.run(run.execute())
            journal.flush()
            summary = write_reports(directory)
    show_verdict(Console(file=sys.stdout), summary, str(directory.path))
    return ExitCode(summary["exit_code"])


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
