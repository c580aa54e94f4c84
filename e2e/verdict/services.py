"""What is known about a service: how it started, whether it answered, how it ended, whether its log was read."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

Record = dict[str, Any]


@dataclass(slots=True)
class Service:
    """A service of the target. Times are `t` of the journal, `boot_seconds` is from launch to its first answer."""

    name: str
    url: str | None = None
    command: list[str] | None = None
    cwd: str | None = None
    pid: int | None = None
    launched: float | None = None
    up: float | None = None
    unhealthy: float | None = None
    exited: float | None = None
    exit_code: int | None = None
    stopped: float | None = None
    health: dict[str, Any] | None = None
    boot_seconds: float | None = None
    error: str | None = None
    routes: dict[str, Any] | None = None

    def fold(self, record: Record) -> None:
        for name in ("url", "command", "cwd", "pid", "health", "error"):
            if record.get(name) is not None:
                setattr(self, name, record[name])
        event, t = record.get("event"), record["t"]
        if event == "launched":
            self.launched, self.up, self.exited, self.unhealthy = t, None, None, None
        elif event in ("ready", "healthy"):
            self.up = t if self.up is None else self.up
            self.unhealthy = None
            if self.boot_seconds is None:
                self.boot_seconds = record.get("seconds")
                if self.boot_seconds is None and self.launched is not None:
                    self.boot_seconds = round(t - self.launched, 3)
        elif event == "unhealthy":
            self.unhealthy = t
        elif event == "exited" and self.stopped is None:
            self.exited, self.exit_code = t, record.get("code")
        elif event == "stopped":
            self.stopped = t

    @property
    def status(self) -> str:
        """`healthy`, `exited`, `unhealthy`, or `unknown` (nothing was said about it yet)."""
        if self.exited is not None:
            return "exited"
        if self.unhealthy is not None:
            return "unhealthy"
        return "healthy" if self.up is not None else "unknown"


@dataclass(slots=True)
class ServiceLog:
    """How the log of one service was read. `tail` are its last lines, its last words when it died.

    `failures` is how often there was no reader, for `gap_seconds` in all; `unreadable` counts lines that nobody could
    read; `proof` is a line that only this kind of service says. Of a command, `before` are the lines of before the run
    that were left out; `dated` is False where no line carried a time, so that none could be.
    """

    service: str
    source: str | None = None
    where: str | None = None
    opened: float | None = None
    closed: float | None = None
    problem: str | None = None
    lines: int = 0
    bytes: int = 0
    boot_marker: str | None = None
    proof: str | None = None
    failures: int = 0
    gap_seconds: float = 0.0
    unreadable: int = 0
    before: int = 0
    dated: bool | None = None
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=6))

    def fold(self, record: Record) -> None:
        self.source = record.get("source") or self.source
        self.where = record.get("where") or self.where
        state = record.get("state")
        if state == "open":
            self.opened = record["t"] if self.opened is None else self.opened
        elif state == "closed":
            self.closed = record["t"]
            self.failures = record.get("failures") or 0
            self.gap_seconds = record.get("gap_seconds") or 0.0
            self.unreadable = record.get("unreadable") or 0
            self.proof = record.get("proof")
            self.before, self.dated = record.get("before") or 0, record.get("dated")
            self.lines = max(self.lines, record.get("lines") or 0)
            self.bytes = max(self.bytes, record.get("bytes") or 0)
            self.boot_marker = record.get("boot_marker") or self.boot_marker
        elif state in ("missing", "failed"):
            self.problem = record.get("error") or f"{state}: {self.where or self.source or 'no place given'}"

    def line(self, text: str) -> None:
        self.lines += 1
        self.bytes += len(text) + 1
        self.tail.append(text)


def why_not_read(log: ServiceLog | None, service: Service | None, name: str) -> str | None:
    """Why the log of a service cannot prove that something was absent from it; None when it can."""
    if log is None or (log.opened is None and not log.lines and log.source in (None, "none")):
        return f"no log of {name} was read; give its log in the target's configuration"
    if log.problem and not log.lines:
        return f"the log of {name} could not be read ({log.problem}); check its log in the target's configuration"
    if not log.lines:
        return f"the log of {name} was opened but held no line"
    if service is not None and service.launched is not None and log.boot_marker is None:
        ended = "" if log.closed is not None else " before the journal ends"
        return f"the log of {name} was read ({log.lines} lines), but the line that it booted was not seen{ended}"
    if log.failures:
        return f"the log of {name} had no reader {log.failures} times, for {log.gap_seconds:.1f} s in all"
    if log.unreadable:
        return f"{log.unreadable} of {log.lines} lines in the log of {name} could not be read"
    if log.boot_marker is None and log.proof is None:
        return f"{log.lines} lines were read as the log of {name}, but none that only {name} says: is it the right log?"
    return None
