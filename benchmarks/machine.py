"""The machine: which core does what, what it is, and what else was going on."""

import os
import platform
import resource
import subprocess
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import psutil

PACKAGES = ("e2e", "uvloop", "websockets", "msgspec", "locust", "gevent", "websocket-client")
FILES_TO_SPARE = 200


@dataclass(frozen=True, slots=True)
class Cores:
    """The core of the client that is measured, and the one of the sink and of this process."""

    client: int
    sink: int

    @classmethod
    def choose(cls) -> "Cores":
        """The first two cores that this process may use. With a single one everything shares it."""
        allowed = sorted(os.sched_getaffinity(0))
        return cls(allowed[0], allowed[1 % len(allowed)])

    @property
    def shared(self) -> bool:
        return self.client == self.sink


def raise_file_limit() -> int:
    """Raise the soft limit of open files to the hard one; returns how many streams it allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard - FILES_TO_SPARE if hard != resource.RLIM_INFINITY else 60_000


def describe(cores: Cores) -> dict[str, Any]:
    """What a reader needs to compare figures: cores and versions."""
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = None
    compiler = subprocess.run(["cc", "--version"], capture_output=True, text=True, check=False).stdout.split("\n")[0]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "client_core": cores.client,
        "sink_core": cores.sink,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": packages,
        "cc": compiler,
        "idle_noise": idle_noise(cores),
    }


def idle_noise(cores: Cores, seconds: float = 2.0) -> dict[str, float]:
    """Share of both cores that was busy while nothing of the benchmarks ran."""
    before = {core: core_seconds(core) for core in (cores.client, cores.sink)}
    began = time.monotonic()
    time.sleep(seconds)
    wall = time.monotonic() - began
    return {str(core): round((core_seconds(core)[0] - before[core][0]) / wall, 4) for core in before}


def core_seconds(core: int) -> tuple[float, float]:
    """Seconds that a core has been busy, and those of them that a hypervisor stole, since boot."""
    times = psutil.cpu_times(percpu=True)[core]
    steal = getattr(times, "steal", 0.0)
    return times.user + times.nice + times.system + times.irq + times.softirq + steal, steal


class Samples:
    """A process and its core, sampled from outside, the same way whatever it is."""

    def __init__(self, pid: int, core: int) -> None:
        self._process, self._core = psutil.Process(pid), core
        self._rows: list[tuple[float, float, float, float, float]] = []

    def take(self) -> None:
        """Add a sample; none once the process has ended."""
        try:
            with self._process.oneshot():
                cpu, memory = self._process.cpu_times(), self._process.memory_info().rss
        except psutil.Error:
            return
        self._rows.append((time.monotonic(), cpu.user + cpu.system, memory / 1024, *core_seconds(self._core)))

    @property
    def table(self) -> np.ndarray:
        """Shape (n, 5): instant, CPU seconds, resident KiB, busy and stolen seconds of the core."""
        return np.array(self._rows).reshape(-1, 5)

    def cpu(self, start: float, end: float) -> float:
        """CPU seconds of the process between two instants of the monotonic clock."""
        return self._between(1, start, end)

    def noise(self, start: float, end: float) -> dict[str, float]:
        """Shares of the core that went to others (`foreign`) and to the hypervisor (`steal`)."""
        wall, steal = end - start, self._between(4, start, end)
        foreign = self._between(3, start, end) - steal - self.cpu(start, end)
        return {"foreign": round(max(0.0, foreign) / wall, 4), "steal": round(steal / wall, 4)}

    def resident(self, start: float, end: float) -> float | None:
        """Median of the resident memory in KiB; None without a sample."""
        table = self.table
        chosen = table[(table[:, 0] >= start) & (table[:, 0] <= end), 2]
        return float(np.median(chosen)) if len(chosen) else None

    def _between(self, column: int, start: float, end: float) -> float:
        table = self.table
        if not len(table):
            return 0.0
        first, last = np.interp([start, end], table[:, 0], table[:, column])
        return float(last - first)
