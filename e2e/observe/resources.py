"""What a service costs: processor and memory of a child and of everything that it started."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Resources:
    """`cpu`: share of one core since the last sample (0 at the first one). `rss_mb`: resident memory in MiB."""

    cpu: float
    rss_mb: float


class ResourceMeter:
    """Samples one process tree. `clock` gives seconds."""

    def __init__(self, pid: int, clock: Callable[[], float]) -> None:
        self._pid = pid
        self._clock = clock
        self._spent: dict[int, float] = {}
        self._sampled: float | None = None

    def sample(self) -> Resources | None:
        """None when the process is gone."""
        try:
            root = psutil.Process(self._pid)
            family = [root, *root.children(recursive=True)]
        except psutil.Error:
            return None
        now = self._clock()
        spent: dict[int, float] = {}
        rss = 0
        for process in family:
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                spent[process.pid] = times.user + times.system
                rss += process.memory_info().rss
        elapsed = now - self._sampled if self._sampled is not None else 0.0
        # A process that is new since the last sample counts from zero, one that ended counts no more.
        used = sum(seconds - self._spent.get(pid, 0.0) for pid, seconds in spent.items())
        self._spent, self._sampled = spent, now
        return Resources(round(used / elapsed, 4) if elapsed > 0 else 0.0, round(rss / 2**20, 1))
