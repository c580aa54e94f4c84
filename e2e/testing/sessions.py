"""Single sessions with a target, without a run around them."""

import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from e2e.engine.device import Device
from e2e.engine.options import Options, parse_pace
from e2e.engine.pacer import Pacer
from e2e.engine.runner import MANY, link_to
from e2e.engine.scenario import Drain
from e2e.engine.target import Target, TargetConfig
from e2e.engine.watch import LogWatch
from e2e.record.journal import Journal
from e2e.record.redact import Redactor


@asynccontextmanager
async def device(target: TargetConfig, index: int, pace: str, journal_path: Path) -> AsyncIterator[Device]:
    """A device of that number, which may open sessions until the block ends; they are journalled as in a run.

    Raises:
        UsageError: no such pace.
    """
    options = Options(speed=parse_pace(pace))
    with Journal(journal_path, time.monotonic, Redactor(target.secrets)) as journal:
        link = link_to(target, options, journal, Pacer(time.monotonic, options.speed), time.monotonic)
        sids = (f"s{n}" for n in itertools.count(1))
        watch = LogWatch(journal, Drain())
        services = Target(target, link, sids.__next__, journal_path.stem)
        try:
            yield Device(index, MANY, services, link, options, watch, sids.__next__)
        finally:
            watch.close()
            await services.receiver.stop()
