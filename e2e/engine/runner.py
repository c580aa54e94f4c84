"""One run from first to last: boot, services alone, load, drain, stop. What happened goes to the journal only."""

import asyncio
import functools
import itertools
import os
import platform
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from e2e import __version__
from e2e.clients.outlet import DirectOutlet, Outlet
from e2e.clients.session import Link, pace_name
from e2e.clients.timing import Clock
from e2e.engine.crowd import Counts, Crowd
from e2e.engine.device import Device
from e2e.engine.gate import Gate
from e2e.engine.health import Health
from e2e.engine.heap import freeze_more, frozen_heap
from e2e.engine.limits import most_devices, raise_limits
from e2e.engine.options import Options
from e2e.engine.pacer import Pacer
from e2e.engine.scenario import Scenario, where
from e2e.engine.tapes import Tapes
from e2e.engine.target import Target, TargetConfig
from e2e.engine.watch import LogWatch
from e2e.errors import E2EError, ServiceError, SessionError, UsageError
from e2e.observe.launcher import Services
from e2e.record.journal import SCHEMA, Journal
from e2e.record.rundir import RunDirectory
from e2e.verdict.expect import Expectation, conversation_completed, conversation_stored

SETTLE_SECONDS = 5.0
"""After the ramp, until the devices have what they need for the rest of their lives."""

LAST_LOOKS = 8
"""So many devices that the load has ended read their conversations at a time: all would be a load of their own."""

MANY = sys.maxsize
"""More devices than one: each user has a number."""


class Run:
    """Runs a scenario against a target, once. `interrupt()` ends it early and politely."""

    def __init__(
        self,
        scenario: Scenario,
        target: TargetConfig,
        options: Options,
        directory: RunDirectory,
        journal: Journal,
        clock: Clock = time.monotonic,
        outlet: Outlet | None = None,
    ) -> None:
        self._outlet = outlet or DirectOutlet()
        self.scenario, self.config, self.options = scenario, target, options
        self._directory, self._journal, self._clock = directory, journal, clock
        self._script = functools.partial(scenario.function, **scenario.settings(options.settings))
        self._load, self._device_options = options.applied_to(scenario.load)
        self._counts = Counts()
        specs = target.services(scenario.services)
        self._services = Services(specs, journal, directory.logs, clock, probe=options.probe)
        self._watch = LogWatch(journal, scenario.drain)
        self._numbers = itertools.count(1)
        self._looking = 0
        self._task: asyncio.Task[None] | None = None
        self.preface: Sequence[tuple[str, dict[str, Any]]] = ()
        """Records to say right after the first one: notes, and the run that this one will be compared with."""
        self.crowd: Crowd | None = None
        """The devices, while the load lasts: to finish it, pause it or change it by hand."""
        self._finished = False

    def add_devices(self, devices: int, by: str) -> None:
        """More devices, or fewer, while the load lasts; no more than this machine can carry."""
        if self.crowd is not None:
            room = most_devices(raise_limits()) - self._counts.planned
            self.crowd.add(int(min(devices, max(0, room))), by)

    def interrupt(self) -> None:
        """End the run: sessions close, services stop, the journal says `interrupted`.

        Once more cancels what does not want to end, such as a script that goes on in its `finally`.
        """
        if self._task is not None:
            self._task.cancel()

    async def execute(self) -> None:
        """Run everything. Whatever goes wrong with the target is in the journal, not raised.

        Raises:
            UsageError: the script or the configuration asked for something that cannot be done.
        """
        self._journal.write("run", **self._opening())
        for kind, fields in self.preface:
            self._journal.write(kind, **fields)
        self._task = asyncio.create_task(self._phases())
        end: dict[str, Any] = {"reason": "complete", "error": None}
        try:
            with frozen_heap():
                await self._task
            if self._finished:
                end["reason"] = "finished"
        except asyncio.CancelledError:
            end["reason"] = "interrupted"
        except Exception as problem:
            end = {"reason": "error", "error": str(problem) or repr(problem)}
            if isinstance(problem, E2EError):
                end["exit_code"] = int(problem.exit_code)
            if not isinstance(problem, ServiceError):
                raise
        finally:
            await self._stop()
            self._journal.write("end", **end)
            self._journal.flush()

    # Phases

    async def _phases(self) -> None:
        options = self.options
        pacer = Pacer(self._clock, options.speed, seed=options.seed, aligned=options.aligned, outlet=self._outlet)
        link = self._link(pacer)
        target = Target(self.config, link, self._next_sid, self._directory.run_id)
        health = asyncio.create_task(
            Health(self._journal, pacer, self._clock, link.roster, self._services.resources, self._counts).run()
        )
        try:
            async with self._phase("boot"):
                await self._services.start()
            if self.scenario.before:
                async with self._phase("services"):
                    for step in self.scenario.before:
                        await self._guard(step, target)
            if self._load.count:
                async with self._phase("stream"):
                    await self._stream(target, link)
                async with self._phase("drain", users=self._watch.owed):
                    await self._watch.drain(self._clock)
        finally:
            await target.receiver.stop()
            health.cancel()
            await asyncio.gather(health, return_exceptions=True)

    async def _stream(self, target: Target, link: Link) -> None:
        crowd = Crowd(
            self._load,
            lambda number: self._device(number, target, link),
            self._journal,
            self._clock,
            self._counts,
            self.options.seed,
        )
        freeze = asyncio.get_running_loop().call_later(self._load.settled + SETTLE_SECONDS, freeze_more)
        self.crowd = crowd
        try:
            await crowd.run()
        finally:
            self.crowd, self._finished = None, crowd.finished
            freeze.cancel()

    def _device(self, number: int, target: Target, link: Link) -> Coroutine[Any, Any, None]:
        """What a device will do. Each coroutine less around it saves memory, times the number of devices."""
        devices = MANY if self._load.numbered or number else 1
        device = Device(number, devices, target, link, self._device_options, self._watch, self._next_sid)
        return self._guard(self._script, device)

    async def _guard(self, work: Callable[[Any], Awaitable[None]], subject: Device | Target) -> None:
        """Let one device, or one step, fail alone. Its sessions have journalled what went wrong."""
        try:
            await work(subject)
        except asyncio.CancelledError as end:
            if any(end.args) and isinstance(subject, Device):  # the load says why; an interrupt has no time
                await self._last_look(subject)
            raise
        except SessionError:
            pass
        except UsageError as error:
            # Its author can do something where the script asks for it.
            place = where(error, self.scenario.script)
            inside = place.startswith(f"{self.scenario.script}:")
            raise type(error)(f"{place}: {error}" if inside else str(error)) from error
        except E2EError as error:
            self._journal.write("note", text=str(error))
        except (Exception, SystemExit) as error:
            detail = f"{type(error).__name__}: {error} (at {where(error, self.scenario.script)})"
            who = subject.uid if isinstance(subject, Device) else None
            self._journal.write("check", name="script", status="fail", detail=detail, device=who)

    async def _last_look(self, device: Device) -> None:
        """See what is stored of a device that the load has ended, if that is wanted of the run."""
        if self._looking < LAST_LOOKS and conversation_stored() in self.scenario.expect:
            self._looking += 1
            try:
                await device.last_conversation()
            except E2EError as error:
                self._journal.write("note", text=str(error))
            finally:
                self._looking -= 1

    async def _stop(self) -> None:
        async with self._phase("stop"):
            try:
                await self._services.stop()
            except ServiceError as error:
                self._journal.write("note", text=str(error))
        self._watch.close()

    @asynccontextmanager
    async def _phase(self, name: str, **known: Any) -> AsyncIterator[None]:
        self._services.set_phase(name)
        self._journal.write("phase", phase=name, state="begin", **known)
        self._journal.flush()
        try:
            yield
        finally:
            self._journal.write("phase", phase=name, state="end")
            self._journal.flush()

    # Parts

    def _link(self, pacer: Pacer) -> Link:
        return link_to(self.config, self._device_options, self._journal, pacer, self._clock, self._waits)

    @property
    def _waits(self) -> bool:
        return self.options.wait_conversation or self.scenario.wait_conversation

    def _expectations(self) -> list[Expectation]:
        """Those of the script, and what waiting for the conversation is for."""
        expected = [self.config.adapted(expectation) for expectation in self.scenario.expect]
        if self._waits and conversation_completed() not in expected:
            expected.append(conversation_completed())
        wanted = self.options.no_regression
        if wanted is not None and any(kind == "baseline" for kind, _ in self.preface):
            expected = [e for e in expected if e.check != wanted.check] + [wanted]
        return expected

    def _next_sid(self) -> str:
        return f"s{next(self._numbers)}"

    def conditions(self) -> dict[str, Any]:
        """What is run, as far as it decides what is measured."""
        return {
            "scenario": self.scenario.name,
            "target": self.config.journalled(),
            "options": self.options.journalled()
            | {
                "users": self._load.count,
                "ramp": self._load.ramp,
                "load": self._load.journalled(),
                "pace": pace_name(self.options.speed),
            },
        }

    def _opening(self) -> dict[str, Any]:
        scenario = self.scenario
        return {
            **self.conditions(),
            "schema": SCHEMA,
            "run_id": self._directory.run_id,
            "version": __version__,
            "title": scenario.title,
            "started": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "command": list(self.options.command),
            "services": list(scenario.services),
            "drain": {
                "event": scenario.drain.event,
                "required": scenario.drain.required,
                "at_most_s": scenario.drain.at_most,
            },
            "expectations": [expectation.to_dict() for expectation in self._expectations()],
            "environment": environment()
            | {"loop": type(asyncio.get_running_loop()).__module__.partition(".")[0], "outlet": self._outlet.name},
        }


def link_to(
    target: TargetConfig,
    options: Options,
    journal: Journal,
    pacer: Pacer,
    clock: Clock,
    wait_conversation: bool = False,
) -> Link:
    """What sessions with a target are given."""
    anchor = time.time() - clock()
    return Link(
        journal=journal,
        pacer=pacer,
        clock=clock,
        wall=lambda instant: anchor + instant,
        throttle=Gate(target.connect_rate),
        tape=Tapes(journal, options).load,
        allowed_hosts=target.allowed_hosts,
        connect_timeout=target.connect_timeout,
        ready_timeout=target.ready_timeout,
        timers=1.0 if target.timers is None else target.timers,
        wait_conversation=wait_conversation,
    )


def environment() -> dict[str, Any]:
    """What a reader needs to know of the machine and the versions, and nothing that names its owner."""
    packages = {}
    for name in ("websockets", "numpy", "soundfile", "soxr", "msgspec", "uvloop", "uvicorn", "fastapi", "pocketsphinx"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "implementation": sys.implementation.name,
        "packages": packages,
    }
