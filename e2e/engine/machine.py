"""Who uses the processors of this machine, and how many files this process has open; as far as /proc tells."""

import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")

# The first fields of the line `cpu` in /proc/stat; what follows is contained in `user` and `nice`.
_FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_BUSY = ("user", "nice", "system", "irq", "softirq")


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of all processor time of the machine: `steal` went to other machines on the same hardware, `foreign` to
    other processes here."""

    steal: float
    foreign: float


class MachineMeter:
    """What happened between two calls of `shares`."""

    def __init__(self, proc: Path = PROC) -> None:
        self._stat = proc / "stat"
        self._before = self._read()

    def shares(self, ours: float) -> Shares | None:
        """Since the last call, in which this process and its services used `ours` seconds of processor time.

        None where the system does not say, or too little time has passed.
        """
        before, self._before = self._before, self._read()
        if before is None or self._before is None:
            return None
        spent = {name: self._before[name] - before[name] for name in _FIELDS}
        total = sum(spent.values())
        if total <= 0:
            return None
        foreign = sum(spent[name] for name in _BUSY) - ours
        return Shares(max(0.0, spent["steal"] / total), max(0.0, foreign / total))

    def _read(self) -> dict[str, float] | None:
        """Seconds since boot, all processors together."""
        try:
            name, *ticks = self._stat.read_text().partition("\n")[0].split()
            if name != "cpu" or len(ticks) < len(_FIELDS):
                return None
            second = os.sysconf("SC_CLK_TCK")
            return {field: int(n) / second for field, n in zip(_FIELDS, ticks, strict=False)}
        except (OSError, ValueError):
            return None


def open_files(proc: Path = PROC) -> int | None:
    """How many files this process has open; None where the system does not say."""
    try:
        # Newer kernels say so at once; listing thousands takes milliseconds.
        return (proc / "self/fd").stat().st_size or len(os.listdir(proc / "self/fd"))
    except OSError:
        return None
