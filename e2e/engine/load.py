"""How many devices there are, and when each of them begins."""

from dataclasses import dataclass, replace

from e2e.durations import seconds
from e2e.errors import ScenarioError


@dataclass(frozen=True, slots=True)
class Load:
    """A closed load: a number of devices that begin evenly spread over `ramp` seconds and each play once."""

    count: int
    ramp: float = 0.0

    @classmethod
    def users(cls, count: int, ramp: str | float = 0.0) -> "Load":
        """`count` devices, the first at once, the others spread over `ramp` (`"10s"`).

        Raises:
            ScenarioError: a negative count, or `ramp` is no duration.
        """
        if count < 0:
            raise ScenarioError(f"a load cannot have {count} users")
        return cls(count, seconds(ramp) if ramp else 0.0)

    @classmethod
    def none(cls) -> "Load":
        """No device: all that the scenario does is done once, before the load."""
        return cls(0)

    def with_users(self, count: int | None) -> "Load":
        return self if count is None else replace(self, count=count)

    def starts(self) -> list[float]:
        """When each device begins, in seconds from the start of the load."""
        return [n * self.ramp / self.count for n in range(self.count)]
