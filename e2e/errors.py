"""Every error that `e2e` raises on purpose, and the exit code that each one means.

A message says what happened, where, and what to do about it. The command line prints the message alone;
anything that is not an `E2EError` is a defect of `e2e` itself.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process says to a shell or to CI. The first that matches wins: 2, 130, 1, 5, 3, 4, 0."""

    PASS = 0
    FAIL = 1
    USAGE = 2
    UNREACHABLE = 3
    INCONCLUSIVE = 4
    INVALID = 5
    INTERRUPTED = 130


class E2EError(Exception):
    """Root of the tree."""

    exit_code = ExitCode.USAGE


class UsageError(E2EError):
    """The command line asks for something that cannot be done."""


class ConfigError(UsageError):
    """`e2e.toml` (or `[tool.e2e]`) does not say what is needed, or says something unsafe."""


class ScenarioError(UsageError):
    """A scenario cannot be found or loaded."""


class AudioError(UsageError):
    """Audio cannot be read, or holds nothing."""


class JournalError(UsageError):
    """A run directory or its journal cannot be read or written."""


class ServiceError(E2EError):
    """A service could not be started, or ended when it should run."""

    exit_code = ExitCode.UNREACHABLE


class SessionError(E2EError):
    """A session could not be opened, never got ready, or ended early.

    `reason` is a short stable word for counting: `refused`, `unreachable`, `timeout`, `not_ready`, `closed`,
    `backpressure`, `protocol`.
    """

    exit_code = ExitCode.UNREACHABLE

    def __init__(self, message: str, reason: str = "closed") -> None:
        super().__init__(message)
        self.reason = reason


class AuthRefused(SessionError):
    """The service answered the upgrade, or the first message, with a refusal of the credentials."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message, reason="refused")
        self.status = status
