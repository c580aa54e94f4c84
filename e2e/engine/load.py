"""How many devices there are, and when each of them begins."""

import re
from dataclasses import dataclass, replace

from e2e.errors import ScenarioError

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)?")
_UNITS = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "h": 3600.0}


def seconds(duration: str | float) -> float:
    """Seconds in `"250ms"`, `"30s"`, `"2m"`, `"1h"` or a number.

    Raises:
        ScenarioError: none of these.
    """
    if isinstance(duration, int | float):
        return float(duration)
    match = _DURATION.fullmatch(duration.strip())
    if match is None:
        raise ScenarioError(f"not a duration: {duration!r}; write it as 250ms, 30s, 2m or 1h")
    return float(match[1]) * _UNITS[match[2]]


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
        return cls(count, seconds(ramp))

    @classmethod
    def none(cls) -> "Load":
        """No device: all that the scenario does is done once, before the load."""
        return cls(0)

    def with_users(self, count: int | None) -> "Load":
        return self if count is None else replace(self, count=count)

    def starts(self) -> list[float]:
        """When each device begins, in seconds from the start of the load."""
        return [n * self.ramp / self.count for n in range(self.count)]
