"""Finds import errors and error lines in the log of a service, line by line, with the whole traceback as evidence.

Lines are gathered into blocks (`tracebacks.py`). One block gives import errors, or else one error line, never both. A
block ends with the first line that cannot belong to it, or when the log falls silent (`idle`).

Several workers may write into one log, so several blocks may be open. A line goes to the block of its own writer,
where lines name one (a process or thread, a container); where they do not, to the block that it continues best: source
after frame, frame after source, an exception after the import that it names. Where two are as good, the one that
waited longest gets it if the writers take turns, else the one that had the line before.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from e2e.observe.lines import Line
from e2e.observe.messages import Broken, after, hints
from e2e.observe.quotes import Quotes
from e2e.observe.tracebacks import PATIENCE, Block, State

_MOST_BLOCKS = 8
_NOTABLE = frozenset({"WARNING", "ERROR", "CRITICAL"})

# The only error line of a clean session: a transcript raced the client's close.
_NOISE = re.compile(
    r"Error during WebSocket operation: Unexpected ASGI message 'websocket\.send', after sending 'websocket\.close'"
)
# An attribute that a library looks for, does not need, and logs with a traceback.
_TRAPPED = re.compile(r"\(trapped\) error reading bcrypt version")

_KEYED = {
    "uid": re.compile(r"\b(?:uid|user_id|user)[=:] ?(?P<id>[\w.@+-]{1,128})(?=[\s,;:)\]]|$)"),
    "session": re.compile(r"\b(?:session|session_id)[=:] ?(?P<id>[\w.-]{1,128})(?=[\s,;:)\]]|$)"),
}
_TAIL = re.compile(r"['\")\]]{0,3} (?P<uid>[\w.@+-]{1,128})(?: (?P<session>[\w.-]{1,128}))?$")


@dataclass(frozen=True, slots=True)
class ImportFinding:
    """An import error. `first` is the line of the log that the event began with; whose it was, as far as it says."""

    broken: Broken
    evidence: tuple[str, ...]
    first: Line
    uid: str | None = None
    session: str | None = None


@dataclass(frozen=True, slots=True)
class ErrorLine:
    """An ERROR or CRITICAL line that is no import error. `noise`: known from clean sessions. `exception`: the last
    line of the traceback under it, if there is one."""

    line: Line
    noise: bool
    exception: str | None = None


Finding = ImportFinding | ErrorLine


class ErrorScanner:
    """Feed it every line of one service in order; it gives what is certain so far."""

    def __init__(self) -> None:
        self._blocks: list[Block] = []  # the one that was fed last stands last
        self._taking_turns = False
        self._quotes = Quotes()

    @property
    def pending(self) -> bool:
        """Whether something is held back until later lines, or `idle`, show where it ends."""
        return bool(self._blocks) or self._quotes.open

    def feed(self, line: Line) -> Sequence[Finding]:
        if not self._blocks and line.level not in _NOTABLE and not self._quotes.open and _plain(line.message):
            return ()
        return [finding for own in self._quotes.take(line) for finding in self._feed(own)]

    def idle(self) -> list[Finding]:
        """The log is silent: give what is held back, unless a traceback is still being printed."""
        found = [finding for own in self._quotes.release() for finding in self._feed(own)]
        return [*found, *self._end([block for block in self._blocks if not block.printing])]

    def flush(self) -> list[Finding]:
        """Give whatever is held back: the log ended."""
        found = [finding for own in self._quotes.release() for finding in self._feed(own)]
        return [*found, *self._end(list(self._blocks))]

    def _feed(self, line: Line) -> Iterator[Finding]:
        home = self._home(line)
        if home is not None:
            home.take(line)
            self._blocks.remove(home)
        else:
            home = Block.opened_by(line)
        yield from self._end(
            [block for block in self._blocks if block is not home and self._is_over(block, line, home)]
        )
        if home is not None:
            self._blocks.append(home)
            if len(self._blocks) > _MOST_BLOCKS:
                yield from self._end(self._blocks[:1])

    def _home(self, line: Line) -> Block | None:
        """The open block that the line belongs to."""
        fits = [(block.fit(line), block) for block in self._blocks]
        best = max((fit for fit, _ in fits), default=0)
        if not best:
            return None
        equal = [block for fit, block in fits if fit == best]
        if len(self._blocks) > 1 and len(equal) == 1 and line.message.strip():
            # The line itself decided: it shows whether the writers take turns.
            self._taking_turns = equal[0] is not self._blocks[-1]
        if len(equal) > 1 and self._taking_turns and equal[-1].state is not State.HEADER:
            return max(equal, key=lambda block: block.waits)
        return equal[-1]

    @staticmethod
    def _is_over(block: Block, line: Line, home: Block | None) -> bool:
        """Whether a line that went elsewhere shows that no more of the block is coming."""
        block.waits += 1
        if block.first.writer and line.writer and block.first.writer != line.writer:
            return block.waits > PATIENCE[State.FRAMES]  # it says nothing of this writer
        return block.waits > (PATIENCE[block.state] if home is not None else block.patience)

    def _end(self, blocks: list[Block]) -> Iterator[Finding]:
        for block in blocks:
            self._blocks.remove(block)
            yield from _findings(block)


def _plain(message: str) -> bool:
    """The quick look at nearly every line of a healthy service: nothing of interest can begin with it."""
    return not (hints(message) or "Traceback" in message or message[-1:] == "]" or message.count('"') % 2)


def _findings(block: Block) -> Iterator[Finding]:
    if block.quoted or _TRAPPED.search(block.first.message):
        return
    broken: dict[tuple[str | None, str | None], Broken] = {}
    # The traceback knows more than the line about the same error, so it comes first.
    for error in (*block.from_traceback, *block.from_line):
        broken.setdefault(error.what, error)
    if len(broken) > 1:
        # `raise ImportError("install x")` over a nameless cause adds nothing to an error with a name.
        broken.pop((None, None), None)
    for error in broken.values():
        yield ImportFinding(error, (*block.head, *block.tail), block.first, *_whose(block.first))
    if not broken and block.first.is_error:
        noise = bool(_NOISE.search(block.first.message))
        yield ErrorLine(block.first, noise, block.exception)


def _whose(line: Line) -> tuple[str | None, str | None]:
    """The uid and the session that the line names: in its frame, by name, or as ` UID SESSION` at its end."""
    found = {key: match["id"] for key, shape in _KEYED.items() if (match := shape.search(line.message))}
    if not found and (rest := after(line.message)) and (tail := _TAIL.match(rest)):
        found = tail.groupdict()
    return line.uid or found.get("uid"), line.session or found.get("session")
