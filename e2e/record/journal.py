"""The append-only record of a run: one JSON object a line, on disk before anything is summarised.

Every record has `t` (seconds since the run began, monotonic) and `type`. The kinds of records, and who reads which
field, are listed in `docs/journal.md`; a field that a reader does not know is left alone, a kind that it does not
know is skipped.
"""

import itertools
import math
import os
import re
from collections.abc import Callable, Container, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Self

import msgspec

from e2e.errors import JournalError
from e2e.record.redact import Redactor

SCHEMA = 1
FILE_NAME = "journal.jsonl"

# A record that is longer than this once encoded has its strings cut: one hostile message must not fill the disk.
MAX_RECORD_BYTES = 64 * 1024
MAX_STRING_CHARS = 4 * 1024
MAX_ITEMS = 500
MAX_DEPTH = 50

BUFFER_BYTES = 64 * 1024

# Nothing in these is from outside, and a histogram must stay whole, as must the reference of hours of audio.
_OWN_FIGURES = frozenset({"sends", "generator", "resources", "tape"})

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()

Record = dict[str, Any]
Reader = Callable[[Record], None]


class Journal:
    """Writes records to a file and hands each one to the subscribers (the live view, a waiting drain).

    `clock` returns seconds from one monotonic clock; `t` of a record counts from the creation of the journal.
    Records are buffered; `flush()` is called by the runner twice a second, on every phase change and at the end,
    so that a killed run keeps all but its last half second.
    """

    def __init__(self, path: Path, clock: Callable[[], float], redactor: Redactor | None = None) -> None:
        try:
            self._file = path.open("ab", buffering=BUFFER_BYTES)
        except OSError as error:
            raise JournalError(f"cannot write the journal {path}: {error.strerror}") from error
        self.path = path
        self.redactor = redactor or Redactor()
        self._clock = clock
        self.origin = clock()
        self._readers: dict[str, tuple[Reader, ...]] = {}

    def now(self) -> float:
        """Seconds since the run began."""
        return self._clock() - self.origin

    def at(self, instant: float) -> float:
        """The clock's `instant` as seconds since the run began, rounded to a microsecond."""
        # `round` to digits goes through decimal text and back.
        return math.floor((instant - self.origin) * 1e6 + 0.5) / 1e6

    def subscribe(self, reader: Reader, *types: str) -> Callable[[], None]:
        """Call `reader` with every record of these types from now on; returns the function that ends it."""
        for type in types:
            self._readers[type] = (*self._readers.get(type, ()), reader)
        return lambda: self._drop(reader)

    def write(self, type: str, /, *, at: float | None = None, **fields: Any) -> Record:
        """Append one record. `at` is an instant of the clock (default: now)."""
        instant = self._clock() if at is None else at
        record = {"t": self.at(instant), "type": type, **fields}
        try:
            line = _encoder.encode(record)
            fits = len(line) <= MAX_RECORD_BYTES or type in _OWN_FIGURES
        except (RecursionError, UnicodeEncodeError):  # nested without end, or text that no file can hold
            fits = False
        if not fits:
            record = self.redactor.value(bounded(record))
            line = _encoder.encode(record)
        elif type not in _OWN_FIGURES and self.redactor.suspects(line):
            record = self.redactor.value(bounded(record, MAX_RECORD_BYTES))
            line = _encoder.encode(record)
        self._file.write(line + b"\n")
        for reader in self._readers.get(type, ()):
            self._tell(reader, record)
        return record

    def _tell(self, reader: Reader, record: Record) -> None:
        """A follower that fails is dropped: it must harm neither what is being recorded nor the connection it is of."""
        try:
            reader(record)
        except Exception as error:
            self._drop(reader)
            self.write("note", text=f"a follower of the journal failed and was dropped: {error!r}")

    def _drop(self, reader: Reader) -> None:
        self._readers = {type: tuple(r for r in readers if r != reader) for type, readers in self._readers.items()}

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        if not self._file.closed:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_RUN_INTO_CUT = re.compile(r"[\w.~+/=-]{1,1024}\Z")


def bounded(value: Any, max_chars: int = MAX_STRING_CHARS, max_items: int = MAX_ITEMS, depth: int = MAX_DEPTH) -> Any:
    """The same value with long strings, long collections and deep nesting cut; what was cut is said in its place."""
    if isinstance(value, str):
        text = value.encode("utf-8", "backslashreplace").decode() if not value.isascii() else value
        if len(text) <= max_chars:
            return text
        # Whatever runs into the cut goes too: half a secret could not be recognised as one.
        head = _RUN_INTO_CUT.sub("", text[:max_chars])
        return f"{head}... [{len(text) - len(head)} more characters]"
    if not isinstance(value, dict | list | tuple):
        return value
    if not depth:
        return "[nested too deeply]"
    more = len(value) - max_items
    if isinstance(value, dict):
        items = itertools.islice(value.items(), max_items)
        kept = {bounded(k, max_chars): bounded(v, max_chars, max_items, depth - 1) for k, v in items}
        return kept if more <= 0 else kept | {"...": f"[{more} more]"}
    kept_items = [bounded(v, max_chars, max_items, depth - 1) for v in value[:max_items]]
    return kept_items if more <= 0 else [*kept_items, f"[{more} more]"]


# A message as `Journal.write` begins it. Most lines of a large journal are messages, of which some readings want few.
_MESSAGE = re.compile(rb'\{"t":[-+.\deE]+,"type":"message","sid":"([^"\\]*)"')


def read_journal(
    path: Path, messages_of: Container[str] | None = None, *, until: int | None = None
) -> Iterator[Record]:
    """The records of a journal, or of the run directory that holds it, in the order of writing.

    A last line that a killed run left half-written is skipped. `messages_of`: messages of other sessions than these are
    left out. `until`: how many bytes are read, which is where a line ends.

    Raises:
        JournalError: the file is missing or cannot be read, is of another version, or holds something else than
            records before its last line.
    """
    if os.path.isdir(path):  # also of what may not be looked at
        path = path / FILE_NAME
    with _opened(path) as file:
        broken: int | None = None
        for number, line in enumerate(file if until is None else _first(file, until), 1):
            if broken is not None:
                raise JournalError(f"{path} line {broken} is not a record; the file is damaged")
            message = None if messages_of is None else _MESSAGE.match(line)
            if message is not None and message[1].decode(errors="replace") not in messages_of:
                continue
            try:
                record = _decoder.decode(line)
            except msgspec.DecodeError:
                broken = number
                continue
            if not isinstance(record, dict) or "type" not in record or "t" not in record:
                raise JournalError(f"{path} line {number} is not a record of a run")
            if record["type"] == "run" and record.get("schema", SCHEMA) != SCHEMA:
                other = repr(record["schema"])[:40]
                raise JournalError(
                    f"{path} is of schema {other}, and this e2e reads {SCHEMA}: take the one that wrote it"
                )
            yield record


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise JournalError(f"no journal at {path}: name a run directory, such as reports/latest") from error
    except OSError as error:
        raise JournalError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error


def _first(lines: Iterable[bytes], size: int) -> Iterator[bytes]:
    for line in lines:
        size -= len(line)
        if size < 0:
            return
        yield line


class Follower:
    """Reads a journal while it is being written. `position` is the byte up to which it has been read."""

    def __init__(self, path: Path) -> None:
        """Raises JournalError: it cannot be read."""
        self._file = _opened(path)
        self._rest = b""
        self.position = 0

    def new(self, at_most: int) -> list[Record]:
        """The records that have come since, as far as they end within the next `at_most` bytes.

        Raises:
            JournalError: what is there is no record.
        """
        data = self._rest + self._file.read(at_most)
        *lines, self._rest = data.split(b"\n")
        self.position += len(data) - len(self._rest)
        try:
            return [_decoder.decode(line) for line in lines]
        except msgspec.DecodeError as error:
            raise JournalError(f"{self._file.name} holds what is not a record; the file is damaged") from error

    @property
    def behind(self) -> bool:
        """Whether there is more to be read at once, for all that is known."""
        return os.fstat(self._file.fileno()).st_size > self._file.tell()
