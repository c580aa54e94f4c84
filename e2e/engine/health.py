"""The generator's own health, sampled once a second: what it sent, how late, its CPU, memory, files and loop stalls."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import psutil

from e2e.clients.roster import Roster
from e2e.clients.timing import Clock
from e2e.engine.crowd import Counts, write_arrivals
from e2e.engine.machine import MachineMeter, open_files
from e2e.engine.pacer import Pacer
from e2e.record.journal import Journal

PROBE_SECONDS = 0.05
"""How often the event loop is asked how late it is."""


class Health:
    """Once a second, until cancelled: writes `sends`, `generator`, `arrivals` and `resources` records, flushes the
    journal, and has the open sessions send their pings. `resources()` gives CPU (share of a core) and memory of each
    service, `counts` how many devices there are.
    """

    def __init__(
        self,
        journal: Journal,
        pacer: Pacer,
        clock: Clock,
        roster: Roster,
        resources: Callable[[], Mapping[str, Any]],
        counts: Counts,
    ) -> None:
        self._journal, self._pacer, self._clock, self._roster = journal, pacer, clock, roster
        self._resources, self._counts = resources, counts
        self._machine = MachineMeter()
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
                self._sample(cpu_now - cpu, wall_now - wall)
                self._roster.ping_some()
                cpu, wall = cpu_now, wall_now
                self._journal.flush()
        finally:
            probe.cancel()
            self._write_sends()

    async def _probe_loop(self) -> None:
        # By the clock: a loop may know the time only as of its last turn.
        while True:
            due = self._clock() + PROBE_SECONDS
            await asyncio.sleep(PROBE_SECONDS)
            self._worst_lag = max(self._worst_lag, self._clock() - due)

    def _sample(self, cpu: float, seconds: float) -> None:
        """`cpu`: processor time that this process used in the last `seconds`."""
        self._write_sends()
        lag, self._worst_lag = self._worst_lag, 0.0
        services = self._resources()
        shares = self._machine.shares(cpu + sum(used.cpu for used in services.values()) * seconds)
        self._journal.write(
            "generator",
            cpu=round(cpu / seconds, 4),
            rss_mb=round(self._process.memory_info().rss / 2**20, 1),
            loop_lag_ms=round(lag * 1000, 3),
            open_sessions=len(self._roster),
            open_files=open_files(),
            steal=round(shares.steal, 4) if shares else None,
            foreign=round(shares.foreign, 4) if shares else None,
            planned=self._counts.planned,
            active=self._counts.active,
        )
        write_arrivals(self._journal, self._counts)
        for service, used in services.items():
            self._journal.write("resources", service=service, cpu=round(used.cpu, 4), rss_mb=round(used.rss_mb, 1))

    def _write_sends(self) -> None:
        sends = self._pacer.take_counts()
        if sends.n:
            self._journal.write(
                "sends", n=sends.n, late=sends.late, streams=sends.streams, lateness=sends.lateness.to_dict()
            )
