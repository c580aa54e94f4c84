"""The live view of a run: it follows the journal and shows phase, progress, messages and what was heard last."""

import time
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from e2e.record.journal import Journal, Record
from e2e.report.text import one_line
from e2e.verdict.transcript import segments_of

PHASES = {
    "boot": "starting and probing the services",
    "services": "each service alone: endpoints, refused auth, pusher",
    "stream": "streaming",
    "drain": "waiting for the services to finish",
    "stop": "stopping",
}
PLAIN_SECONDS = 5.0


class LiveView:
    """A context manager around a run. On a terminal one screen that updates; elsewhere a plain line now and then."""

    def __init__(self, console: Console, journal: Journal) -> None:
        self._console = console
        self._phase = "boot"
        self._services: dict[str, str] = {}
        self._messages: Counter[str] = Counter()
        self._heard: Any = None
        self._import_errors = 0
        self._sent = self._planned = 0
        self._lateness_ms: float | None = None
        self._devices: tuple[int, int] | None = None
        self._dropped = 0
        self._sessions: Counter[str] = Counter()
        self._last_line = 0.0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.completed:>6.0f}/{task.total:.0f} chunks"),
            TimeRemainingColumn(),
            console=console,
        )
        self._bar: TaskID | None = None
        self._live = Live(get_renderable=self._screen, console=console, refresh_per_second=4, transient=True)
        self._probes: set[str] = set()
        self._terminal = console.is_terminal
        self._handlers = {name.removeprefix("_on_"): getattr(self, name) for name in dir(self) if name[:4] == "_on_"}
        self._unsubscribe = journal.subscribe(self._read, *self._handlers)

    def __enter__(self) -> "LiveView":
        if self._terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._unsubscribe()
        if self._terminal:
            self._live.stop()

    def _read(self, record: Record) -> None:
        kind = record["type"]
        self._handlers[kind](record)
        if not self._terminal and kind != "message":
            self._plain(record)

    def _on_phase(self, record: Record) -> None:
        if record["state"] == "begin":
            self._phase = record["phase"]

    def _on_service(self, record: Record) -> None:
        self._services[record["service"]] = record["event"]

    def _on_session(self, record: Record) -> None:
        if record["event"] == "connecting" and record.get("probe"):
            self._probes.add(record["sid"])
        if record["sid"] not in self._probes:
            self._sessions[record["event"]] += 1

    def _on_stream(self, record: Record) -> None:
        if record["event"] == "begin" and record["sid"] not in self._probes:
            self._planned += record["planned"]
            if self._bar is None:
                self._bar = self._progress.add_task("stream", total=self._planned)
            self._progress.update(self._bar, total=self._planned)

    def _on_sends(self, record: Record) -> None:
        if self._bar is not None:
            self._sent = min(self._planned, self._sent + record["n"])
            self._progress.update(self._bar, completed=self._sent)
        self._lateness_ms = record["lateness"]["max"]

    def _on_generator(self, record: Record) -> None:
        if record["planned"] or self._devices:  # not before the load
            self._devices = record["active"], record["planned"]

    def _on_arrivals(self, record: Record) -> None:
        self._dropped = record["dropped"]

    def _on_message(self, record: Record) -> None:
        self._messages[record["kind"]] += 1
        if record["kind"] == "transcript":
            self._heard = record["data"]

    def _on_import_error(self, record: Record) -> None:
        self._import_errors += 1

    def _screen(self) -> RenderableType:
        facts = Table.grid(padding=(0, 2))
        facts.add_column(style="dim", no_wrap=True)
        facts.add_column(overflow="ellipsis", no_wrap=True)
        facts.add_row("phase", PHASES.get(self._phase, self._phase))
        facts.add_row("services", ", ".join(f"{name} {state}" for name, state in self._services.items()) or "-")
        if self._devices is not None:
            facts.add_row("devices", self._device_words())
        opened, ended = self._sessions["open"], self._sessions["closed"]
        facts.add_row("sessions", f"{opened - ended} open, {self._sessions['failed']} failed")
        facts.add_row("messages", ", ".join(f"{n} {kind}" for kind, n in self._messages.most_common(5)) or "-")
        if self._lateness_ms is not None:
            facts.add_row("lateness", f"{self._lateness_ms:.1f} ms at most in the last second")
        errors = Text(str(self._import_errors), style="bold red" if self._import_errors else "green")
        facts.add_row("import errors", errors)
        words = " ".join(str(segment.get("text", "")) for segment in segments_of(self._heard)[-1:])
        facts.add_row("heard", Text(one_line(words, 200), style="italic"))
        parts: list[RenderableType] = [facts]
        if self._bar is not None:
            parts.append(self._progress)
        return Group(*parts)

    def _plain(self, record: Record) -> None:
        """Lines for a log: each phase and each failure at once, progress every few seconds."""
        kind = record["type"]
        if kind == "phase" and record["state"] == "begin":
            self._line(record, PHASES.get(record["phase"], record["phase"]))
        elif kind == "service" and record["event"] in ("healthy", "exited", "unhealthy"):
            self._line(record, f"{record['service']} {record['event']}")
        elif kind == "session" and record["event"] == "failed":
            self._line(record, f"failed: {one_line(str(record['error']))}")
        elif kind == "import_error":
            self._line(record, f"import error in {record['service']}: {one_line(str(record.get('module')))}")
        elif kind == "sends" and self._bar is not None and time.monotonic() - self._last_line > PLAIN_SECONDS:
            progress = f"{self._sent}/{self._planned} chunks, {sum(self._messages.values())} messages"
            self._line(record, f"{progress}, devices: {self._device_words()}" if self._devices else progress)

    def _device_words(self) -> str:
        active, planned = self._devices or (0, 0)
        dropped = f", {self._dropped} arrivals dropped" if self._dropped else ""
        return f"{active} of {planned} at work{dropped}"

    def _line(self, record: Record, text: str) -> None:
        self._last_line = time.monotonic()
        self._console.print(f"{record['t']:7.1f}s  {text}", markup=False, highlight=False, soft_wrap=True)


def live_view(journal: Journal, quiet: bool) -> AbstractContextManager[object]:
    """The view of a run, on standard error: standard output holds the verdict alone. When `quiet`, there is none."""
    return nullcontext() if quiet else LiveView(Console(stderr=True), journal)
