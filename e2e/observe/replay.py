"""What a command that follows a log says again when it is started again: `kubectl logs -f` begins with all of it.

A replay ends with the last line that was said before, so lines at the start that repeat what was said up to that very
line are left out. A genuine new line that is equal to the last one before it looks the same; nothing that was not said
before is ever left out.
"""

from collections import deque
from collections.abc import Iterator

_MOST_KNOWN = 20_000
# A log of one line repeated fits everywhere: what is looked at for each line stays bounded.
_MOST_PLACES = 1000

Item = tuple[bytes, int]


class Replay:
    """Give it every line, and say when the command is `restarted`."""

    def __init__(self, known: int = _MOST_KNOWN) -> None:
        self._said: deque[int] = deque(maxlen=known)
        self._before: list[int] = []
        self._at: list[int] | None = None  # where in `_before` the lines held may end; None: no replay any more
        self._held: list[Item] = []

    def restarted(self) -> Iterator[Item]:
        """The next line may be the first of a replay. Gives what was held of the run before."""
        yield from self.ended()
        self._before = list(self._said)
        self._at = list(range(len(self._before))) if self._before else None

    def lines(self, line: bytes, size: int) -> Iterator[Item]:
        """The lines that are known to be new by now."""
        if self._at is None:
            self._said.append(hash(line))
            yield line, size
            return
        self._held.append((line, size))
        key = hash(line)
        here = [at for at in self._at if self._before[at] == key][-_MOST_PLACES:]
        self._at = [at + 1 for at in here if at + 1 < len(self._before)]
        if len(self._at) < len(here):  # it was the last line of before: all of it was a replay
            self._held.clear()
            self._before, self._at = [], None
        elif not self._at:
            yield from self.ended()

    def ended(self) -> Iterator[Item]:
        """No more lines: gives what was held."""
        held, self._held = self._held, []
        self._before, self._at = [], None
        self._said.extend(hash(line) for line, _ in held)
        yield from held
