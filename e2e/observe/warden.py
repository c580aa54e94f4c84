"""Ends the children of a run when the run itself is gone, even by SIGKILL.

Runs as a small process of its own: `python -I -S warden.py`. It reads `+GROUP` and `-GROUP` lines on its standard
input, the process groups that live. When the pipe closes, whatever way the run ended, it kills the groups that are
left. A process group takes grandchildren along, which a parent-death signal would not reach. Standard library only.
"""

import os
import signal
import sys
from collections.abc import Iterable


def watch(orders: Iterable[str]) -> set[int]:
    """The groups that are still alive when the orders end."""
    groups: set[int] = set()
    for order in orders:
        sign, number = order[:1], order[1:].strip()
        if number.isdigit():
            (groups.add if sign == "+" else groups.discard)(int(number))
    return groups


def main() -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    for group in watch(sys.stdin):
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


if __name__ == "__main__":
    main()
