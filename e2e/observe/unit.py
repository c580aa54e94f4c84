"""One service of the target during a run: started or found running, its log read, watched and ended."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from e2e.errors import ServiceError
from e2e.observe.aside import Aside
from e2e.observe.child import Child, Warden
from e2e.observe.exercise import Exercise
from e2e.observe.health import Answer, address, port_taken, probe
from e2e.observe.log import ServiceLog
from e2e.observe.resources import ResourceMeter, Resources
from e2e.observe.sources import CommandSource, FileSource, LogSource
from e2e.observe.spec import ServiceSpec
from e2e.record.journal import Journal

_POLL_SECONDS = 0.1
_RETRY_SECONDS = 0.5


class Unit:
    """Brings up one service and takes it down. `died` is called when a healthy child ends by itself.

    The log is what the target names. Where that is a file or a command, the output of our child is kept beside it,
    in `SERVICE.output.log`: it explains a failed boot, and only import errors that the log lacks are counted, at the
    end of the run.
    """

    def __init__(
        self,
        spec: ServiceSpec,
        journal: Journal,
        logs_dir: Path,
        guard: Warden,
        clock: Callable[[], float],
        died: Callable[[str], None],
        probe: bool = True,
    ) -> None:
        self.spec = spec
        self.log = self._output = ServiceLog(spec.name, journal, logs_dir / f"{spec.name}.log")
        self._aside: Aside | None = None
        if spec.command is not None and spec.log.kind in ("file", "command"):
            self._aside = Aside(journal)
            self._output = ServiceLog(spec.name, self._aside, logs_dir / f"{spec.name}.output.log")
        self._directory = logs_dir
        self._probe = probe
        self._exercise: Exercise | None = None
        self.healthy = False
        self._lost = False
        self._journal = journal
        self._guard = guard
        self._clock = clock
        self._died = died
        self._child: Child | None = None
        self._source: LogSource | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._meter: ResourceMeter | None = None
        self._stopping = False
        self._began = clock()

    async def launch(self) -> None:
        """Start the command, if there is one, and begin to read the log.

        Raises:
            ServiceError: something listens on the port already.
            ConfigError: the command, or the one that reads the log, cannot be started.
        """
        self._began = self._clock()
        await self._open_source()
        if self.spec.command is None:
            return
        host, port = address(self.spec)
        if holder := port_taken(host, port):
            raise ServiceError(
                f"{self.spec.name}: port {port} on {host} is already taken (by {holder}); stop it, "
                f"or take `command` out of the target so that the running service is used"
            )
        command, env = self.spec.command, dict(self.spec.env)
        if self._probe:
            self._exercise = Exercise(self.spec, self._journal, self._directory)
            env |= self._exercise.environment(os.environ | env)
        self._child = await Child.start(command, self._output.take, self._guard, cwd=self.spec.cwd, env=env)
        self._meter = ResourceMeter(self._child.pid, self._clock)
        if self._source is None:
            self.log.names("process", f"process {self._child.pid}")
            self.log.opened()
        place = str(self.spec.cwd or ".")
        self._write("launched", command=[_near(arg) for arg in command], cwd=_near(place), pid=self._child.pid)
        self._watcher = asyncio.create_task(self._watch(self._child))

    async def until_healthy(self, http: httpx.AsyncClient) -> None:
        """Wait until the service answers as it should.

        Raises:
            ServiceError: it ended, or did not answer in time; one that runs already gets a single try.
        """
        if self._child is None:
            answer = await probe(self.spec, http)
            if not answer.healthy:
                raise self._unhealthy(answer, f"nothing answers at {answer.url}" if answer.status is None else "")
            self._say_healthy(answer)
            return
        while True:
            answer = await probe(self.spec, http)
            if self._child.code is not None:
                await self._child.exited.wait()
                self._output.settle()
                raise ServiceError(self._last_words())
            if answer.healthy:
                self._say_healthy(answer)
                return
            if self._clock() - self._began > self.spec.boot_timeout:
                raise self._unhealthy(answer, f"not ready after {self.spec.boot_timeout:g} s at {answer.url}")
            await asyncio.sleep(_POLL_SECONDS)

    async def still_answers(self, http: httpx.AsyncClient) -> None:
        """See after a service that ran already, and say once that it answers no more. A child's end is seen anyway."""
        if self._child is not None or not self.healthy or self._lost:
            return
        for pause in (_RETRY_SECONDS, 0):  # one lost answer of a busy service is no outage
            answer = await probe(self.spec, http)
            if answer.healthy:
                return
            await asyncio.sleep(pause)
        self._lost = True
        self._unhealthy(answer, f"it answers no more at {answer.url}")

    def set_phase(self, phase: str) -> None:
        """What the run does now: the `phase` of the lines and imports from here on."""
        self._look()
        self.log.phase = self._output.phase = phase

    def look_for_imports(self) -> None:
        """Tell the imports that are new; how often the known ones were used is told when the phase ends."""
        self._look(count=False)

    async def stop(self, grace: float) -> None:
        """End the child and what it started, read every log to its end and close it."""
        if self._child:
            # One that ended by itself a moment ago is still told as such by its watcher.
            ran = self._stopping = self._child.code is None
            await self._child.end(grace)
            if self._watcher:
                await asyncio.gather(self._watcher, return_exceptions=True)
            if ran:
                self._write("stopped", pid=self._child.pid, code=self._child.code, seconds=self._seconds())
        if self._exercise:
            exercise, self._exercise = self._exercise, None
            exercise.close(self.log.phase)
        state = "closed"
        if self._source:
            state = await self._source.close()
        elif self._child is None:
            state = "missing"
        if self._aside:
            self._output.close()
            self.log.settle()
            self._aside.tell(but=self.log.told)
        self.log.close(state, **(self._source.figures if self._source else {}))

    def resources(self) -> Resources | None:
        """What the child costs; None where there is none, or it ended."""
        return self._meter.sample() if self._meter and self._child and self._child.code is None else None

    def _look(self, *, count: bool = True) -> None:
        if self._exercise and self._child:
            self._exercise.look(self.log.phase, count=count)

    async def _open_source(self) -> None:
        spec = self.spec.log
        if spec.kind == "file" and spec.path:
            self._source = FileSource(spec.path, self.log.take, self._source_told)
        elif spec.kind == "command" and spec.command:
            self._source = CommandSource(spec.command, self.log.take, self._source_told, self._guard)
        if self._source:
            self.log.names(self._source.kind, self._source.where)
            await self._source.open()

    def _source_told(self, state: str, error: str | None) -> None:
        if state == "open":
            self.log.opened()
        elif not self._stopping:  # a command that follows a service ends with it
            self.log.failed(error or "")

    async def _watch(self, child: Child) -> None:
        await child.exited.wait()
        self._output.settle()
        if self._stopping:
            return
        words = self._last_words()
        self._write("exited", pid=child.pid, code=child.code, seconds=self._seconds(), error=words)
        if self.healthy:
            self._died(words)

    def _say_healthy(self, answer: Answer) -> None:
        self.healthy = True
        health = {"url": answer.url, "status": answer.status, "body": answer.body}
        self._write("healthy", health=health, seconds=self._seconds())

    def _unhealthy(self, answer: Answer, what: str) -> ServiceError:
        error = f"{self.spec.name}: {what or 'the health check failed'}: {answer.error}"
        if self._spoken.lines:
            error += f"; its log says: {self._spoken.last_words()[:300]}"
        health = {"url": answer.url, "status": answer.status, "body": answer.body}
        self._write("unhealthy", health=health, seconds=self._seconds(), error=error)
        hint = (
            "raise boot_timeout, or see its log in the run directory" if self._child else "start it, or correct its URL"
        )
        return ServiceError(f"{error}; {hint}")

    def _last_words(self) -> str:
        """What is known of a child that ended by itself."""
        when = "in mid-run" if self.healthy else "at boot"
        code = self._child.code if self._child else None
        return f"{self.spec.name} ended {when} with code {code}: {self._spoken.last_words()[:500]}"

    @property
    def _spoken(self) -> ServiceLog:
        """Where the last words of the service are: what it printed, else its log."""
        return self._output if self._output.lines else self.log

    def _seconds(self) -> float:
        return round(self._clock() - self._began, 3)

    def _write(self, event: str, **fields: Any) -> None:
        with contextlib.suppress(ValueError):  # the journal was closed before a last child was seen to end
            self._journal.write("service", service=self.spec.name, event=event, url=self.spec.url, **fields)


def _near(argument: str) -> str:
    """A path below the working directory as a person would write it there; anything else as it is."""
    with contextlib.suppress(ValueError):
        return str(Path(argument).relative_to(Path.cwd())) if argument.startswith("/") else argument
    return argument
