"""The process behind `--web`: follows the journal, and serves the report as it would be if the run ended now.

Every record is folded once, as it comes. To show what is known, the process forks: the copy closes what is still open,
judges it, and writes the page into a pipe, while the original goes on as if nothing had been looked at. Nobody who
watches costs the run more than that, and it is done only while somebody watches.

Run as `python -m e2e.cli.webserver FD RUN`: the socket that listens, and the run directory. What it is told comes on
standard input, whose end is the end of the run.
"""

import asyncio
import contextlib
import gc
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import h11
import msgspec

from e2e.cli.web import ENDED, HOST
from e2e.clients.serving import Answer, Read, Refused, Server
from e2e.record.journal import Follower
from e2e.record.rundir import RunDirectory
from e2e.report.live import LiveReport, content
from e2e.report.page import render_live
from e2e.report.view import build_view
from e2e.report.write import FILES

EVERY_SECONDS = 2.0
"""Between two pages, for whoever watches; longer where one takes long to make: at most a tenth of a core is used."""

_SHARE = 10
_FOLLOW_SECONDS, _FOLLOW_BYTES = 0.5, 1024 * 1024
_BEAT_SECONDS = 15.0  # after which a silent stream says that it is still there
_LAST_SECONDS = 2.0  # in which those who watch must have taken the final report
_NICE = 10

_NAMES = frozenset({HOST, "localhost", "[::1]"})
"""By which a browser may have found us. Under another name, some page made it look here (DNS rebinding)."""

_HEADERS = [
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
]


class Watched:
    """What is known of the run, and who wants to see it."""

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._journal = Follower(run.journal)
        self._report = LiveReport(run)
        self._news = asyncio.Condition()
        self._asked = asyncio.Event()
        self._number, self._name, self._told = 0, "report", b""
        self._watchers, self._fresh = 0, False
        self._copy: int | None = None

    # -- following ---------------------------------------------------------------------------------------------

    async def follow(self) -> None:
        """Fold what comes, until cancelled."""
        while True:
            self._report.take(self._journal.new(_FOLLOW_BYTES))
            await asyncio.sleep(0 if self._journal.behind else _FOLLOW_SECONDS)

    async def publish(self) -> None:
        """Make the page anew as long as anybody wants it, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._asked.wait()
            began = loop.time()
            t = self._report.t
            told = await self._made()
            if "problem" in told:
                problem = f"the report of {t:.0f} s could not be made: {told['problem']}"
                await self._tell("problem", {"state": problem})
            else:
                await self._tell("report", told | {"state": f"live, as of {t:.1f} s"})
            if not self._watchers:
                self._asked.clear()
            self._fresh = True
            await asyncio.sleep(max(EVERY_SECONDS, _SHARE * (loop.time() - began)))
            self._fresh = False

    async def end(self) -> None:
        """Show the report that the run has written, and wait for those who watch to have it."""
        summary = json.loads((self._run.path / FILES["json"]).read_text(encoding="utf-8"))
        await self._tell("ended", content(build_view(summary)) | {"state": "the run has ended"})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_SECONDS):
                async with self._news:
                    await self._news.wait_for(lambda: not self._watchers)

    async def fail(self, problem: str) -> None:
        await self._tell("problem", {"state": f"the run can be followed no more: {problem}"})

    def _end_copy(self) -> None:
        """Whether it has written all or not."""
        pid, self._copy = self._copy, None
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    async def _tell(self, name: str, what: dict[str, Any]) -> None:
        async with self._news:
            self._number, self._name, self._told = self._number + 1, name, msgspec.json.encode(what)
            self._news.notify_all()

    async def _made(self) -> dict[str, Any]:
        """The page as a copy of this process makes it."""
        reading, writing = os.pipe()
        self._copy = os.fork()
        if not self._copy:
            os.close(reading)
            _make(self._report, self._journal.position, writing)
        os.close(writing)
        try:
            return msgspec.json.decode(await _read(reading))
        except msgspec.DecodeError:
            return {"problem": "its process ended early"}
        finally:
            self._end_copy()

    # -- serving -----------------------------------------------------------------------------------------------

    async def answer(self, request: h11.Request, read: Read) -> Answer:
        """`/` is the page, `/events` what replaces its content. There is nothing else."""
        await read()
        host = next((value.decode("ascii", "replace") for name, value in request.headers if name == b"host"), "")
        if host.rpartition(":")[0] not in _NAMES and host not in _NAMES:
            raise Refused(421, "not the name of this machine")
        if request.method != b"GET":
            raise Refused(405, "only GET")
        path = request.target.partition(b"?")[0]
        if path == b"/":
            told = await self._page()
            page = render_live(told.get("title", "a run"), told.get("html", ""), told["state"])
            return Answer(page.encode("utf-8", "backslashreplace"), "text/html; charset=utf-8", headers=_HEADERS)
        if path == b"/events":
            return Answer(content_type="text/event-stream", headers=_HEADERS, stream=self._events())
        raise Refused(404, "no such page")

    async def _page(self) -> dict[str, Any]:
        """The latest; one that is old is made anew."""
        if not self._fresh and self._name != "ended":
            self._asked.set()
            await self._news_after(self._number)
        return msgspec.json.decode(self._told)

    async def _news_after(self, number: int) -> None:
        async with self._news:
            await self._news.wait_for(lambda: self._number > number)

    async def _events(self) -> AsyncIterator[bytes]:
        self._watchers += 1
        self._asked.set()
        seen = 0
        try:
            yield b"retry: 2000\n\n"
            while self._name != "ended" or seen < self._number:
                try:
                    async with asyncio.timeout(_BEAT_SECONDS):
                        await self._news_after(seen)
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                seen = self._number
                yield b"event: %s\ndata: %s\n\n" % (self._name.encode(), self._told)
        finally:
            self._watchers -= 1
            async with self._news:
                self._news.notify_all()


def _make(report: LiveReport, position: int, writing: int) -> None:
    """In the copy: write the page into the pipe, and be gone."""
    try:
        gc.disable()
        try:
            told = report.content(position)
        except Exception as error:
            told = {"problem": repr(error)[:500]}
        with open(writing, "wb") as pipe:
            pipe.write(msgspec.json.encode(told))
    finally:
        os._exit(0)


async def _read(reading: int) -> bytes:
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    with os.fdopen(reading, "rb") as pipe:
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        return await reader.read()


async def serve(listening: socket.socket, run: RunDirectory) -> None:
    """Until standard input ends."""
    loop, orders = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin.buffer)
    watched = Watched(run)
    render_live("", "", "")  # templates are compiled once, not in every copy
    server = Server(watched.answer, lambda refused: None, refusal=Answer(b"not here\n", "text/plain; charset=utf-8"))
    await server.start_on(listening)
    work = [asyncio.create_task(watched.follow()), asyncio.create_task(watched.publish())]
    order = asyncio.create_task(orders.read())
    try:
        await asyncio.wait([order, *work], return_when=asyncio.FIRST_COMPLETED)
        for task in work:
            task.cancel()
        for problem in await asyncio.gather(*work, return_exceptions=True):
            if isinstance(problem, Exception):
                await watched.fail(str(problem) or repr(problem))
        if await order == ENDED:
            await watched.end()
    finally:
        await server.stop()


def main() -> None:
    os.setpriority(os.PRIO_PROCESS, 0, _NICE)
    listening = socket.socket(fileno=int(sys.argv[1]))
    # The run's own loop may be another one; what is forked here must be the plain one.
    with asyncio.Runner() as runner:
        runner.run(serve(listening, RunDirectory(Path(sys.argv[2]))))


if __name__ == "__main__":
    main()
