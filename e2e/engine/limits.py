"""What the operating system lets the generator do, asked before the load rather than found out in its middle."""

import contextlib
import math
from dataclasses import dataclass
from pathlib import Path

from e2e.engine.load import Load
from e2e.errors import UsageError

try:
    import resource
except ImportError:  # not everywhere
    resource = None  # type: ignore[assignment]

MARGIN_FILES = 100
"""Files that a run needs beside its sessions: journal, logs, children's pipes, HTTP, sessions that are closing."""

PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


@dataclass(frozen=True, slots=True)
class Limits:
    """`files` this process may have open, `ports` for connections to one address; infinite where nothing is known."""

    files: float
    ports: float


def raise_limits(port_range: Path = PORT_RANGE) -> Limits:
    """Raise the soft limit of open files to the hard one, and say what there is."""
    files = ports = math.inf
    if resource is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with contextlib.suppress(ValueError, OSError):  # some systems have a hard limit that cannot be reached
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        files = math.inf if soft == resource.RLIM_INFINITY else soft
    with contextlib.suppress(OSError, ValueError):
        first, last = map(int, port_range.read_text().split())
        ports = last - first + 1
    return Limits(files, ports)


def check_limits(load: Load, limits: Limits, connects_per_second: float = math.inf, *, fixed: bool = False) -> None:
    """Refuse a load that this machine, or the target's configuration, cannot carry.

    `fixed`: the connections a second are not the user's to configure.

    Raises:
        UsageError: with the number needed, the number there is, and what to do.
    """
    most, files = load.count, load.count + MARGIN_FILES
    if files > limits.files:
        raise UsageError(
            f"{most} devices at once need {files} open files, and this process may have {limits.files:.0f}: "
            f"raise the hard limit (`ulimit -Hn {files}` as root, or LimitNOFILE), or take fewer devices"
        )
    if most > limits.ports:
        raise UsageError(
            f"{most} devices at once need {most} local ports to one address, and there are {limits.ports:.0f}: "
            "widen the range (`sysctl net.ipv4.ip_local_port_range='1024 65535'`), or take fewer devices"
        )
    if load.fastest > connects_per_second:
        more = "" if fixed else ", or raise thresholds.connects_per_second in e2e.toml"
        raise UsageError(
            f"{load.fastest:g} devices a second are to arrive, and the target allows {connects_per_second:g} "
            f"connections a second: lower the rate{more}"
        )


def most_devices(limits: Limits) -> float:
    """How many devices there may be at once."""
    return min(limits.files - MARGIN_FILES, limits.ports)
