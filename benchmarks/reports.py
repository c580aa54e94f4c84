"""What the reports of a large run cost: `python -m benchmarks.reports`.

Makes the journal of a run (1,000 sessions, a million messages; the same each time) in a temporary directory, has
`e2e report` write all reports of it, as a process, and prints its seconds, its processor time and the most memory that
it had resident.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.journal import write_journal
from e2e.record.journal import FILE_NAME
from e2e.report.write import FILES

MAX_SECONDS, MAX_MIB = 30.0, 500.0
"""What is promised of 1,000 sessions and a million messages."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one process: seconds, processor seconds (user and system), and MiB of the most resident memory."""

    seconds: float
    cpu: float
    peak_mib: float


def cost_of(command: list[str]) -> Cost:
    """Run a command to its end. Raises CalledProcessError where it fails."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = 0.0
    # The kernel counts what the parent had before `exec` among a child's maximum, so it is asked while the child lives.
    while (done := os.wait4(process.pid, os.WNOHANG))[0] == 0:
        peak = max(peak, _peak_mib(process.pid))
        time.sleep(0.02)
    seconds, (_, status, used) = time.monotonic() - began, done
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Cost(seconds, used.ru_utime + used.ru_stime, peak or used.ru_maxrss / 1024)


def _peak_mib(pid: int) -> float:
    """0 where the system does not say."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:")), 0.0)


@contextmanager
def _place(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    with TemporaryDirectory(prefix="bench-reports-") as directory:
        yield Path(directory)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reports", description=__doc__.partition("\n")[0])
    parser.add_argument("--messages", type=int, default=1_000_000, help="of all sessions (default 1000000)")
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--passes", type=int, default=1, help="how often the reports are written (default 1)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the run there; one that is there is used again")
    options = parser.parse_args()
    with _place(options.keep) as run:
        journal = run / FILE_NAME
        if not journal.exists():
            count = write_journal(journal, options.sessions, options.messages)
            print(
                f"{options.sessions} sessions, {count:,} messages, journal of {journal.stat().st_size / 2**20:.0f} MiB"
            )
        for _ in range(options.passes):
            cost = cost_of([sys.executable, "-m", "e2e.cli", "report", str(run)])
            told = f"{cost.seconds:.1f} s, {cost.cpu:.1f} s of processor time, {cost.peak_mib:.0f} MiB at most"
            print(f"{len(FILES)} reports: {told}")
    print(f"asked for at 1,000 sessions and 1,000,000 messages: under {MAX_SECONDS:.0f} s and {MAX_MIB:.0f} MiB")


if __name__ == "__main__":
    main()
