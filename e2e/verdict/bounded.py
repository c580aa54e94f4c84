"""Collections that stop growing, and say how much they left out: a soak of hours must be read in constant memory."""

from collections import Counter
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Bounded(Generic[T]):
    """The first `limit` items that were added, and the number of all of them."""

    __slots__ = ("items", "limit", "total")

    def __init__(self, limit: int) -> None:
        self.items: list[T] = []
        self.limit = limit
        self.total = 0

    def add(self, item: T) -> None:
        self.total += 1
        if len(self.items) < self.limit:
            self.items.append(item)

    @property
    def left_out(self) -> int:
        return self.total - len(self.items)

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


class BoundedCounter(Counter[str]):
    """Counts by name; names beyond the first `limit` are counted together as `(other)`.

    Names come from a service (message types, opcodes), so their number is not ours to choose.
    """

    def __init__(self, limit: int = 64) -> None:
        super().__init__()
        self.limit = limit

    def count(self, name: str, times: int = 1) -> None:
        self[name if name in self or len(self) < self.limit else "(other)"] += times
