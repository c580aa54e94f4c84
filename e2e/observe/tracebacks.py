"""The grammar of what an error prints: a line that reports it, what belongs to it, and the tracebacks that follow.

A `Block` is one event. It takes the lines that belong to it, chained tracebacks included, and says of any line how
well it would continue it (`fit`), which is what tells the tracebacks of two writers apart.
"""

import re
from collections import deque
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from e2e.observe.lines import Line
from e2e.observe.messages import Broken, find, hints, speaks

# Of a long block, the head says who and the tail says what: the middle of a deep stack is left out.
_HEAD_LINES, _TAIL_LINES, _EVIDENCE_CHARS = 40, 120, 400

_TRACEBACK = "Traceback (most recent call last):"
_FRAME = re.compile(r'\s+File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>\w+))?')
_CARETS = re.compile(r"\s+[\^~]+\s*$")
_CHAINED = re.compile(
    r"\s*(?:During handling of the above exception, another exception occurred:"
    r"|The above exception was the direct cause of the following exception:)\s*$"
)
# `package.SomeError` or `package.SomeError: text`: what ends a traceback. A class in lower case (`socket.timeout`)
# is one only with its package before it.
_EXCEPTION = re.compile(
    r"(?P<type>(?:[\w<>]+\.)*[A-Z_]\w*|(?:[A-Za-z_]\w*\.)+[a-z_]\w*)(?:: (?P<text>.*)|:?)$",
)
_IMPORT_EXCEPTION = re.compile(r"(?P<kind>ImportError|ModuleNotFoundError)(?:: |$)")
# What asyncio prints between its message and the traceback.
_CONTEXT = re.compile(r"(?:future|task|handle|protocol|transport|asyncgen|source_traceback|handle_traceback): |\s+\S")
# The margin that the traceback of an exception group draws.
_MARGIN = re.compile(r"\s*(?:\| ?)+|\s*\+(?=[ -])-*\+?-* ?(?:\d+ -+)?")
# Frames of the import machinery are not where the import stands.
_MACHINERY = re.compile(r"<frozen |.*[/\\]importlib[/\\]__init__\.py$")
# Messages that a traceback always follows, though another writer may come between.
_PROMISES = re.compile(r"Exception in (?:ASGI application|callback|thread)|exception was never retrieved")


class State(Enum):
    HEADER = auto()  # a line that reports something: a traceback may follow
    FRAMES = auto()  # inside a traceback
    AFTER = auto()  # its exception line was seen: another traceback may be chained to it
    CHAINED = auto()  # "During handling ..." was seen: a traceback must follow


# How many lines that are not its own a block in this state outlives, when others write between its lines.
PATIENCE = {State.HEADER: 3, State.FRAMES: 50, State.AFTER: 8, State.CHAINED: 20}


@dataclass(slots=True, eq=False)
class Block:
    """One event. `waits` counts the lines since the last one of its own; of a `quoted` one nothing is reported."""

    first: Line
    state: State
    quoted: bool = False
    head: list[str] = field(default_factory=list)
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=_TAIL_LINES))
    frame: tuple[str, int] | None = None
    last: str = "begin"
    source: str = ""
    from_line: list[Broken] = field(default_factory=list)
    from_traceback: list[Broken] = field(default_factory=list)
    exception: str | None = None
    echoed: bool = False
    waits: int = 0

    @classmethod
    def opened_by(cls, line: Line) -> "Block | None":
        """The block that the line begins, if it does."""
        message = line.message
        begins = begins_traceback(message)
        broken = find(message, line.level, line.logger) if hints(message) else None
        if not (begins or broken or line.level in ("WARNING", "ERROR", "CRITICAL")):
            return None
        block = cls(line, State.FRAMES if begins else State.HEADER)
        block.quoted = begins and speaks(message[: message.index("Traceback")], line.level, line.logger)
        block.keep(line)
        if broken:
            block.from_line.append(broken)
        return block

    @property
    def printing(self) -> bool:
        """Whether a traceback is under way."""
        return self.state in (State.FRAMES, State.CHAINED)

    @property
    def patience(self) -> int:
        """How many lines it outlives that begin or go on with nothing of interest."""
        if self.printing or (self.state is State.HEADER and _PROMISES.search(self.first.message)):
            return PATIENCE[self.state]
        return 0

    def keep(self, line: Line) -> None:
        self.waits = 0
        if len(self.head) < _HEAD_LINES:
            self.head.append(line.text[:_EVIDENCE_CHARS])
        else:
            self.tail.append(line.text[:_EVIDENCE_CHARS])

    def fit(self, line: Line) -> int:
        """How well the line continues the block: 0 not at all, 3 as no other line could."""
        if self.first.writer and line.writer and self.first.writer != line.writer:
            return 0
        message = _unmargined(line)
        if line.starts and not (self.state is State.FRAMES and _goes_on(message)):
            return 2 if self.state is State.AFTER and self._repeats(line) else 0
        return _FITS[self.state](self, message, line)

    def take(self, line: Line) -> None:
        """Take in a line that fits."""
        message = _unmargined(line)
        if self.state is State.AFTER and (line.starts or self._repeats(line)):
            self.echoed = True
        else:
            _TAKERS[self.state](self, message)
        self.keep(line)

    def _repeats(self, line: Line) -> bool:
        """A log line right after a traceback, saying the same error, is the same event: once."""
        if self.echoed or self.from_line or not hints(line.message):
            return False
        broken = find(line.message, line.level, line.logger)
        return broken is not None and any(broken.what == known.what for known in self.from_traceback)


def begins_traceback(message: str) -> bool:
    """Whether a traceback begins: alone on its line, or at the end of a message."""
    return _TRACEBACK in message and message.rstrip().endswith(_TRACEBACK)


def _unmargined(line: Line) -> str:
    message = line.message
    if not line.starts and (margin := _MARGIN.match(message)):
        return message[margin.end() :]
    return message


def _goes_on(message: str) -> bool:
    """A traceback whose every line was logged on its own, under the same prefix."""
    return message.startswith("  ") or bool(_IMPORT_EXCEPTION.match(message))


# -- how well a line continues a block, by the state of the block --


def _fit_header(block: Block, message: str, line: Line) -> int:
    if begins_traceback(message):
        return 2
    return int(not line.starts and line.level is None and bool(_CONTEXT.match(message)))


def _fit_frames(block: Block, message: str, line: Line) -> int:
    if frame := _FRAME.match(message):
        return 3 if block.last == "source" and _leads_to(block.source, frame) else 1 if block.last == "frame" else 2
    if message[:1] in ("", " ", "\t"):
        after = "source" if _CARETS.match(message) else "frame"
        return 2 if message.strip() and block.last == after else 1
    if line.level not in (None, block.first.level):
        return 0
    if match := _EXCEPTION.match(message):
        broken = _broken(match, None)
        if broken and broken.what != (None, None) and "import" in block.source and _names(block.source, broken):
            return 3
        return 1 if block.last in ("frame", "begin") else 2
    return 0


def _fit_after(block: Block, message: str, line: Line) -> int:
    if _CHAINED.match(message):
        return 2
    if begins_traceback(message) and message != line.message:
        return 2  # the next member of an exception group
    if not message.strip() or not message.strip("+-0123456789 "):
        return 1
    return 2 if block._repeats(line) else 0


def _fit_chained(block: Block, message: str, line: Line) -> int:
    return 2 if begins_traceback(message) else int(not message.strip())


# -- what a line that fits does to the block --


def _take_header(block: Block, message: str) -> None:
    if begins_traceback(message):
        _begin(block)
    elif broken := find(message, block.first.level):
        block.from_line.append(broken)


def _take_frames(block: Block, message: str) -> None:
    if match := _FRAME.match(message):
        block.last = "frame"
        if not _MACHINERY.match(match["file"]):
            block.frame = match["file"], int(match["line"])
    elif message[:1] in ("", " ", "\t"):
        if message.strip() and not _CARETS.match(message):
            block.last, block.source = "source", message
    elif match := _EXCEPTION.match(message):
        if broken := _broken(match, block.frame):
            block.from_traceback.append(broken)
        block.exception = message
        block.state, block.frame = State.AFTER, None


def _take_after(block: Block, message: str) -> None:
    if _CHAINED.match(message):
        block.state = State.CHAINED
    elif begins_traceback(message):
        _begin(block)


def _take_chained(block: Block, message: str) -> None:
    if begins_traceback(message):
        _begin(block)


def _begin(block: Block) -> None:
    block.state, block.last, block.source = State.FRAMES, "begin", ""


_FITS = {
    State.HEADER: _fit_header,
    State.FRAMES: _fit_frames,
    State.AFTER: _fit_after,
    State.CHAINED: _fit_chained,
}
_TAKERS = {
    State.HEADER: _take_header,
    State.FRAMES: _take_frames,
    State.AFTER: _take_after,
    State.CHAINED: _take_chained,
}


def _leads_to(source: str, frame: re.Match[str]) -> bool:
    """Whether the source line of a frame imports the file of the next one, or calls its function."""
    *_, folder, file = ("", *re.split(r"[/\\\\]", frame["file"]))
    module = folder if file == "__init__.py" else file.removesuffix(".py")
    wanted = [re.escape(name) for name in (module, frame["function"]) if name]
    return bool(wanted) and bool(re.search(rf"(?<!\w)(?:{'|'.join(wanted)})(?!\w)", source))


def _names(source: str, broken: Broken) -> bool:
    """Whether the source line of a frame is the import that the exception speaks of."""
    wanted = broken.name or (broken.module or "").rpartition(".")[2]
    return bool(re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", source))


def _broken(exception: re.Match[str], frame: tuple[str, int] | None) -> Broken | None:
    """What the last line of a traceback says, placed at the innermost frame."""
    text = exception["text"] or ""
    broken = find(text, "ERROR")
    if kind := _IMPORT_EXCEPTION.match(exception[0]):
        broken = replace(broken, kind=kind["kind"]) if broken else Broken(kind["kind"])
    return replace(broken, file=frame[0], line=frame[1]) if broken and frame else broken
