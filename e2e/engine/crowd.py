"""The devices of a load at work: begun and ended on time, each alone, each ended politely.

A device costs one task, the one that runs its script. Nothing polls it: it says itself when it has ended.
"""

import asyncio
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
        self._play, self._journal, self._clock, self._seed = play, journal, clock, seed
        self._loop = asyncio.get_running_loop()
        self._wanted: set[int] = set()
        self._places: dict[int, _Life] = {}
        self._lives: dict[int, int] = {}
        self._tasks: dict[asyncio.Task[None], _Life] = {}
        self._over = False
        self._in_batch = 0
        # Done when all have ended after the load is over, or with what must end the run.
        self._end: asyncio.Future[None] = self._loop.create_future()
        counts.open = load.open

    async def run(self) -> None:
        """Returns when the load is over and every device has ended. Cancelled, it ends all devices first.

        Raises:
            whatever `play` raised first.
        """
        try:
            await self._follow()
            self._over = True
            if self._tasks:
                await self._end
        finally:
            self._over = True
            self._write_arrivals()
            # Sessions close politely on their way out. Being cancelled once more cancels them once more.
            while lives := tuple(self._tasks.values()):
                for life in lives:
                    life.leave()
                await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self) -> None:
        origin = self._clock()
        for change in self.load.changes(self._seed):
            await self._until(origin + change.at)
            if change.begins:
                self._want(change.place)
            else:
                self._finish(change.place, "stage")
        if self.load.length is not None:
            await self._until(origin + self.load.length)
        if self.load.again:
            self._over = True
            for place in tuple(self._places):
                await self._until(0.0)
                self._finish(place, "load over")

    async def _until(self, instant: float) -> None:
        """Wait for an instant; behind time, let the others have their turn now and then."""
        behind = self._clock() - instant
        self._in_batch += 1
        if behind >= 0 and self._in_batch < BATCH:
            return
        self._in_batch = 0
        await asyncio.wait((self._end,), timeout=max(-behind, TICK_SECONDS) if behind < 0 else 0)
        if self._end.done():
            self._end.result()

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
        life_number = 0
        if self.load.again:  # a place of a load without end is used once, and need not be remembered
            life_number = self._lives.get(place, 0)
            self._lives[place] = life_number + 1
        device = self.load.device(place, life_number)
        task = self._loop.create_task(self._play(device))
        life = _Life(place, device, self._clock(), task)
        self._places[place] = self._tasks[task] = life
        seconds = self.load.life(self._seed, device)
        if seconds is not None:
            life.ender = self._loop.call_later(max(seconds, AGAIN_SECONDS), self._churn, life)
        self.counts.started += 1
        task.add_done_callback(self._ended)

    def _churn(self, life: _Life) -> None:
        """A device has lived its time: a new one begins in its place, while it says good-bye."""
        if self._places.get(life.place) is life:
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
        if self._over and not self._tasks and not self._end.done():
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
