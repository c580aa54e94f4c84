"""The pool of decoder processes that all sessions of a backend share."""

import asyncio
import json
import logging
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from typing import Any

from e2e.errors import ServiceError
from e2e.standin.ear import REQUEST

MAX_EARS = 6
"""Decoders at most, about 100 MB each. An utterance holds one from its beginning to its end."""

logger = logging.getLogger("standin.recogniser")


class EarProcess:
    """One decoder process. Requests are answered in order, also when nobody waits for the answer any more."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._turn = asyncio.Lock()
        self._ended = False

    @classmethod
    async def start(cls) -> "EarProcess":
        """Raises ServiceError when the decoder cannot be loaded."""
        command = (sys.executable, "-m", "e2e.standin.ear")
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, limit=1 << 22)
        ear = cls(process)
        await ear._answer()
        return ear

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        # The end of its output is seen before its exit code is.
        return not self._ended and self._process.returncode is None and not self._process.stdin.is_closing()

    async def ask(self, operation: bytes, payload: bytes = b"") -> dict[str, Any]:
        """Raises ServiceError when the process has ended. A caller that is cancelled leaves no answer unread."""
        asking = asyncio.ensure_future(self._ask(operation, payload))
        asking.add_done_callback(_seen)
        return await asyncio.shield(asking)

    async def _ask(self, operation: bytes, payload: bytes) -> dict[str, Any]:
        async with self._turn:
            if not self.alive:
                raise ServiceError(_ENDED)
            try:
                self._process.stdin.write(REQUEST.pack(operation, len(payload)) + payload)
                await self._process.stdin.drain()
            except ConnectionError as error:
                self._ended = True
                raise ServiceError(_ENDED) from error
            return await self._answer()

    async def _answer(self) -> dict[str, Any]:
        line = await self._process.stdout.readline()
        if not line:
            self._ended = True
            raise ServiceError(_ENDED)
        return json.loads(line)

    async def stop(self) -> None:
        self._process.stdin.close()
        # One that has ended by itself is left to be waited for: a signal would take its exit code from who waits.
        if not self._ended and self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


def _seen(asking: asyncio.Task) -> None:
    """Where the caller was cancelled, nobody else looks at what went wrong."""
    if not asking.cancelled():
        asking.exception()


_ENDED = "The decoder process of the stand-in has ended: read its traceback in the backend's log."


class Ears:
    """Decoders that are lent for an utterance each; started one by one as they are needed, up to `MAX_EARS`."""

    def __init__(self) -> None:
        self._idle: asyncio.Queue[EarProcess] = asyncio.Queue()
        self._all: list[EarProcess] = []
        self._count = 0
        self._tasks: set[asyncio.Task] = set()

    async def warm(self) -> None:
        """Start the first decoder. Raises ServiceError when it cannot be loaded."""
        self._count += 1
        await self._grow()

    async def lend(self) -> EarProcess:
        """A free decoder, first come first served."""
        while True:
            if self._idle.empty() and self._count < MAX_EARS:
                self._count += 1
                self._in_background(self._grow())
            ear = await self._idle.get()
            if ear.alive:
                return ear
            self.give_back(ear)

    def give_back(self, ear: EarProcess, in_utterance: bool = False) -> None:
        if ear.alive and not in_utterance:
            self._idle.put_nowait(ear)
        else:
            self._in_background(self._recover(ear))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(ear.stop() for ear in self._all))

    async def _grow(self) -> None:
        try:
            ear = await EarProcess.start()
        except BaseException:
            self._count -= 1
            raise
        self._all.append(ear)
        self._idle.put_nowait(ear)

    async def _recover(self, ear: EarProcess) -> None:
        """End what an abandoned decoder was hearing; one that has died is replaced."""
        if ear.alive:
            with suppress(ServiceError):
                await ear.ask(b"E")
        if ear.alive:
            self._idle.put_nowait(ear)
        else:
            logger.warning("A decoder process has ended; another one takes its place")
            self._all.remove(ear)
            await ear.stop()
            await self._grow()

    def _in_background(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            logger.error("%s", task.exception())
