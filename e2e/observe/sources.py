"""Logs that are not the output of a service that we started: a file that grows, or the output of a command.

Both call a sink with every line from `open` on, and go on until `close`, which reads what is left.
"""

import asyncio
import contextlib
import os
import stat
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Protocol

from e2e.errors import ConfigError
from e2e.observe.backlog import Backlog
from e2e.observe.child import READ_BYTES, Child, Sink, Warden
from e2e.observe.lines import LineSplitter
from e2e.observe.replay import Replay
from e2e.observe.rotation import Rotations

# A rotation takes the name away for a moment; a name that is gone for longer is a loss.
_VANISHED_SECONDS = 1.0
# Enough of what was read last to know it again; log lines differ by their time, if by nothing else.
_MARK_BYTES = 256

# Told of each change: the state of the journal's `log_source` record and, when it failed, why.
Told = Callable[[str, str | None], None]


class LogSource(Protocol):
    """Where the lines of a service come from."""

    kind: str
    where: str

    @property
    def figures(self) -> dict[str, Any]:
        """What its last record in the journal says beside the state."""

    async def open(self) -> None:
        """Begin here and now: lines that are written after this returns are seen."""

    async def close(self) -> str:
        """Read to the end and stop; the state to journal: `closed`, or `missing` when it never held anything."""


class FileSource:
    """Follows a file from its present end; a file that does not exist yet is read from its start once it does.

    A rotated file (another one under the name) is read to its end before the new one is, and so are those that were
    under the name in between, if they are still there; if not, the source failed for a moment. A truncated file is
    read from its start, also when it has outgrown the place again by the next look. The source failed while the file
    cannot be read or its name is gone, until one can be opened again; what is still held is read on meanwhile.
    """

    kind = "file"
    figures: ClassVar[dict[str, Any]] = {}

    def __init__(self, path: Path, sink: Sink, told: Told, poll: float = 0.1) -> None:
        self.where = str(path)
        self._path = path
        self._sink = sink
        self._told = told
        self._poll = poll
        self._file: BinaryIO | None = None
        self._next: deque[BinaryIO] = deque()
        self._rotations = Rotations(path)
        self._splitter = LineSplitter()
        self._mark = b""
        self._task: asyncio.Task[None] | None = None
        self._was_open = False
        self._problem: str | None = None
        self._failing = False
        self._missed: float | None = None

    async def open(self) -> None:
        self._file = self._opened()
        if self._file is not None:
            end = self._file.seek(0, os.SEEK_END)
            self._mark = os.pread(self._file.fileno(), _MARK_BYTES, max(0, end - _MARK_BYTES))[:end]
        self._rotations.note()
        self._tell()
        self._task = asyncio.create_task(self._follow())

    async def close(self) -> str:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._look()
        self._drop()
        return "closed" if self._was_open else "missing"

    async def _follow(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(self._poll)

    async def _look(self) -> None:
        """Take what is new, and go over to a new file under the name. It may be cancelled at any time."""
        self._problem = None
        while True:
            await self._take()
            if self._next:
                self._drop()
                self._file, self._mark = self._next.popleft(), b""
                self._tell()
            elif self._file is not None and not self._replaced():
                break
            else:
                await self._take()  # what was written between the last read and the rotation
                if not self._find_next():
                    break
        self._tell()

    def _find_next(self) -> bool:
        """Open the files to go over to: the one under the name, and before it those that were so in between."""
        current = self._opened()
        if current is None:
            return False  # what is held is held on to
        between = self._rotations.since(self._file, current)
        for path in between.paths:
            with contextlib.suppress(OSError):
                self._next.append(path.open("rb", buffering=0))
        self._next.append(current)
        if between.lost:
            self._told("failed", f"cannot read all of {self._path}: {between.lost}")
            self._told("open", None)
        return True

    async def _take(self) -> None:
        file = self._file
        if file is None:
            return
        try:
            if self._rewritten(file):
                self._end_line()
                file.seek(0)
            while data := file.read(READ_BYTES):
                self._mark = (self._mark + data)[-_MARK_BYTES:]
                for line, size in self._splitter.feed(data):
                    self._sink(line, size)
                await asyncio.sleep(0)
        except OSError as error:
            self._problem = error.strerror

    def _rewritten(self, file: BinaryIO) -> bool:
        """Whether the file no longer holds what was read last: it was truncated."""
        at = file.tell()
        size = os.fstat(file.fileno()).st_size
        if size <= at:
            return size < at
        return os.pread(file.fileno(), len(self._mark), at - len(self._mark)) != self._mark

    def _replaced(self) -> bool:
        try:
            now = self._path.stat()
        except OSError:
            self._miss()  # renamed away, the new one not there yet: its writer may still hold the old one
            return False
        self._missed = None
        mine = os.fstat(self._file.fileno()) if self._file else None
        return mine is None or (now.st_dev, now.st_ino) != (mine.st_dev, mine.st_ino)

    def _opened(self) -> BinaryIO | None:
        """The file under the name, if there is one that can be read."""
        try:
            mode = self._path.stat().st_mode
            if not stat.S_ISREG(mode):
                raise OSError(None, "not a regular file")
            file = self._path.open("rb", buffering=0)
        except FileNotFoundError:
            if self._was_open:
                self._miss()
            return None
        except OSError as error:
            self._problem = error.strerror
            return None
        self._missed = None
        return file

    def _miss(self) -> None:
        now = time.monotonic()
        self._missed = self._missed or now
        if now - self._missed > _VANISHED_SECONDS:
            self._problem = "it is gone"

    def _tell(self) -> None:
        """Say once that the file cannot be read, and once that it can be again."""
        if self._problem and not self._failing:
            self._failing = True
            self._told("failed", f"cannot read {self._path}: {self._problem}")
        elif self._file and not self._problem and (self._failing or not self._was_open):
            self._was_open, self._failing = True, False
            self._told("open", None)

    def _drop(self) -> None:
        self._end_line()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _end_line(self) -> None:
        for line, size in self._splitter.flush():
            self._sink(line, size)


class CommandSource:
    """Follows the output of a command, such as `kubectl logs -f`, which is started again when it ends too early.

    What it repeats when it starts again is left out, and what it says of the time before the run, as far as its lines
    carry a time: `backlog.py`.
    `backoff` is the first wait in seconds; it doubles up to 15 s, and begins anew after a minute that went well.
    """

    kind = "command"

    def __init__(
        self,
        argv: Sequence[str],
        sink: Sink,
        told: Told,
        guard: Warden,
        backoff: float = 1.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.where = " ".join(argv)
        self._argv = tuple(argv)
        self._sink = sink
        self._told = told
        self._guard = guard
        self._backoff = backoff
        self._child: Child | None = None
        self._task: asyncio.Task[None] | None = None
        self._replay = Replay()
        self._backlog = Backlog(now(), now)
        self._last = b""
        self._reading = False

    @property
    def figures(self) -> dict[str, Any]:
        return {"before": self._backlog.before, "dated": self._backlog.dated}

    async def open(self) -> None:
        """Raises ConfigError when the command cannot be started."""
        await self._start()
        self._task = asyncio.create_task(self._keep_running())

    async def close(self, grace: float = 2.0) -> str:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._child:
            ended = self._child.code is not None
            await self._child.end(grace)
            if ended:
                self._tell_end(self._child)
        self._pass_on(self._replay.ended())
        return "closed"

    async def _start(self) -> None:
        self._pass_on(self._replay.restarted())
        self._backlog.began()
        self._child = await Child.start(self._argv, self._line, self._guard)
        self._reading = True
        self._told("open", None)

    def _tell_end(self, child: Child) -> None:
        """Say, once, that the command ended by itself."""
        if self._reading:
            self._reading = False
            self._told("failed", f"ended with code {child.code}: {self._last[:300].decode(errors='replace')}")

    def _line(self, line: bytes, size: int) -> None:
        self._last = line or self._last
        self._pass_on(self._replay.lines(line, size))

    def _pass_on(self, lines: Iterable[tuple[bytes, int]]) -> None:
        for line, size in lines:
            if not self._backlog.is_old(line):
                self._sink(line, size)

    async def _keep_running(self) -> None:
        loop = asyncio.get_running_loop()
        wait = self._backoff
        while self._child:
            began = loop.time()
            await self._child.exited.wait()
            self._tell_end(self._child)
            if loop.time() - began > 60:
                wait = self._backoff
            await asyncio.sleep(wait)
            wait = min(wait * 2, 15.0)
            try:
                await self._start()
            except ConfigError as error:
                self._told("failed", str(error))
