"""Durations as people write and read them."""

import math
import re

from e2e.errors import ScenarioError

_UNITS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|)\s*")


def seconds(duration: str | float) -> float:
    """A duration in seconds.

    Raises:
        ScenarioError: it is none, or not above zero.
    """
    value = math.nan
    if isinstance(duration, str):
        match = _DURATION.fullmatch(duration)
        value = float(match[1]) * _UNITS[match[2]] if match else math.nan
    elif isinstance(duration, int | float) and not isinstance(duration, bool):
        value = float(duration)
    if not (math.isfinite(value) and value > 0):
        raise ScenarioError(f'{duration!r} is not a duration; write "5s", "250ms", "2m" or a number of seconds above 0')
    return value


def told(ms: float, *, sign: bool = False, digits: int = 1) -> str:
    """Milliseconds for a reader: `0.3 ms`, from a second on `2.18 s`. `digits` are those of milliseconds."""
    plus = "+" if sign else ""
    return f"{ms:{plus}.{digits}f} ms" if abs(round(ms, digits)) < 1000 else f"{ms / 1000:{plus}.2f} s"
