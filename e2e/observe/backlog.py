"""Lines that a command such as `kubectl logs -f` says of the time before the run, told by the time that they carry."""

import re
from collections.abc import Callable
from datetime import datetime

import msgspec

MARGIN_SECONDS = 10.0
"""Clocks of machines differ: a line that is older by less than this is taken for one of the run."""

BURST_SECONDS = 60.0
"""What a command repeats comes at its start: later, an old time in a line is only something that it mentions."""

_TIME = rb"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:[.,]\d{1,9})?(?:(Z)| ?([+-]\d\d):?(\d\d))"
# At the start of a line, or after the pod or container that a collector puts there.
_LEADING = re.compile(rb"(?:\[(?:pod|container)/[^\]\s]{1,300}\] ?|[\w.-]{1,128} {1,64}\| ?)?\[?" + _TIME)
_WHOLE = re.compile(_TIME)
_KEYS = ("timestamp", "@timestamp", "time", "ts")


class Backlog:
    """Asked of each line in order. `before` counts the old ones, `dated` says whether any line of the burst carried a
    time (None: there was no line).

    `since` is the start of the run and `now` a clock, both in seconds of Unix time. A line without a time is as old as
    the one before it: a traceback has none. Only times with a zone count, others may be of any.
    """

    def __init__(self, since: float, now: Callable[[], float]) -> None:
        self._since, self._now = since, now
        self.before = 0
        self.dated: bool | None = None
        self._old = False
        self._burst = now()

    def began(self) -> None:
        """The command was started, or started again."""
        self._burst, self._old = self._now(), False

    def is_old(self, line: bytes) -> bool:
        if self._now() - self._burst > BURST_SECONDS:
            return False
        at = time_of(line)
        if at is not None:
            self.dated = True
            self._old = at < self._since - MARGIN_SECONDS
        elif self.dated is None:
            self.dated = False
        self.before += self._old
        return self._old


def time_of(line: bytes) -> float | None:
    """When a line was written, in seconds of Unix time, as far as it says so at its start or in its JSON record."""
    if not line.startswith(b"{"):
        return _seconds(_LEADING.match(line))
    try:
        record = msgspec.json.decode(line)
    except (ValueError, RecursionError):
        return None
    for key in _KEYS if isinstance(record, dict) else ():
        if isinstance(value := record.get(key), str) and (at := _seconds(_WHOLE.fullmatch(value.encode()))) is not None:
            return at
    return None


def _seconds(match: re.Match[bytes] | None) -> float | None:
    if match is None:
        return None
    day, utc, hours, minutes = (part and part.decode() for part in match.groups())
    try:
        return datetime.fromisoformat(f"{day}{'+00:00' if utc else f'{hours}:{minutes}'}").timestamp()
    except (ValueError, OverflowError):
        return None
