"""The stand-in, served to all tests of a process."""

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

from e2e.engine.target import TargetConfig
from e2e.observe.launcher import Services
from e2e.record.journal import Journal
from e2e.record.redact import Redactor


@contextmanager
def served(target: TargetConfig, directory: Path) -> Iterator[TargetConfig]:
    """Start the services of a target, and end them with the block. Their logs are in `directory`.

    They are looked after in a thread of their own: each test has its own event loop, and between two tests there is
    none.

    Raises:
        E2EError: a service could not be started.
    """
    started, over = Future[None](), Future[None]()
    serving = _serve(target, directory, started, over)
    thread = threading.Thread(target=asyncio.run, args=(serving,), name="e2e-standin", daemon=True)
    thread.start()
    try:
        started.result()
        yield target
    finally:
        over.set_result(None)
        thread.join()


async def _serve(target: TargetConfig, directory: Path, started: Future[None], over: Future[None]) -> None:
    specs = target.services(("backend", "pusher"))
    with Journal(directory / "journal.jsonl", time.monotonic, Redactor(target.secrets)) as journal:
        try:
            async with Services(specs, journal, directory / "logs", probe=False, audit=False):
                started.set_result(None)
                await asyncio.wrap_future(over)
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)
