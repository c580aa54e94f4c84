"""What a service costs: processor and memory of a child and of everything that it started."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import psutil

# Looking for grandchildren reads about every process of the machine; they come and go seldom.
_SEARCH_SAMPLES = 10


@dataclass(frozen=True, slots=True)
class Resources:
    """`cpu`: share of one core since the last sample (0 at the first one). `rss_mb`: resident memory in MiB."""

    cpu: float
    rss_mb: float


class ResourceMeter:
    """Samples one process tree, cheaply: what it started is looked for at every tenth sample. `clock` gives seconds."""

    def __init__(self, pid: int, clock: Callable[[], float]) -> None:
        self._pid = pid
        self._clock = clock
        self._family: list[psutil.Process] = []
        self._samples = 0
        self._spent: dict[psutil.Process, float] = {}
        self._sampled = clock()

    def sample(self) -> Resources | None:
        """None when the process is gone."""
        try:
            if self._samples % _SEARCH_SAMPLES == 0:
                root = psutil.Process(self._pid)
                self._family = [root, *root.children(recursive=True)]
            self._samples += 1
        except psutil.Error:
            return None
        spent: dict[psutil.Process, float] = {}
        rss = 0
        for process in self._family:
            with contextlib.suppress(psutil.Error):
                times, memory = process.cpu_times(), process.memory_info()
                spent[process] = times.user + times.system
                rss += memory.rss
        if self._family[0] not in spent:
            return None
        now = self._clock()
        elapsed, self._sampled = now - self._sampled, now
        # What was found just now counts from here on, what ended counts no more.
        used = sum(seconds - self._spent.get(process, seconds) for process, seconds in spent.items())
        self._spent = spent
        return Resources(round(used / elapsed, 4) if elapsed > 0 else 0.0, round(rss / 2**20, 1))
