"""From a scenario and a target to an exit code: run directory, journal, live view, reports, last lines."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from rich.console import Console

from e2e.cli.live import live_view
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


def run_scenario(scenario: Scenario, target: TargetConfig, options: Options, out: Path, quiet: bool) -> ExitCode:
    """Run, report, and say the verdict on standard output.

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
    with Journal(directory.journal, time.monotonic, Redactor(secrets)) as journal:
        run = Run(scenario, target, options, directory, journal, outlet=outlet)
        with live_view(journal, quiet), asyncio.Runner(loop_factory=factory) as runner:
            runner.run(_execute(run))
    summary = write_reports(directory)
    show_verdict(Console(file=sys.stdout), summary, str(directory.path))
    return ExitCode(summary["exit_code"])


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


async def _execute(run: Run) -> None:
    """Run with Ctrl-C (and SIGTERM) as a polite end, however often they come: stopping takes a few seconds at most."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, run.interrupt)
    await run.execute()
