"""The devices of a load at work: begun and ended on time, each alone, each ended politely.

A device costs one task, the one that runs its script. Nothing polls it: it says itself when it has ended.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from e2e.clients.timing import Clock
from e2e.engine.load import Load
from e2e.record.journal import Journal

TICK_SECONDS = 0.005
"""How far devices may begin behind their instant, so that thousands a second need no timer each."""

BATCH = 16
"""So many begin in one turn of the event loop at most: whoever sends must not wait for a herd that begins."""

AGAIN_SECONDS = 1.0
"""A place gets a new device at most this often, so that devices that fail at once do not end in a storm."""


@dataclass(slots=True)
class Counts:
    """`planned`: devices that the load asks for now, `active`: at work now. `started`, `dropped`: in all."""

    open: bool = False
    planned: int = 0
    active: int = 0
    started: int = 0
    dropped: int = 0


class _Life:
    """A device at work in a place."""

    __slots__ = ("began", "device", "ender", "leaving", "place", "task")

    def __init__(self, place: int, device: int, began: float, task: asyncio.Task[None]) -> None:
        self.place, self.device, self.began, self.task = place, device, began, task
        self.ender: asyncio.TimerHandle | None = None
        self.leaving = False

    def leave(self, why: str | None = None) -> None:
        """End it, once: a device that is saying good-bye must not be cut short. What its script sees says why."""
        if not self.leaving:
            self.leaving = True
            self.task.cancel(why)


class Crowd:
    """Runs a load once. `play(n)` is what device n does; it raises only what must end the run.

    `counts` is kept up to date. A device that the load ends, not its script, is journalled as `device` `ended`, and its
    CancelledError says why; that of a load which is interrupted says nothing.
    What is done by hand (`finish`, `pause`, `resume`, `add`) is journalled as `control`.
    """

    def __init__(
        self,
        load: Load,
        play: Callable[[int], Coroutine[Any, Any, None]],
        journal: Journal,
        clock: Clock,
        counts: Counts,
        seed: int = 0,
    ) -> None:
        self.load, self.counts = load, counts
        self.finished = False
        self._play, self._journal, self._clock, self._seed = play, journal, clock, seed
        self._loop = asyncio.get_running_loop()
        self._origin = clock()
        self._stopped: float | None = None  # the instant at which the load's time stands still
        self._wanted: set[int] = set()
        self._places: dict[int, _Life] = {}
        self._lives: dict[int, int] = {}
        self._tasks: dict[asyncio.Task[None], _Life] = {}
        self._coming: deque[int] = deque()  # places that are to begin as soon as they may
        self._next_place, self._next_device, self._highest = load.count, 0, -1
        self._last = False  # nothing begins any more but by hand
        self._over = False  # nothing begins any more
        self._in_batch = 0
        self._changed: asyncio.Future[None] = self._loop.create_future()
        # Done when all have ended after the load is over, or with what must end the run.
        self._end: asyncio.Future[None] = self._loop.create_future()
        counts.open = load.open

    async def run(self) -> None:
        """Returns when the load is over and every device has ended. Cancelled, it ends all devices first.

        Raises:
            whatever `play` raised first.
        """
        try:
            self._origin = self._clock()
            await self._follow()
            self._last = True
            if self._tasks or self._coming:
                await self._end
        finally:
            self._last = self._over = True
            self._write_arrivals()
            # Sessions close politely on their way out. Being cancelled once more cancels them once more.
            while lives := tuple(self._tasks.values()):
                for life in lives:
                    life.leave()
                await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self) -> None:
        for change in self.load.changes(self._seed):
            await self._until(change.at)
            if self._over:
                return
            if change.begins:
                self._want(change.place)
            else:
                self._finish(change.place, "stage")
        if self.load.length is not None:
            await self._until(self.load.length)
        if self.load.again and not self._over:
            self._over = True
            self._finish_some("load over")

    async def _until(self, at: float) -> None:
        """Wait for an instant of the load, or until it is finished by hand; behind time, let the others have their turn
        now and then."""
        self._in_batch += 1
        if self._time() >= at and self._in_batch < BATCH and self._stopped is None:
            return
        self._in_batch = 0
        waiting = True
        while waiting and not self._over:
            ahead = at - self._time()
            wait = None if self._stopped is not None else max(ahead, TICK_SECONDS) if ahead > 0 else 0
            done, _ = await asyncio.wait((self._end, self._changed), timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            if self._end.done():
                self._end.result()
            waiting = bool(done)

    def _time(self) -> float:
        """Seconds since the load began, without those in which its time stood still."""
        return (self._clock() if self._stopped is None else self._stopped) - self._origin

    # By hand

    @property
    def paused(self) -> bool:
        return self._stopped is not None

    @property
    def may_pause(self) -> bool:
        """Whether devices are still to begin by themselves."""
        return not self._last and not self._over

    @property
    def may_add(self) -> bool:
        """Whether the number of devices is the load's to decide."""
        return not self.load.open and not self._over

    def finish(self, by: str) -> None:
        """End the load now, as its time ends it: no device begins any more, each at work is ended politely."""
        if self._over:
            return
        self.finished = self._last = self._over = True
        self._stopped = None
        self._coming.clear()
        self._control("finish", by)
        self._wake()
        self._finish_some("finished by hand")

    def pause(self, by: str) -> None:
        """No device begins, and the load's time stands still. Who is at work stays, if need be beyond its life."""
        if self.may_pause and self._stopped is None:
            self._stopped = self._clock()
            self._control("pause", by)
            self._wake()

    def resume(self, by: str) -> None:
        """What was to begin meanwhile begins now; the rest of the load is as much later."""
        if self._stopped is None:
            return
        self._origin += self._clock() - self._stopped
        self._stopped = None
        self._control("resume", by)
        self._begin_some()
        self._wake()

    def add(self, devices: int, by: str) -> None:
        """So many more devices, or fewer: the newest end, one stays. From then on devices are numbered as they begin.

        It holds until the load itself changes the number again.
        """
        if not self.may_add or not devices:
            return
        self._next_device = max(1, self._next_device, self._highest + 1)
        places = range(self._next_place, self._next_place + max(0, devices))
        gone = sorted(self._wanted)[max(1, len(self._wanted) + devices) :] if devices < 0 else []
        if not places and not gone:
            return
        self._next_place += len(places)
        self._wanted.update(places)
        for place in gone:
            self._finish(place, "fewer users")
        self._control("users", by, change=len(places) - len(gone))
        self._coming.extend(places)
        self._begin_some()

    def _control(self, what: str, by: str, **fields: int) -> None:
        self._count()
        self._journal.write("control", what=what, by=by, users=len(self._wanted), **fields)

    def _wake(self) -> None:
        changed, self._changed = self._changed, self._loop.create_future()
        changed.set_result(None)

    # Begin and end

    def _want(self, place: int) -> None:
        if self.load.open and len(self._tasks) >= self.load.count:
            self.counts.dropped += 1
            return
        self._wanted.add(place)
        self._begin(place)
        self._count()

    def _begin(self, place: int) -> None:
        if self._over or place in self._places or place not in self._wanted:
            return
        if self._stopped is not None:
            self._coming.append(place)
            return
        device = self._number(place)
        task = self._loop.create_task(self._play(device))
        life = _Life(place, device, self._clock(), task)
        self._places[place] = self._tasks[task] = life
        seconds = self.load.life(self._seed, device)
        if seconds is not None:
            life.ender = self._loop.call_later(max(seconds, AGAIN_SECONDS), self._churn, life)
        self.counts.started += 1
        task.add_done_callback(self._ended)

    def _number(self, place: int) -> int:
        """The number of the device that begins there."""
        if self._next_device:
            device, self._next_device = self._next_device, self._next_device + 1
            return device
        life_number = 0
        if self.load.again:  # a place of a load without end is used once, and need not be remembered
            life_number = self._lives.get(place, 0)
            self._lives[place] = life_number + 1
        device = self.load.device(place, life_number)
        self._highest = max(self._highest, device)
        return device

    def _begin_some(self) -> None:
        """What is to come, a batch in each turn of the event loop."""
        if self._stopped is not None:
            return
        for _ in range(min(BATCH, len(self._coming))):
            self._begin(self._coming.popleft())
        self._count()
        if self._coming:
            self._loop.call_soon(self._begin_some)
        self._look_at_end()

    def _finish_some(self, why: str) -> None:
        """All that are at work, a batch in each turn of the event loop."""
        for place in tuple(itertools.islice(self._places, BATCH)):
            self._finish(place, why)
        if self._places:
            self._loop.call_soon(self._finish_some, why)

    def _churn(self, life: _Life) -> None:
        """A device has lived its time: a new one begins in its place, while it says good-bye."""
        if self._stopped is not None:
            life.ender = self._loop.call_later(AGAIN_SECONDS, self._churn, life)
        elif self._places.get(life.place) is life:
            self._leave(life, "life over")
            self._begin(life.place)
            self._count()

    def _finish(self, place: int, why: str) -> None:
        self._wanted.discard(place)
        life = self._places.get(place)
        if life is not None:
            self._leave(life, why)
        self._count()

    def _leave(self, life: _Life, why: str) -> None:
        del self._places[life.place]
        self._journal.write("device", device=life.device, event="ended", why=why)
        life.leave(why)

    def _ended(self, task: asyncio.Task[None]) -> None:
        life = self._tasks.pop(task)
        if life.ender is not None:
            life.ender.cancel()
        problem = None if task.cancelled() else task.exception()
        if problem is not None and not self._end.done():
            self._end.set_exception(problem)
            self._end.exception()  # seen: a load that is being interrupted waits for it no more
        if self._places.get(life.place) is life:
            del self._places[life.place]
            if not self.load.again:
                self._wanted.discard(life.place)
            elif not self._over:
                wait = life.began + AGAIN_SECONDS - self._clock()
                self._loop.call_later(max(0.0, wait), self._begin_again, life.place)
        self._count()
        self._look_at_end()

    def _look_at_end(self) -> None:
        if self._last and not self._tasks and not self._coming and not self._end.done():
            self._end.set_result(None)

    def _begin_again(self, place: int) -> None:
        self._begin(place)
        self._count()

    def _count(self) -> None:
        self.counts.planned, self.counts.active = len(self._wanted), len(self._places)

    def _write_arrivals(self) -> None:
        write_arrivals(self._journal, self.counts)


def write_arrivals(journal: Journal, counts: Counts) -> None:
    """How many devices of an open load have begun, and how many found no room, since it began."""
    if counts.open:
        journal.write("arrivals", started=counts.started, dropped=counts.dropped)
