"""A child process in a group of its own: started by argument list, read to its last line, ended with all it started."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from e2e.errors import ConfigError
from e2e.observe import warden
from e2e.observe.lines import LineSplitter

# Called with each line (without its end) and the bytes that it took.
Sink = Callable[[bytes, int], None]

# A read of this size is at most some 150 lines, so that reading never holds up the senders for long.
READ_BYTES = 16 * 1024
_POLL_SECONDS = 0.05
# What still holds the pipe after the whole group was killed has left the group: it is not waited for.
_EOF_SECONDS = 2.0


class Warden:
    """The process that outlives a killed run just long enough to end its children. Started with the first of them."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def add(self, group: int) -> None:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", warden.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._tell(f"+{group}")

    def remove(self, group: int) -> None:
        self._tell(f"-{group}")

    def close(self) -> None:
        process, self._process = self._process, None
        if process and process.stdin:
            with contextlib.suppress(OSError):
                process.stdin.close()
            process.wait()

    def _tell(self, order: str) -> None:
        # A warden that somebody killed is no reason to stop: it only guards against the run's own death.
        if self._process and self._process.stdin:
            with contextlib.suppress(OSError):
                self._process.stdin.write(order.encode() + b"\n")
                self._process.stdin.flush()


class Child:
    """A running child. Its standard output and error arrive merged, in order, at the sink.

    `exited` is set once it ended by itself or by `end`, its group is gone and its output was read to the end.
    """

    def __init__(self, process: asyncio.subprocess.Process, sink: Sink, guard: Warden) -> None:
        self._process = process
        self._guard = guard
        self._guard.add(process.pid)
        self._reader = asyncio.create_task(_read(process.stdout, sink))
        self._watcher = asyncio.create_task(self._watch())
        self.exited = asyncio.Event()

    @classmethod
    async def start(
        cls, argv: Sequence[str], sink: Sink, guard: Warden, *, cwd: Path | None = None, env: Mapping[str, str] = {}
    ) -> "Child":
        """Start `argv` with `env` added to the environment of the run.

        Raises:
            ConfigError: the working directory or the program does not exist, or may not be run.
        """
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **env}
        check_startable(argv, cwd, environment)
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise ConfigError(
                f"cannot start {argv[0]!r}: {error.strerror}; correct the command of the target"
            ) from error
        return cls(process, sink, guard)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.returncode

    async def end(self, grace: float) -> None:
        """SIGTERM to the group, after `grace` seconds SIGKILL; returns when the output was read to its end."""
        if self.code is None:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self.exited.wait()
        if self.code is None:
            self._signal(signal.SIGKILL)
        await self.exited.wait()

    async def _watch(self) -> None:
        try:
            await self._see_to_its_end()
        finally:
            self.exited.set()  # whatever happens: somebody may wait for it

    async def _see_to_its_end(self) -> None:
        # `process.wait()` returns only when the pipes close too, which a grandchild can put off for ever.
        while self._process.returncode is None:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
        self._signal(signal.SIGKILL)
        self._guard.remove(self.pid)
        await asyncio.wait({self._reader}, timeout=_EOF_SECONDS)
        self._reader.cancel()
        (outcome,) = await asyncio.gather(self._reader, return_exceptions=True)
        if isinstance(outcome, Exception):
            asyncio.get_running_loop().call_exception_handler(
                {"message": f"the output of process {self.pid} could not be recorded", "exception": outcome}
            )
        self._process._transport.close()  # the pipe, when somebody else still holds its other end

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def check_startable(argv: Sequence[str], cwd: Path | None, environment: Mapping[str, str]) -> None:
    """See that the command can be started at all.

    Raises:
        ConfigError: it cannot; the text says which part is wrong.
    """
    if not argv:
        raise ConfigError("the command of a service is an empty list; name the program and its arguments")
    if cwd is not None and not cwd.is_dir():
        raise ConfigError(f"the working directory {cwd} of {argv[0]!r} does not exist; correct `cwd` of the target")
    program = Path(cwd or ".") / argv[0] if os.sep in argv[0] else argv[0]
    if shutil.which(program, path=environment.get("PATH")) is None:
        raise ConfigError(
            f"the program {argv[0]!r} was not found; install it, or give its full path in the target's command"
        )


async def _read(stream: asyncio.StreamReader | None, sink: Sink) -> None:
    splitter = LineSplitter()
    try:
        while stream and (data := await stream.read(READ_BYTES)):
            for line, size in splitter.feed(data):
                sink(line, size)
            await asyncio.sleep(0)
    finally:
        for line, size in splitter.flush():
            sink(line, size)
