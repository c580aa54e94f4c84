"""Finds import errors and error lines in the log of a service, line by line, with the whole traceback as evidence.

Lines are gathered into blocks: a line that reports an error, what belongs to it, and the tracebacks that follow,
chained ones included. One block is one event: it gives import errors, or else one error line, never both. A block
ends with the first line that cannot belong to it, or when the log falls silent (`idle`).

One scanner reads one writer. The lines of several workers in one stream would need one scanner each.
"""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from e2e.observe.lines import Line
from e2e.observe.messages import Broken, find

# Of a long block, the head says who and the tail says what: the middle of a deep stack is left out.
_HEAD_LINES, _TAIL_LINES, _EVIDENCE_CHARS = 40, 120, 400
_MAX_STRANGERS = 20

_TRACEBACK = "Traceback (most recent call last):"
_FRAME = re.compile(r'\s+File "(?P<file>[^"]+)", line (?P<line>\d+)')
_CHAINED = re.compile(
    r"\s*(?:During handling of the above exception, another exception occurred:"
    r"|The above exception was the direct cause of the following exception:)\s*$"
)
# `package.SomeError` or `package.SomeError: text`: what ends a traceback.
_EXCEPTION = re.compile(r"(?P<type>(?:[\w<>]+\.)*[A-Z_]\w*)(?:: (?P<text>.*))?$")
_IMPORT_EXCEPTION = re.compile(r"(?P<kind>ImportError|ModuleNotFoundError)(?:: |$)")
# What asyncio prints between its message and the traceback.
_CONTEXT = re.compile(r"(?:future|task|handle|protocol|transport|asyncgen|source_traceback|handle_traceback): |\s+\S")
# The margin that the traceback of an exception group draws.
_MARGIN = re.compile(r"\s*(?:\| ?)+|\s*\+(?=[ -])-*\+?-* ?(?:\d+ -+)?")
# Frames of the import machinery are not where the import stands.
_MACHINERY = re.compile(r"<frozen |.*[/\\]importlib[/\\]__init__\.py$")

# The only error line of a clean session: a transcript raced the client's close.
_NOISE = re.compile(
    r"Error during WebSocket operation: Unexpected ASGI message 'websocket\.send', after sending 'websocket\.close'"
)


@dataclass(frozen=True, slots=True)
class ImportFinding:
    """An import error. `first` is the line of the log that the event began with."""

    broken: Broken
    evidence: tuple[str, ...]
    first: Line


@dataclass(frozen=True, slots=True)
class ErrorLine:
    """An ERROR or CRITICAL line that is no import error. `noise`: known from clean sessions."""

    line: Line
    noise: bool


Finding = ImportFinding | ErrorLine


class _State(Enum):
    HEADER = auto()  # a line that reports something: a traceback may follow
    FRAMES = auto()  # inside a traceback
    AFTER = auto()  # its exception line was seen: another traceback may be chained to it
    CHAINED = auto()  # "During handling ..." was seen: a traceback must follow


@dataclass(slots=True)
class _Block:
    first: Line
    state: _State
    head: list[str] = field(default_factory=list)
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=_TAIL_LINES))
    frame: tuple[str, int] | None = None
    from_line: list[Broken] = field(default_factory=list)
    from_traceback: list[Broken] = field(default_factory=list)
    echoed: bool = False
    strangers: int = 0

    def keep(self, text: str) -> None:
        if len(self.head) < _HEAD_LINES:
            self.head.append(text[:_EVIDENCE_CHARS])
        else:
            self.tail.append(text[:_EVIDENCE_CHARS])

    def findings(self) -> Iterator[Finding]:
        broken: dict[tuple[str | None, str | None], Broken] = {}
        # The traceback knows more than the line about the same error, so it comes first.
        for error in (*self.from_traceback, *self.from_line):
            broken.setdefault(error.what, error)
        if len(broken) > 1:
            # `raise ImportError("install x")` over a nameless cause adds nothing to an error with a name.
            broken.pop((None, None), None)
        for error in broken.values():
            yield ImportFinding(error, (*self.head, *self.tail), self.first)
        if not broken and self.first.is_error:
            yield ErrorLine(self.first, noise=bool(_NOISE.search(self.first.message)))


class ErrorScanner:
    """Feed it every line of one service in order; it gives what is certain so far."""

    def __init__(self) -> None:
        self._block: _Block | None = None

    @property
    def pending(self) -> bool:
        """Whether something is held back until the next line, or `idle`, shows where it ends."""
        return self._block is not None

    def feed(self, line: Line) -> list[Finding]:
        if self._block is None:
            self._block = self._opened_by(line)
            return []
        if self._continues(self._block, line):
            return []
        return [*self.flush(), *self.feed(line)]

    def idle(self) -> list[Finding]:
        """The log is silent: give what is held back, unless a traceback is still being printed."""
        if self._block and self._block.state in (_State.FRAMES, _State.CHAINED):
            return []
        return self.flush()

    def flush(self) -> list[Finding]:
        """Give whatever is held back: the log ended."""
        block, self._block = self._block, None
        return list(block.findings()) if block else []

    @staticmethod
    def _opened_by(line: Line) -> _Block | None:
        begins = _begins(line.message)
        broken = find(line.message, line.level, line.logger)
        if not (begins or broken or line.is_error or line.level == "WARNING"):
            return None
        block = _Block(line, _State.FRAMES if begins else _State.HEADER)
        block.keep(line.text)
        if broken:
            block.from_line.append(broken)
        return block

    def _continues(self, block: _Block, line: Line) -> bool:
        """Whether the line belongs to the block; it is taken in if so."""
        message = line.message
        if not line.starts and (margin := _MARGIN.match(message)):
            message = message[margin.end() :]
        if block.state is _State.AFTER and self._echoes(block, line):
            return True
        if line.starts and not (block.state is _State.FRAMES and _goes_on(message)):
            return False
        taken = _TAKERS[block.state](block, message, line)
        if taken:
            block.keep(line.text)
        return taken

    @staticmethod
    def _echoes(block: _Block, line: Line) -> bool:
        """A log line right after a traceback, saying the same error, is the same event: once."""
        if block.echoed or block.from_line:
            return False
        broken = find(line.message, line.level, line.logger)
        if broken is None or all(broken.what != known.what for known in block.from_traceback):
            return False
        block.echoed = True
        block.keep(line.text)
        return True


def _begins(message: str) -> bool:
    """Whether a traceback begins: alone on its line, or at the end of a message."""
    return _TRACEBACK in message and message.rstrip().endswith(_TRACEBACK)


def _goes_on(message: str) -> bool:
    """A traceback whose every line was logged on its own, under the same prefix."""
    return message.startswith("  ") or bool(_IMPORT_EXCEPTION.match(message))


def _after_header(block: _Block, message: str, line: Line) -> bool:
    if _begins(message):
        block.state = _State.FRAMES
        return True
    if not line.starts and line.level is None and _CONTEXT.match(message):
        if broken := find(message, block.first.level):
            block.from_line.append(broken)
        return True
    return False


def _in_frames(block: _Block, message: str, line: Line) -> bool:
    if match := _FRAME.match(message):
        if not _MACHINERY.match(match["file"]):
            block.frame = match["file"], int(match["line"])
        return True
    if message[:1] in ("", " ", "\t"):
        return True
    if line.level not in (None, block.first.level):
        return False
    if match := _EXCEPTION.match(message):
        if broken := _broken(match, block.frame):
            block.from_traceback.append(broken)
        block.state, block.frame = _State.AFTER, None
        return True
    # A line that another writer slipped in is passed over, unless it reports something itself.
    block.strangers += 1
    return block.strangers <= _MAX_STRANGERS and find(message, line.level, line.logger) is None


def _after_exception(block: _Block, message: str, line: Line) -> bool:
    if _CHAINED.match(message):
        block.state = _State.CHAINED
        return True
    if _begins(message) and message != line.message:
        block.state = _State.FRAMES  # the next member of an exception group
        return True
    return not message.strip() or not message.strip("+-0123456789 ")


def _after_chain(block: _Block, message: str, line: Line) -> bool:
    if _begins(message):
        block.state = _State.FRAMES
        return True
    return not message.strip()


_TAKERS = {
    _State.HEADER: _after_header,
    _State.FRAMES: _in_frames,
    _State.AFTER: _after_exception,
    _State.CHAINED: _after_chain,
}


def _broken(exception: re.Match[str], frame: tuple[str, int] | None) -> Broken | None:
    """What the last line of a traceback says, placed at the innermost frame."""
    text = exception["text"] or ""
    broken = find(text, "ERROR")
    if kind := _IMPORT_EXCEPTION.match(exception[0]):
        broken = replace(broken, kind=kind["kind"]) if broken else Broken(kind["kind"])
    return replace(broken, file=frame[0], line=frame[1]) if broken and frame else broken
