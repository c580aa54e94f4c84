"""From raw bytes to clean, normalised log lines: bounded, without control characters, JSON envelopes opened.

A service writes `LEVEL:logger:message` on a laptop and one JSON object a line in the cloud; a collector may put a
container name or a time before either. Whoever reads a `Line` need not know which it was.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from e2e.observe.messages import speaks

_decode = msgspec.json.Decoder().decode

# As long as an entry of a cloud's log may be: a traceback in one JSON line says what failed in its last words.
MAX_LINE_BYTES = 256 * 1024
CUT = " [line cut]"

_ESCAPES = re.compile(
    # CSI; then OSC, DCS and the like; then the short ones.
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])"
    # Control characters but tab, and what turns the direction of text round.
    r"|[\x00-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)

# What collectors put before a line, in any order: `[pod/name/container] `, `backend-1  | `, an ISO time,
# `Nov 25 10:00:00 host uvicorn[123]: `, `stderr F `.
_COLLECTOR = re.compile(
    r"(?P<box>\[(?:pod|container)/[^\]\s]+\]) ?|(?P<service>[\w.-]{1,128}) {1,64}\| ?"
    r"|(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?|(?P<iso>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[\d.,]*[+-]\d\d:?\d\d))"
    r" [\w.-]+ [^\s\[\]:]+\[(?P<pid>\d+)\]: ?"
    r"|(?P<time>\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[\d.,]*(?:Z| ?[+-]\d\d:?\d\d)?\]? ?)|std(?:out|err) [FP] "
)
# What tells one process or thread of a service from another: `[123] `, `(pid 123) `, `[MainThread] `, `pid=123 `.
_WRITER = re.compile(
    r"(?:[\[(](?:(?:pid|process|thread|worker)[ :=#]{1,3})?"
    r"(?P<id>\d{1,10}|\w{0,40}(?:Thread|Process|Worker)[\w-]{0,40})[\])]"
    r"|(?:pid|process|worker|thread)=(?P<named>[\w-]{1,40}))[:,]? ",
    re.I,
)
_MOST_HEADS = 6
_LEVEL_NAMES = "DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|FATAL"
# `LEVEL:logger:message`, or uvicorn's `LEVEL:     message`.
_PREFIX = re.compile(rf"(?P<level>{_LEVEL_NAMES}):(?:(?P<logger>[^\s:]+):| +)(?P<message>.*)", re.S)
# Other layouts that begin with a time: `... - logger - LEVEL - message`, `... [LEVEL] message`.
_TIMED = re.compile(
    rf"[\s|-]*(?:\[?(?P<logger>[\w.]+)\]?[\s:|-]+)??\[?(?P<level>{_LEVEL_NAMES})\]?[\s:|-]+(?P<message>.*)", re.S
)

_LEVELS = {
    "WARN": "WARNING",
    "FATAL": "CRITICAL",
    "ALERT": "CRITICAL",
    "EMERGENCY": "CRITICAL",
    "NOTICE": "INFO",
    "DEFAULT": None,
}
_TEXT_KEYS = ("message", "textPayload", "msg", "event", "log")
_LEVEL_KEYS = ("severity", "level", "levelname")
_TRACE_KEYS = ("exc_info", "exception", "stack_trace", "traceback", "error", "err", "exc")
_INNER_KEYS = frozenset({"jsonPayload", "record", "error", "exception"})
_LOGGER_KEYS, _UID_KEYS, _SESSION_KEYS = ("logger", "name"), ("uid", "user_id"), ("session_id", "session")
_WRITER_KEYS = frozenset({"pid", "process", "processName", "thread", "threadName"})


@dataclass(slots=True)
class Line:
    """One line of a log; a JSON record whose text holds newlines becomes several with the same number.

    `text` is what a person reads, `message` is `text` without level and logger. `level` is one of Python's five
    names, or None where the line does not say. `starts` is whether the line opens a record of its own: False for a
    bare line, which may go on with what stood before it. `writer` names the process or thread that wrote it, `uid`
    and `session` whom it was about, as far as the line's frame says so. `quoted`: its record began as somebody's
    words. Not to be changed once made: only the cost of making so many keeps it from being frozen.
    """

    n: int
    text: str
    message: str
    level: str | None = None
    logger: str | None = None
    starts: bool = False
    phase: str = "boot"
    at: float = 0.0
    writer: str | None = None
    uid: str | None = None
    session: str | None = None
    quoted: bool = False

    @property
    def is_error(self) -> bool:
        return self.level in ("ERROR", "CRITICAL")


class LineSplitter:
    """Cuts a byte stream into lines of at most `limit` bytes; the rest of a longer line is dropped as it arrives.

    `feed` and `flush` give `(line without its end, bytes it took in the stream)`.
    """

    def __init__(self, limit: int = MAX_LINE_BYTES) -> None:
        self._limit = limit
        self._kept = bytearray()
        self._size = 0

    def feed(self, data: bytes) -> Iterator[tuple[bytes, int]]:
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._keep(data, start, end, end + 1 - start)
            yield self._take()
            start = end + 1
        if start < len(data):
            self._keep(data, start, len(data), len(data) - start)

    def flush(self) -> Iterator[tuple[bytes, int]]:
        """The last line, when the stream ended without a newline."""
        if self._size:
            yield self._take()

    def _keep(self, data: bytes, start: int, end: int, size: int) -> None:
        self._size += size
        room = self._limit - len(self._kept)
        if room > 0:
            self._kept += data[start : min(end, start + room)]

    def _take(self) -> tuple[bytes, int]:
        line, size = bytes(self._kept), self._size
        if size > len(line) + 1:
            # The last word may be the first half of a secret, which no redactor would know.
            line = re.sub(rb"\S{1,256}\Z", b"", line) + CUT.encode()
        self._kept.clear()
        self._size = 0
        return line.removesuffix(b"\r"), size


def clean(raw: bytes | str) -> str:
    """Text that is safe to store and to show: UTF-8 with replacements, no escape sequences, no controls but tab."""
    text = raw.decode(errors="replace") if isinstance(raw, bytes) else raw
    return text if text.isascii() and text.isprintable() else _ESCAPES.sub("", text)


def envelope(text: str) -> dict[str, Any] | None:
    """The JSON object that a line consists of, when it is a log record; else None."""
    record = _object(text)
    return record if record is not None and _parts(_sources(record)) else None


def normalise(text: str, n: int, phase: str = "boot", at: float = 0.0) -> list[Line]:
    """The line, or the lines of the message inside its JSON envelope. `text` is clean."""
    if match := _PREFIX.match(text):
        level = match["level"]
        return [Line(n, text, match["message"], _LEVELS.get(level, level), match["logger"], True, phase, at)]
    rest, writer, timed = (text, None, False) if text.startswith("{") else _unframed(text)
    if (record := _object(rest)) is not None:
        sources = _sources(record)
        if parts := _parts(sources):
            return _opened(sources, parts, n, phase, at, writer)
    return [_plain(rest, text, n, phase, at, writer, timed=timed)]


def _object(text: str) -> dict[str, Any] | None:
    if not (text.startswith("{") and text.endswith("}")):
        return None
    try:
        record = _decode(text)
    except (ValueError, RecursionError):
        try:
            record = json.loads(text)  # less strict: a NaN or half of a surrogate pair
        except (ValueError, RecursionError):
            return None
    return record if isinstance(record, dict) else None


def _unframed(text: str) -> tuple[str, str | None, bool]:
    """The text without what collectors and layouts put before it; who wrote it; whether a time was among that."""
    start, names, timed = 0, [], False
    for _ in range(_MOST_HEADS):
        if head := _COLLECTOR.match(text, start):
            names += filter(None, (head["box"], head["service"], head["pid"]))
            timed = timed or bool(head["time"])
        elif head := _WRITER.match(text, start):
            names.append(head["id"] or head["named"])
        else:
            break
        start = head.end()
    return text[start:], " ".join(names) or None, timed


def _opened(
    sources: list[dict[str, Any]], parts: list[str], n: int, phase: str, at: float, writer: str | None
) -> list[Line]:
    """The lines inside a JSON record."""
    if len(parts) == 1 and parts[0].isprintable() and parts[0].isascii():
        lines = parts
    else:
        lines = [clean(line) for part in parts for line in part.splitlines()] or [""]
    record = sources[0]
    if not _WRITER_KEYS.isdisjoint(record):
        own = [str(record[key]) for key in sorted(_WRITER_KEYS) if isinstance(record.get(key), int | str)]
        writer = " ".join((*filter(None, (writer,)), *own))
    if match := _PREFIX.match(lines[0]):
        first = Line(n, lines[0], match["message"], _level(match["level"]), match["logger"], True, phase, at, writer)
    else:
        opening, _, timed = _unframed(lines[0])
        first = _plain(opening, lines[0], n, phase, at, writer, timed=timed)
    # A collector calls everything from stderr an error: what the service itself said wins.
    first.level = first.level or _level(_find(sources, _LEVEL_KEYS))
    first.logger = first.logger or _find(sources, _LOGGER_KEYS)
    first.uid, first.session = _find(sources, _UID_KEYS), _find(sources, _SESSION_KEYS)
    if len(lines) == 1:
        return [first]
    quoted = speaks(first.message, first.level, first.logger)
    rest = lines[1:]
    return [first, *(Line(n, line, line, None, None, False, phase, at, writer, quoted=quoted) for line in rest)]


def _plain(text: str, shown: str, n: int, phase: str, at: float, writer: str | None, *, timed: bool = False) -> Line:
    match = _PREFIX.match(text) or (_TIMED.match(text) if timed else None)
    if match is None:
        return Line(n, shown, text, None, None, False, phase, at, writer)
    level = _level(match["level"])
    return Line(n, shown, match["message"], level, match["logger"], True, phase, at, writer)


def _sources(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The record, and the objects in it that say more of the same event."""
    if _INNER_KEYS.isdisjoint(record):
        return [record]
    return [record, *(inner for key in sorted(_INNER_KEYS) if isinstance(inner := record.get(key), dict))]


def _parts(sources: list[dict[str, Any]]) -> list[str]:
    """The texts of a log record: its message, and beside it what says how it failed; none when it is no log record."""
    # A record that was rendered already (loguru's) holds all of it, traceback included, under `text`.
    record = sources[0]
    if isinstance(record.get("record"), dict) and isinstance(text := record.get("text"), str):
        return [text]
    message = _find(sources, _TEXT_KEYS)
    traces: dict[str, None] = {}
    for source in sources:
        for key in _TRACE_KEYS:
            if key in source:
                value = source[key]
                if isinstance(value, list) and all(isinstance(item, str) for item in value):
                    value = "".join(value)
                if isinstance(value, str) and value and value != message:
                    traces[value] = None
    # The longest says the most; a shorter one that it holds would be the same error told twice.
    kept = [text for text in traces if not any(text != other and text in other for other in traces)]
    return ([message] if message is not None else []) + kept


def _find(sources: list[dict[str, Any]], keys: tuple[str, ...]) -> str | None:
    """The first string under one of the keys."""
    for source in sources:
        for key in keys:
            if (value := source.get(key)) is not None:
                if isinstance(value, dict) and key == "level":  # loguru's
                    value = value.get("name")
                if isinstance(value, str):
                    return value
    return None


def _level(name: str | None) -> str | None:
    return _LEVELS.get(name := name.upper(), name) if name else None
