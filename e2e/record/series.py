"""What happened when, in constant memory: a series of mergeable values whose step doubles when it gets too long."""

from collections.abc import Callable, Iterator
from typing import Generic, Protocol, Self, TypeVar


class Mergeable(Protocol):
    def merge(self, other: Self) -> Self: ...


T = TypeVar("T", bound=Mergeable)


class Series(Generic[T]):
    """One value of `make()` for each step of time in which something was seen.

    `step` is in seconds. As soon as a time needs more than `limit` steps, each two neighbours are merged and the step
    doubles: nothing is lost but the resolution.
    """

    __slots__ = ("_make", "limit", "points", "step")

    def __init__(self, make: Callable[[], T], step: float = 1.0, limit: int = 320) -> None:
        self._make = make
        self.step = step
        self.limit = limit
        self.points: dict[int, T] = {}

    def at(self, t: float) -> T:
        """The value that collects what happened at `t` seconds; times before 0 count as 0."""
        index = int(t // self.step) if t > 0 else 0
        while index >= self.limit:
            self._double()
            index >>= 1
        value = self.points.get(index)
        if value is None:
            value = self.points[index] = self._make()
        return value

    def _double(self) -> None:
        old, self.points = self.points, {}
        self.step *= 2
        for index, value in old.items():
            kept = self.points.get(index >> 1)
            self.points[index >> 1] = value if kept is None else kept.merge(value)

    def total(self) -> T:
        """Everything of all steps as one value."""
        total = self._make()
        for value in self.points.values():
            total.merge(value)
        return total

    def __iter__(self) -> Iterator[tuple[float, T]]:
        """Beginnings of the steps in seconds, and their values, in order of time."""
        return ((index * self.step, self.points[index]) for index in sorted(self.points))

    def __len__(self) -> int:
        return len(self.points)
