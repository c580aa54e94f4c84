"""The live view of a run: on a terminal one screen, elsewhere a plain line now and then. Both read the live figures."""

from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.control import Control
from rich.live import Live

from e2e.live.screen import PHASES, Key, awaited_words, chunk_words, duration, elapsed, screen
from e2e.report.text import one_line
from e2e.verdict.live import LiveFigures

Record = dict[str, Any]

REFRESH_PER_SECOND = 4
PLAIN_SECONDS = 5.0

MAX_FAILURES = 20
"""Failed sessions that get a line of their own; the lines of progress count all."""


class ScreenView:
    """A context manager: the screen is there within it, and may be gone for a while (`hide`, `show`).

    `keys` tells which keys do what now. It is drawn by a thread: a slow terminal must not stop the stream.
    """

    def __init__(self, console: Console, figures: LiveFigures, keys: Callable[[], Sequence[Key]]) -> None:
        self._console, self._figures, self._keys = console, figures, keys
        self._size = console.size
        self._state: Any = None
        self._lines: RenderableType = ""
        self._live = Live(
            get_renderable=self._screen,
            console=console,
            refresh_per_second=REFRESH_PER_SECOND,
            transient=True,
            vertical_overflow="crop",
        )

    def __enter__(self) -> "ScreenView":
        self.show()
        return self

    def __exit__(self, *_: object) -> None:
        self.hide()

    def show(self) -> None:
        self._live.start()

    def hide(self) -> None:
        self._live.stop()

    def _screen(self) -> RenderableType:
        size, figures, keys = self._console.size, self._figures, tuple(self._keys())
        if size != self._size:
            # A terminal of another size has moved the lines that are there: nobody knows where to.
            self._size = size
            self._console.control(Control.clear(), Control.home())
        # Most figures are new once a second, and percentiles cost too much to be made more often.
        state = figures.sample.get("t"), figures.phase, figures.controls, figures.sessions["failed"], keys, size
        if state != self._state:
            self._state, self._lines = state, Group(*screen(figures, keys, size.width, size.height - 1))
        return self._lines


class PlainLines:
    """Lines for a log: each phase, each change by hand and each failure at once, progress every few seconds.

    Give `take` the records of `KINDS`, after the figures had them.
    """

    KINDS = ("phase", "service", "session", "import_error", "control", "generator")

    def __init__(self, console: Console, figures: LiveFigures) -> None:
        self._console, self._figures = console, figures
        self._last = 0.0
        self._failures = 0

    def take(self, record: Record) -> None:
        line = getattr(self, f"_{record['type']}")(record)
        if line:
            self._last = record["t"]
            self._console.print(f"{record['t']:7.1f}s  {line}", markup=False, highlight=False, soft_wrap=True)

    def _phase(self, record: Record) -> str | None:
        if record["state"] != "begin":
            return None
        awaited = awaited_words(self._figures)
        return f"waiting for {awaited}" if awaited else PHASES.get(record["phase"], record["phase"])

    def _service(self, record: Record) -> str | None:
        told = record["event"] in ("healthy", "exited", "unhealthy")
        return f"{one_line(record['service'], 40)} {record['event']}" if told else None

    def _session(self, record: Record) -> str | None:
        if record["event"] != "failed":
            return None
        self._failures += 1
        return f"failed: {one_line(record['error'])}" if self._failures <= MAX_FAILURES else None

    def _import_error(self, record: Record) -> str:
        return f"import error in {one_line(record['service'], 40)}: {one_line(record.get('module'))}"

    def _control(self, record: Record) -> str:
        return f"by hand: {record['what']}, {record['users']} users"

    def _generator(self, record: Record) -> str | None:
        figures = self._figures
        if record["t"] - self._last < PLAIN_SECONDS:
            return None
        awaited = awaited_words(figures)
        if awaited:
            return f"waiting for {awaited}, {elapsed(figures.seconds_in_phase)} so far"
        if figures.phase != "stream" or not figures.chunks_planned:
            return None
        parts = [chunk_words(figures), f"{figures.active} of {figures.planned} devices at work"]
        parts.append(f"{figures.message_count} messages")
        late = figures.recent_lateness()
        if late.count:
            parts.append(f"late by p99 {duration(late.percentile(99))}, max {duration(late.max)}")
        for words, n in (
            ("failed", figures.sessions["failed"]),
            ("arrivals dropped", figures.dropped),
            ("log errors", figures.errors.first.total),
        ):
            parts += [f"{n} {words}"] if n else []
        left = figures.seconds_left
        parts += [f"about {elapsed(left)} left"] if left is not None else []
        return ", ".join(parts)
