"""What the operating system lets the generator do, and how exactly it wakes."""

import asyncio
import math
import os
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from e2e.clients.outlet import best_outlet
from e2e.doctor.finding import Finding, bad, ok, warn
from e2e.engine.limits import MARGIN_FILES, Limits, check_limits, raise_limits
from e2e.engine.load import Load
from e2e.errors import UsageError
from e2e.observe.health import port_taken

CHUNK_SECONDS = 0.1
"""A chunk that is later than half of it counts as late, and too many of these make a run invalid."""

WAKES = 20
WAKE_SECONDS = 0.01
STEP_SECONDS = 0.05
"""By so much the wall clock may move against the monotonic one while we look."""

FIRST_DAY = 1_767_225_600.0
"""1 January 2026 as Unix time: a clock that is before it was never set."""

LEAST_FREE_GIB = 1.0

STANDIN_PORTS = (10220, 10221)


def check_limits_for(users: int, limits: Limits | None = None) -> Iterator[Finding]:
    limits = raise_limits() if limits is None else limits
    for subject, alone, most in (
        ("open files", Limits(limits.files, math.inf), limits.files - MARGIN_FILES),
        ("local ports", Limits(math.inf, limits.ports), limits.ports),
    ):
        try:
            check_limits(Load.users(users), alone)
        except UsageError as error:
            problem, _, todo = str(error).partition(": ")
            yield bad(subject, problem, todo)
        else:
            enough = "no limit is known" if math.isinf(most) else f"enough for {most:.0f} devices at once"
            yield ok(subject, enough if users == 1 else f"{enough}, {users} are wanted")


def check_processors(busy: float | None = None) -> Finding:
    """The generator uses one core; the services, and whatever else runs, need others. `busy` is the load average."""
    if busy is None:
        busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    text = f"{cores} to use, {busy:.1f} busy in the last minute"
    if busy > cores / 2:
        return warn("processors", text, "end what else runs, or results may be invalid: the generator needs a core")
    if cores < 2:
        return warn("processors", text, "run the services elsewhere: they and the generator share one core")
    return ok("processors", text)


def check_disk(directory: Path) -> Finding:
    """Whether runs can leave their reports below a directory, and how much of them."""
    if not os.access(directory, os.W_OK):
        return bad("reports", f"{directory} cannot be written", "go elsewhere, or name another place with --out")
    free = shutil.disk_usage(directory).free / 2**30
    if free < LEAST_FREE_GIB:
        return warn("reports", f"{free:.1f} GiB are free", "make room: a long run with many devices has a long journal")
    return ok("reports", f"{free:.0f} GiB are free")


def check_sending() -> Finding:
    try:
        outlet = best_outlet()
    except UsageError as error:
        return bad("sending", str(error), "unset E2E_SEND")
    if outlet.name != "transport":
        return ok("sending", "io_uring: a volley of frames with one system call")
    if os.environ.get("E2E_SEND"):
        return ok("sending", "one system call a frame, as E2E_SEND says")
    return warn("sending", "one system call a frame: this kernel or container allows no io_uring")


def check_loop(loop_name: Callable[[], str]) -> Finding:
    """`loop_name` is the one that a run takes: `uvloop` or `asyncio`. It raises UsageError as a run would."""
    try:
        name = loop_name()
    except UsageError as error:
        return bad("event loop", str(error), "unset E2E_LOOP")
    return ok("event loop", name)


def check_standin_ports() -> Iterator[Finding]:
    """Those of `e2e standin`; `--standin` of a run takes any that are free."""
    for port in STANDIN_PORTS:
        holder = port_taken("127.0.0.1", port)
        if holder:
            yield warn(f"port {port}", f"held by {holder}", "e2e standin needs another one: --port, --pusher-port")
        else:
            yield ok(f"port {port}", "free for e2e standin")


async def check_clock(
    monotonic: Callable[[], float] = time.monotonic,
    wall: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> list[Finding]:
    """Resolution, the wall clock, a step of it while we look, and how late a timer wakes. Takes a fifth of a second."""
    resolution = time.get_clock_info("monotonic").resolution
    began, offset = wall(), wall() - monotonic()
    late = 0.0
    for _ in range(WAKES):
        due = monotonic() + WAKE_SECONDS
        await sleep(WAKE_SECONDS)
        late = max(late, monotonic() - due)
    moved = abs(wall() - monotonic() - offset)
    found = []
    if resolution > 0.001:
        text = f"steps of {resolution * 1000:g} ms"
        found.append(bad("clock", text, "no latency can be measured here: run it on another system"))
    elif moved > STEP_SECONDS:
        text = f"the wall clock moved by {moved:.3f} s within {WAKES * WAKE_SECONDS:g} s"
        found.append(warn("clock", text, "wait until it is set: times of log lines and of the run would not agree"))
    else:
        found.append(ok("clock", f"monotonic, {resolution * 1e9:g} ns; the wall clock keeps step with it"))
    if began < FIRST_DAY:
        day = time.strftime("%Y-%m-%d", time.gmtime(began))
        found.append(bad("wall clock", f"it says {day}", "set it: certificates and tokens are refused"))
    text = f"the latest of {WAKES} timers woke {late * 1000:.1f} ms late"
    if late > CHUNK_SECONDS / 2:
        found.append(bad("timers", text, f"runs will be invalid ({CHUNK_SECONDS * 500:g} ms): use a quieter machine"))
    elif late > CHUNK_SECONDS / 10:
        found.append(warn("timers", text, "the machine is busy: chunks will be late"))
    else:
        found.append(ok("timers", text))
    return found
