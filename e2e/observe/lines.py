"""From raw bytes to clean, normalised log lines: bounded, without control characters, JSON envelopes opened.

A service writes `LEVEL:logger:message` on a laptop and one JSON object a line in the cloud; a collector may put a
container name or a time before either. Whoever reads a `Line` need not know which it was.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MAX_LINE_BYTES = 16 * 1024
CUT = " [line cut]"

_ESCAPES = re.compile(
    # CSI; then OSC, DCS and the like; then the short ones.
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])"
    # Control characters but tab, and what turns the direction of text round.
    r"|[\x00-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)

# What collectors put before a line: `[pod/name/container] `, `backend-1  | `, an ISO time.
_COLLECTOR = re.compile(
    r"(?:\[(?:pod|container)/[^\]\s]+\] ?|[\w.-]+ +\| ?"
    r"|(?P<time>\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[\d.,]*(?:Z|[+-]\d\d:?\d\d)?\]? ?))+"
)
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
_TEXT_KEYS = ("message", "textPayload", "msg")
_LEVEL_KEYS = ("severity", "level", "levelname")
_TRACE_KEYS = ("exc_info", "exception", "stack_trace", "traceback")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log; a JSON record whose text holds newlines becomes several with the same number.

    `text` is what a person reads, `message` is `text` without level and logger. `level` is one of Python's five
    names, or None where the line does not say. `starts` is whether the line opens a record of its own: False for a
    bare line, which may go on with what stood before it.
    """

    n: int
    text: str
    message: str
    level: str | None = None
    logger: str | None = None
    starts: bool = False
    phase: str = "boot"
    at: float = 0.0

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
    if not (text.startswith("{") and text.endswith("}")):
        return None
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and _find(record, _TEXT_KEYS + _TRACE_KEYS) is not None else None


def normalise(text: str, n: int, phase: str = "boot", at: float = 0.0) -> list[Line]:
    """The line, or the lines of the message inside its JSON envelope. `text` is clean."""
    start = _COLLECTOR.match(text)
    rest = text[start.end() :] if start else text
    record = envelope(rest)
    if record is None:
        return [_plain(rest, text, n, phase, at, timed=bool(start and start["time"]))]
    level = _level(_find(record, _LEVEL_KEYS))
    parts = [part for keys in (_TEXT_KEYS, _TRACE_KEYS) if (part := _find(record, keys)) is not None]
    lines = [clean(line) for part in parts for line in part.splitlines()] or [""]
    first = _plain(lines[0], lines[0], n, phase, at)
    logger = first.logger or _find(record, ("logger", "name"))
    # A collector calls everything from stderr an error: what the service itself said wins.
    opened = Line(n, first.text, first.message, first.level or level, logger, first.starts, phase, at)
    return [opened, *(Line(n, line, line, phase=phase, at=at) for line in lines[1:])]


def _plain(text: str, shown: str, n: int, phase: str, at: float, timed: bool = False) -> Line:
    match = _PREFIX.match(text) or (_TIMED.match(text) if timed else None)
    if match is None:
        return Line(n, shown, text, phase=phase, at=at)
    level = _level(match["level"])
    return Line(n, shown, match["message"], level, match["logger"], True, phase, at)


def _find(record: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    """The first string under one of the keys, in the record itself or in its `jsonPayload`."""
    inner = record.get("jsonPayload")
    for source in (record, inner if isinstance(inner, dict) else {}):
        for key in keys:
            if isinstance(value := source.get(key), str):
                return value
    return None


def _level(name: str | None) -> str | None:
    name = name.upper() if name else None
    return _LEVELS.get(name, name) if name else None
