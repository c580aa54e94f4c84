"""The stand-in, served to all tests of a process."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
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
    started: Future[Callable[[], None]] = Future()
    thread = threading.Thread(target=asyncio.run, args=(_serve(target, directory, started),), name="e2e-standin")
    thread.start()
    try:
        end = started.result()
        try:
            yield target
        finally:
            end()
    finally:
        thread.join()


async def _serve(target: TargetConfig, directory: Path, started: "Future[Callable[[], None]]") -> None:
    ending, loop = asyncio.Event(), asyncio.get_running_loop()
    secrets = target.credentials.secrets if target.credentials else ()
    specs = target.services(("backend", "pusher"))
    with Journal(directory / "journal.jsonl", time.monotonic, Redactor(secrets)) as journal:
        try:
            async with Services(specs, journal, directory / "logs", probe=False, audit=False):
                started.set_result(lambda: loop.call_soon_threadsafe(ending.set))  # type: ignore[arg-type,return-value]
                await ending.wait()
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)
