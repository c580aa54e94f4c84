"""Text that a service only passes on, over several lines of its log: a quoted message, the output of a build.

Whether bare lines after an open quote belong to it shows only where it ends, so they are held until then. A quote that
is closed takes them with it; one that never is, because the service itself cut its line, gives them back.
"""

import re

from e2e.observe.lines import Line
from e2e.observe.messages import leaves_open

_MOST_HELD = 200

_BUILD = re.compile(r"\[\d+ lines of output\]$")
_BUILD_END = re.compile(r"\[end of output\]$")
_QUOTE_END = re.compile(r"""(?<!\\)"\s*(?:[,}\])]|$)""")
_FRAME = re.compile(r'\s*File "')


class Quotes:
    """Give it every line that is of interest; it returns those that the service itself said, in order."""

    def __init__(self) -> None:
        self._end: re.Pattern[str] | None = None
        self._held: list[Line] = []

    @property
    def open(self) -> bool:
        return self._end is not None

    def take(self, line: Line) -> list[Line]:
        """The lines that are known to be the service's own by now."""
        if line.quoted:
            return []
        if self._end is not None and not line.starts and len(self._held) < _MOST_HELD:
            self._held.append(line)
            if self._end.search(line.message) and not _FRAME.match(line.message):
                self._end = None
                self._held.clear()
            return []
        ready = self.release()
        if _BUILD.search(line.message):
            self._end = _BUILD_END
        elif line.message.count('"') % 2 and leaves_open(line.message):
            self._end = _QUOTE_END
        return [*ready, line]

    def release(self) -> list[Line]:
        """What was held: its quote did not end."""
        held, self._held, self._end = self._held, [], None
        return held
