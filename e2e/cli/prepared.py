"""A run that is ready to begin: checked, with a directory, a journal and a way to send."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from e2e.cli.baseline import give_baseline, named_baseline
from e2e.clients.outlet import best_outlet
from e2e.engine.limits import check_limits, raise_limits
from e2e.engine.options import Options
from e2e.engine.runner import Run
from e2e.engine.scenario import Scenario
from e2e.engine.target import TargetConfig, listen_query
from e2e.record.journal import Journal
from e2e.record.redact import Redactor
from e2e.record.rundir import RunDirectory
from e2e.report.write import Summary, write_reports


@dataclass(frozen=True, slots=True)
class Prepared:
    """`run.execute()` fills the journal, of which `report` makes the reports."""

    run: Run
    directory: RunDirectory
    journal: Journal

    def report(self) -> Summary:
        """Also of a run that could not go on: whoever looks at it later reads why."""
        self.journal.flush()
        return write_reports(self.directory)


@contextmanager
def prepared(scenario: Scenario, target: TargetConfig, options: Options, out: Path) -> Iterator[Prepared]:
    """Check what is asked for, then make its directory under `out` and open its journal until the block ends.

    Raises:
        UsageError: the scenario, the options, the configuration or this machine cannot do it; then nothing was made.
        JournalError: the baseline is no run, or one that cannot be read.
    """
    scenario.settings(options.settings)
    listen_query(options.listen_settings())
    target.services(scenario.services)
    load, _ = options.applied_to(scenario.load)
    check_limits(load, raise_limits(), target.connect_rate, fixed=target.timers is not None)  # the stand-in
    outlet, baseline = best_outlet(), named_baseline(options, out)
    directory = RunDirectory.create(out, scenario.name, datetime.now())
    with Journal(directory.journal, time.monotonic, Redactor(target.secrets)) as journal:
        run = Run(scenario, target, options, directory, journal, outlet=outlet)
        give_baseline(run, baseline, options, out)
        yield Prepared(run, directory, journal)
