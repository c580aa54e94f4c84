"""The log of one service: every line redacted, kept in `logs/SERVICE.log`, and told to the journal with its meaning."""

import asyncio
import contextlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from e2e.observe.aside import Aside
from e2e.observe.catalogue import proves, recognise
from e2e.observe.fingerprint import fingerprint, pattern
from e2e.observe.imports import ErrorLine, ErrorScanner, Finding, ImportFinding
from e2e.observe.lines import CUT, Line, clean, envelope, normalise
from e2e.observe.messages import Broken
from e2e.record.journal import Journal

# Silence after which a held-back traceback or error line is known to be complete.
_SILENCE_SECONDS = 0.3
# Of a long line the log file has all that was read, the journal the beginning.
_SHOWN_CHARS = 16 * 1024
_ID_CHARS = 200
# The last line of a traceback says more than an ERROR line somewhere before it.
_EXCEPTION = re.compile(r"[\w.]*(?:Error|Exception|Exit|Interrupt)\b")


class ServiceLog:
    """Takes the lines of one service from any source, in order.

    `phase` is what the run is doing; the owner sets it. `boot_marker` and `proof` are lines that only the service
    itself says: when it booted, and when it was used. `told` are the import errors so far, as (module, name).
    """

    def __init__(self, service: str, journal: Journal | Aside, log_file: Path) -> None:
        self.service = service
        self.phase = "boot"
        self.lines = 0
        self.bytes = 0
        self.boot_marker: str | None = None
        self.proof: str | None = None
        self.told: set[tuple[str | None, str | None]] = set()
        self._failures = 0
        self._unreadable = 0
        self._gap = 0.0
        self._gap_began: float | None = None
        self._last_line = ""
        self._last_error: str | None = None
        self._last_import: Broken | None = None
        self._journal = journal
        # Unbuffered: a killed run keeps every line that arrived.
        self._file = log_file.open("ab", buffering=0)
        self._scanner = ErrorScanner()
        self._silence: asyncio.TimerHandle | None = None
        self._source: tuple[str, str | None] = ("none", None)

    def names(self, source: str, where: str | None) -> None:
        """Name the source of the lines, as the journal will."""
        self._source = (source, where)

    def opened(self) -> None:
        """The source is being read from now on, or again."""
        self._end_gap()
        self._log_source("open")

    def failed(self, error: str) -> None:
        """The source cannot be read, or ended before the run did: nobody reads until it is `opened` again."""
        self._failures += 1
        if self._gap_began is None:
            self._gap_began = self._journal.now()
        self._log_source("failed", error=self._safe(error))

    def take(self, raw: bytes, size: int | None = None) -> None:
        """One line without its end; `size` is what it took in its source, in bytes.

        Never raises: a line that cannot be read must not stop the reading of those after it.
        """
        at = self._journal.origin + self._journal.now()
        self.lines += 1
        self.bytes += len(raw) + 1 if size is None else size
        try:
            self._read(raw, at)
        except Exception as error:
            self._unreadable += 1
            text = f"[a line of {len(raw)} bytes that could not be read: {type(error).__name__}]"
            # What cannot be written either (a full disk) is at least counted.
            with contextlib.suppress(Exception):
                self._file.write(text.encode() + b"\n")
                self._journal.write("log", at=at, service=self.service, n=self.lines, level=None, text=text)

    def _read(self, raw: bytes, at: float) -> None:
        text = clean(raw)
        found = normalise(text, self.lines, self.phase, at)
        lines = [self._redacted(line) for line in found]
        first = lines[0]
        # Redaction is the dearest step of all: a plain line goes through it once.
        stored = first.text if found[0].text is text else self._stored(text)
        self._file.write(stored.encode(errors="replace") + b"\n")
        shown = _shown("\n".join(line.text for line in lines) if len(lines) > 1 else first.text)
        self._last_line = lines[-1].text or self._last_line
        self._journal.write(
            "log", at=at, service=self.service, n=self.lines, level=first.level, text=shown, **_whose(first)
        )
        self._recognise(first)
        for line in lines:
            self._tell(self._scanner.feed(line))
        if self._scanner.pending:
            self._watch_silence()

    def settle(self) -> None:
        """Tell what was held back: nothing more is coming that could belong to it."""
        self._tell(self._scanner.flush())

    def last_words(self) -> str:
        """What the log says about why its service ended: an import error, else the last error, else the last line."""
        if self._last_import:
            return str(self._last_import)
        if self._last_error and not _EXCEPTION.match(self._last_line):
            return self._last_error
        return self._last_line or "it said nothing"

    def close(self, state: str = "closed") -> None:
        """The last line was taken. Doing it twice is harmless."""
        if self._file.closed:
            return
        self.settle()
        if self._silence:
            self._silence.cancel()
        self._file.close()
        self._end_gap()
        self._log_source(
            state,
            lines=self.lines,
            bytes=self.bytes,
            boot_marker=self.boot_marker,
            proof=self.proof,
            failures=self._failures,
            gap_seconds=round(self._gap, 3),
            unreadable=self._unreadable,
        )

    def _end_gap(self) -> None:
        if self._gap_began is not None:
            self._gap += self._journal.now() - self._gap_began
            self._gap_began = None

    def _stored(self, text: str) -> str:
        """The line as it was, without secrets; those that JSON escapes disguise included."""
        redactor = self._journal.redactor
        # Without escapes the text of the line is what its strings say.
        if ("\\" in text or redactor.suspects(text.encode())) and (record := envelope(text)) is not None:
            safe = redactor.value(record)
            if safe != record:
                text = json.dumps(safe, ensure_ascii=False)
        return self._safe(text)

    def _safe(self, text: str) -> str:
        return self._journal.redactor.text(clean(text))

    def _redacted(self, line: Line) -> Line:
        text = self._journal.redactor.text(line.text)
        if text == line.text:
            return line
        return replace(line, text=text, message=self._journal.redactor.text(line.message))

    def _recognise(self, line: Line) -> None:
        event = recognise(self.service, line)
        if self.proof is None and proves(self.service, line, event):
            self.proof = line.text
        if event is None:
            return
        if event.event == "startup_complete" and self.boot_marker is None:
            self.boot_marker = line.text
        self._journal.write(
            "lifecycle",
            at=line.at,
            service=self.service,
            event=event.event,
            uid=event.uid,
            session=event.session,
            conversation=event.conversation,
            detail=dict(event.detail),
            n=line.n,
        )

    def _tell(self, findings: list[Finding]) -> None:
        for finding in findings:
            match finding:
                case ImportFinding():
                    self._tell_import(finding)
                case ErrorLine():
                    self._tell_error(finding)

    def _tell_error(self, finding: ErrorLine) -> None:
        line = finding.line
        self._last_error = line.text if not finding.noise else self._last_error
        # The same words may stand over any traceback: its last line tells one from another.
        masked = pattern(" ".join(filter(None, (line.message, finding.exception))))
        self._journal.write(
            "error_line",
            at=line.at,
            service=self.service,
            level=line.level,
            text=_shown(line.text),
            n=line.n,
            noise=finding.noise,
            exception=finding.exception,
            pattern=masked,
            fingerprint=fingerprint(line.level, line.logger, masked),
        )

    def _tell_import(self, finding: ImportFinding) -> None:
        broken, first = finding.broken, finding.first
        self._last_import = broken
        self.told.add(broken.what)
        self._journal.write(
            "import_error",
            at=first.at,
            service=self.service,
            kind=broken.kind,
            module=broken.module,
            name=broken.name,
            file=broken.file,
            line=broken.line,
            phase=first.phase,
            source="log",
            uid=finding.uid,
            session=finding.session,
            evidence=list(finding.evidence),
            n=first.n,
        )

    def _watch_silence(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # no loop, no silence: `close` tells the rest
        if self._silence:
            self._silence.cancel()
        self._silence = loop.call_later(_SILENCE_SECONDS, lambda: self._tell(self._scanner.idle()))

    def _log_source(self, state: str, **fields: Any) -> None:
        source, where = self._source
        where = where and self._safe(where)
        self._journal.write("log_source", service=self.service, source=source, state=state, where=where, **fields)


def _whose(line: Line) -> dict[str, str]:
    """The ids that the frame of a line gives beside its text, as a JSON record does."""
    ids = {"uid": line.uid, "session": line.session}
    return {name: value[:_ID_CHARS] for name, value in ids.items() if value}


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + CUT
