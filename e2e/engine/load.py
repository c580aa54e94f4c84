"""How many devices there are, and when each of them begins and ends: data, and pure functions of it and a seed."""

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from e2e.durations import seconds
from e2e.engine.curve import Curve, crossings, fill_times
from e2e.errors import ScenarioError

AT_MOST = 1000
"""How many devices of an open load may be at work at once, unless it says otherwise."""

Model = Literal["users", "stages", "spike", "soak", "arrivals"]


class Change(NamedTuple):
    """At `at` seconds of the load, a device begins in `place`, or the one that is there ends."""

    at: float
    place: int
    begins: bool


@dataclass(frozen=True, slots=True)
class Load:
    """Made by the class methods below. Durations are `"90s"`, `"2m"`, or seconds as a number.

    `users` and open loads (`arrivals`): each device plays the scenario once. The other closed loads have places: while
    a place is wanted, a device whose script has ended is followed there by a new one.

    `count` is the most devices at once. `curve` is the number of places, or of arrivals a second, over time. `length`
    in seconds: closed loads end then, open ones let no more arrive. `churn` is the mean life of a device in seconds.
    """

    count: int
    ramp: float = 0.0
    model: Model = "users"
    curve: Curve = ()
    length: float | None = None
    churn: float | None = None
    jitter: bool = False

    # Closed loads

    @classmethod
    def users(cls, count: int, ramp: str | float = 0.0) -> "Load":
        """`count` devices that each play once, the first at once, the others spread over `ramp` (`"10s"`).

        Raises:
            ScenarioError: a negative count, or `ramp` is no duration. Of the others too: a number or a duration that
                makes no sense.
        """
        return cls(_whole(count, "users"), _span(ramp))

    @classmethod
    def none(cls) -> "Load":
        """No device: all that the scenario does is done once, before the load."""
        return cls(0)

    @classmethod
    def stages(cls, *stages: tuple[str | float, int]) -> "Load":
        """Straight ramps from target to target: `Load.stages(("30s", 100), ("2m", 500), ("30s", 0))`."""
        return cls._closed("stages", _points([(_span(d), _whole(n, "devices")) for d, n in _pairs(stages)]))

    @classmethod
    def spike(
        cls,
        base: int,
        peak: int,
        after: str | float = "1m",
        lasting: str | float = "30s",
        total: str | float = "3m",
    ) -> "Load":
        """`base` devices for `total`; `after` a while, as many more as make `peak`, all at once, `lasting` a while."""
        before, during, length = _span(after), _span(lasting), seconds(total)
        if before + during > length:
            raise ScenarioError(f"a spike after {after} that lasts {lasting} does not fit into {total}")
        low, high = _whole(base, "devices"), _whole(peak, "devices")
        stages = [(0.0, low), (before, low), (0.0, high), (during, high), (0.0, low)]
        return cls._closed("spike", _points([*stages, (length - before - during, low)]))

    @classmethod
    def soak(
        cls, count: int, duration: str | float = "8h", churn: str | float | None = "10m", ramp: str | float = 0.0
    ) -> "Load":
        """`count` devices for `duration`. Each lives for a random while, `churn` on average, then a new one begins."""
        rise, length = _span(ramp), seconds(duration)
        if rise >= length:
            raise ScenarioError(f"a ramp of {ramp} does not fit into a soak of {duration}")
        points = _points([(rise, _whole(count, "users")), (length - rise, count)])
        load = cls._closed("soak", points)
        return replace(load, ramp=rise, churn=None if churn is None else seconds(churn))

    @classmethod
    def _closed(cls, model: Model, curve: Curve) -> "Load":
        most = int(max(level for _, level in curve))
        if not most:
            raise ScenarioError(f"a load of {model} without any device; give it a number above 0")
        return cls(most, model=model, curve=curve, length=curve[-1][0])

    # Open loads

    @classmethod
    def arrivals(cls, rate: float, duration: str | float, at_most: int = AT_MOST, jitter: bool = False) -> "Load":
        """`rate` new devices a second for `duration`: evenly spaced, or with `jitter` at random (a Poisson process).

        One that would be more than `at_most` devices at once is dropped, and counted.
        """
        return cls._open(((0.0, _rate(rate)), (seconds(duration), _rate(rate))), at_most, jitter)

    @classmethod
    def ramping_arrivals(
        cls, *stages: tuple[str | float, float], at_most: int = AT_MOST, jitter: bool = False
    ) -> "Load":
        """Rates that change in straight ramps: `Load.ramping_arrivals(("1m", 5), ("2m", 50), at_most=500)`."""
        return cls._open(_points([(_span(d), _rate(r)) for d, r in _pairs(stages)]), at_most, jitter)

    @classmethod
    def _open(cls, curve: Curve, at_most: int, jitter: bool) -> "Load":
        if not any(level for _, level in curve):
            raise ScenarioError("a load of arrivals at a rate of 0; give it a rate above 0")
        if not _whole(at_most, "devices"):
            raise ScenarioError("at_most is 0: no device could ever begin")
        return cls(at_most, model="arrivals", curve=curve, length=curve[-1][0], jitter=jitter)

    # What follows from it

    @property
    def open(self) -> bool:
        """Whether devices arrive however many are still at work."""
        return self.model == "arrivals"

    @property
    def again(self) -> bool:
        """Whether a device that has ended is followed by a new one."""
        return self.model in ("stages", "spike", "soak")

    @property
    def numbered(self) -> bool:
        """Whether there may be more than one device in all."""
        return self.count > 1 or self.model != "users"

    @property
    def settled(self) -> float:
        """Seconds after which the load is for the first time at its highest."""
        if self.model == "users":
            return self.ramp
        highest = max(level for _, level in self.curve)
        return next(at for at, level in self.curve if level == highest)

    @property
    def fastest(self) -> float:
        """New devices a second at the height of an open load; 0 for a closed one."""
        return max(level for _, level in self.curve) if self.open else 0.0

    def with_users(self, count: int | None) -> "Load":
        """The same with that many devices.

        Raises:
            ScenarioError: it has no single number of devices.
        """
        if count is None:
            return self
        if self.model == "users":
            return replace(self, count=count)
        if self.model != "soak":
            raise ScenarioError(f"a load of {self.model} has no number of users; say --stage, or --rate")
        return replace(self, count=count, curve=tuple((at, count if level else 0.0) for at, level in self.curve))

    def with_ramp(self, ramp: float | None) -> "Load":
        """The same with its users spread over that many seconds.

        Raises:
            ScenarioError: it is no load of users.
        """
        if ramp is None:
            return self
        if self.model != "users":
            raise ScenarioError(f"--ramp is for a number of users, and this is a load of {self.model}")
        return replace(self, ramp=ramp)

    def lasting(self, length: float) -> "Load":
        """The same, cut off after `length` seconds, or kept up at its last level until then. Not for `users`."""
        at, level = self.curve[-1]
        return replace(self, length=length, curve=(*self.curve, (length, level)) if length > at else self.curve)

    def changes(self, seed: int = 0, worker: int = 0, workers: int = 1) -> Iterator[Change]:
        """All before the load is over, in the order of time; of several workers each gets every n-th place."""
        for change in self._changes(seed):
            if self.length is not None and change.at >= self.length:
                return
            if change.place % workers == worker:
                yield change

    def _changes(self, seed: int) -> Iterator[Change]:
        if self.open:
            marks = _poisson(random.Random(f"{seed}/arrivals")) if self.jitter else itertools.count()
            return (Change(at, n, True) for n, at in enumerate(fill_times(self.curve, marks)))
        return itertools.starmap(Change, crossings(self.curve or ((0.0, 0), (self.ramp, self.count))))

    def starts(self) -> list[float]:
        """When a device begins for the first time in each place, in seconds from the start of the load."""
        return [change.at for change in self.changes() if change.begins]

    def device(self, place: int, life: int) -> int:
        """The number of the device that is the `life`-th (from 0) in a place: no other has it, in whichever order they
        end, and the same run gives the same numbers."""
        return place + life * self.count

    def life(self, seed: int, device: int) -> float | None:
        """How many seconds that device lives; None: until its script ends."""
        return None if self.churn is None else random.Random(f"{seed}/{device}/life").expovariate(1 / self.churn)

    def describe(self) -> str:
        """One line for people."""
        if self.model == "users":
            return f"{self.count} users" + (f", begun within {self.ramp:g} s" if self.ramp else "")
        unit = " a second" if self.open else ""
        steady = len({level for _, level in self.curve}) == 1
        points = self.curve[:1] if steady else self.curve
        path = ", ".join(f"{level:g}{unit}" if steady else f"{at:g} s: {level:g}{unit}" for at, level in points)
        extra = [f"for {self.length:g} s"]
        extra += [f"at most {self.count} at once"] if self.open else []
        extra += ["random intervals"] if self.jitter else []
        extra += [f"each living {self.churn:g} s on average"] if self.churn else []
        return f"{self.model} ({path}), {', '.join(extra)}"

    def journalled(self) -> dict[str, Any]:
        length = self.length
        settled = self.settled if length is None else min(self.settled, length)
        return {
            "model": self.model,
            "text": self.describe(),
            "at_once": self.count,
            "seconds": length,
            "settled": settled,
        }


def _poisson(source: random.Random) -> Iterator[float]:
    return itertools.accumulate(iter(lambda: source.expovariate(1.0), None))


def _points(stages: list[tuple[float, float]]) -> Curve:
    """From stages (how long, to which level) to points, beginning at level 0."""
    ends = itertools.accumulate(length for length, _ in stages)
    return ((0.0, 0.0), *((end, level) for end, (_, level) in zip(ends, stages, strict=True)))


def _pairs(stages: tuple[Any, ...]) -> tuple[tuple[Any, Any], ...]:
    for stage in stages:
        if not isinstance(stage, tuple | list) or len(stage) != 2:
            raise ScenarioError(f'{stage!r} is not a stage; write how long and how many, as ("30s", 100)')
    if not sum(_span(length) for length, _ in stages):
        raise ScenarioError('stages that take no time; write at least one, as ("30s", 100)')
    return stages


def _span(duration: str | float) -> float:
    """Seconds of a duration that may be zero."""
    return 0.0 if duration in (0, "0", "0s") and duration is not False else seconds(duration)


def _whole(count: int, what: str) -> int:
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise ScenarioError(f"a load cannot have {count} {what}; write a whole number from 0 up")
    return count


def _rate(rate: float) -> float:
    if not isinstance(rate, int | float) or isinstance(rate, bool) or not 0 <= rate < math.inf:
        raise ScenarioError(f"a load cannot have {rate} arrivals a second; write a number from 0 up")
    return float(rate)
