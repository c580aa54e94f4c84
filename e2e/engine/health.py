"""The generator's own health, sampled once a second: what it sent, how late, its CPU, memory and loop stalls."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import psutil

from e2e.clients.session import Roster
from e2e.clients.timing import Clock
from e2e.engine.pacer import Pacer
from e2e.record.journal import Journal

PROBE_SECONDS = 0.05
"""How often the event loop is asked how late it is."""


class Health:
    """Once a second, until cancelled: writes `sends`, `generator` and `resources` records, flushes the journal, and has
    the open sessions send their pings. `resources()` gives CPU (share of a core) and memory of each service.
    """

    def __init__(
        self,
        journal: Journal,
        pacer: Pacer,
        clock: Clock,
        roster: Roster,
        resources: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._journal, self._pacer, self._clock, self._roster = journal, pacer, clock, roster
        self._resources = resources
        self._process = psutil.Process()
        self._worst_lag = 0.0

    async def run(self) -> None:
        probe = asyncio.create_task(self._probe_loop())
        cpu, wall = time.process_time(), self._clock()
        try:
            while True:
                await asyncio.sleep(0.5)
                self._journal.flush()
                await asyncio.sleep(0.5)
                cpu_now, wall_now = time.process_time(), self._clock()
                self._sample((cpu_now - cpu) / (wall_now - wall))
                self._roster.ping_some()
                cpu, wall = cpu_now, wall_now
                self._journal.flush()
        finally:
            probe.cancel()
            self._write_sends()

    async def _probe_loop(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + PROBE_SECONDS
            await asyncio.sleep(PROBE_SECONDS)
            self._worst_lag = max(self._worst_lag, loop.time() - due)

    def _sample(self, cpu: float) -> None:
        self._write_sends()
        lag, self._worst_lag = self._worst_lag, 0.0
        self._journal.write(
            "generator",
            cpu=round(cpu, 4),
            rss_mb=round(self._process.memory_info().rss / 2**20, 1),
            loop_lag_ms=round(lag * 1000, 3),
            open_sessions=len(self._roster),
        )
        for service, used in self._resources().items():
            self._journal.write("resources", service=service, cpu=round(used.cpu, 4), rss_mb=round(used.rss_mb, 1))

    def _write_sends(self) -> None:
        sends = self._pacer.take_counts()
        if sends.n:
            self._journal.write(
                "sends", n=sends.n, late=sends.late, streams=sends.streams, lateness=sends.lateness.to_dict()
            )
