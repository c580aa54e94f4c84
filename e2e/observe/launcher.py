"""All services of the target: started together, watched while the run lasts, and gone when it ends."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import httpx

from e2e.errors import E2EError
from e2e.observe import health
from e2e.observe.auditing import Audits
from e2e.observe.child import Warden
from e2e.observe.log import ServiceLog
from e2e.observe.resources import Resources
from e2e.observe.spec import ServiceSpec
from e2e.observe.unit import Unit
from e2e.record.journal import Journal

# The backend is a client of the pusher: it starts after it and ends before it.
_ORDER = ("pusher", "backend")
_WATCH_SECONDS = 5.0


class Services:
    """Starts what the target says is to be started, finds what already runs, and reads the logs of both.

    `failed` says why a service that was healthy ended by itself; None while all is well. As an async context manager
    it starts and stops. `clock` gives seconds. With `probe`, the services that it starts tell what they import; with
    `audit`, the trees that the target names are audited while they boot.
    """

    def __init__(
        self,
        specs: Sequence[ServiceSpec],
        journal: Journal,
        logs_dir: Path,
        clock: Callable[[], float] = time.monotonic,
        probe: bool = True,
        audit: bool = True,
    ) -> None:
        self.failed: str | None = None
        self._phase = "services"
        self._guard = Warden()
        self._audits = Audits(specs if audit else (), journal, self._guard)
        self._stopping: asyncio.Task[None] | None = None
        self._ending = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None
        logs_dir.mkdir(parents=True, exist_ok=True)
        self._units = [
            Unit(
                spec,
                journal,
                logs_dir,
                self._guard,
                clock,
                self._died,
                probe,
            )
            for spec in sorted(specs, key=lambda spec: _ORDER.index(spec.name))
        ]

    @property
    def logs(self) -> dict[str, ServiceLog]:
        """The log of each service by its name."""
        return {unit.spec.name: unit.log for unit in self._units}

    async def start(self) -> None:
        """Return when all services are healthy and audited. When one cannot be, the others are stopped first.

        Raises:
            ConfigError: a command cannot be started.
            ServiceError: a port is taken, a child ended, or a service did not answer in time.
        """
        try:
            for unit in self._units:
                await unit.launch()
            self._audits.start()
            async with health.client() as http:
                await self._all_healthy(http)
            await self._audits.finish()
            self._watcher = asyncio.create_task(self._watch())
        except BaseException:
            await self.stop()
            raise

    async def stop(self, grace: float = 5.0) -> None:
        """End every child, SIGKILL after `grace` seconds, and close every log. Once, however often it is called.

        A cancellation is passed on only when everything is down.
        """
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(grace))
        await _through(self._stopping)

    def set_phase(self, phase: str) -> None:
        """What the run does now: the `phase` of import errors from here on. A service keeps `boot` until healthy."""
        self._phase = phase
        for unit in self._units:
            if unit.healthy:
                unit.set_phase(phase)

    def resources(self) -> dict[str, Resources]:
        """What each child costs now, by the name of its service."""
        return {unit.spec.name: sample for unit in self._units if (sample := unit.resources()) is not None}

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _died(self, why: str) -> None:
        self.failed = self.failed or why

    async def _watch(self) -> None:
        """See now and then, and a last time at the end, whether what ran already still answers."""
        async with health.client() as http:
            last = False
            while not last:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_WATCH_SECONDS):
                        await self._ending.wait()
                last = self._ending.is_set()
                for unit in self._units:
                    unit.look_for_imports()
                await asyncio.gather(*(unit.still_answers(http) for unit in self._units))

    async def _all_healthy(self, http: httpx.AsyncClient) -> None:
        async def one(unit: Unit) -> None:
            await unit.until_healthy(http)
            unit.set_phase(self._phase)

        try:
            async with asyncio.TaskGroup() as group:
                for unit in self._units:
                    group.create_task(one(unit))
        except ExceptionGroup as errors:
            ours = [error for error in errors.exceptions if isinstance(error, E2EError)]
            raise (ours or errors.exceptions)[0] from None

    async def _stop(self, grace: float) -> None:
        errors = []
        self._ending.set()
        # A service that dies at boot may do so before its tree is read: that may well say why.
        await self._audits.finish(grace)
        if self._watcher:
            await asyncio.gather(self._watcher, return_exceptions=True)
        for unit in reversed(self._units):
            try:
                await unit.stop(grace)
            except Exception as error:
                errors.append(error)
        self._guard.close()
        if errors:
            raise errors[0]


async def _through(task: asyncio.Task[None]) -> None:
    """Wait for the task to end whatever comes, then pass a cancellation on."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
        except Exception:
            break
    if cancelled:
        raise cancelled
    task.result()
