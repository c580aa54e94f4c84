"""What watches a run: the live view with its keys, `--prometheus`, `--otel`. All read one set of live figures."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

import click
from rich.console import Console

from e2e.cli.web import listen, served
from e2e.engine.runner import Run
from e2e.live.keys import KeyReader, keyboard, quick_turns
from e2e.live.screen import Key
from e2e.live.view import PlainLines, ScreenView
from e2e.record.journal import Journal
from e2e.record.rundir import RunDirectory
from e2e.verdict.live import LiveFigures

SHARE = 0.1
"""Of the users that there are, so many more or fewer with each key."""


class Watching:
    """What the command line asks for: `prometheus` is an address, `otel` an endpoint or "" for that of the environment,
    `web` the port of the live page; None: not asked for. `quiet`: no live view."""

    def __init__(
        self, quiet: bool = False, prometheus: str | None = None, otel: str | None = None, web: int | None = None
    ) -> None:
        self._quiet, self._prometheus, self._otel, self._web = quiet, prometheus, otel, web
        self._page: socket.socket | None = None
        self._figures = LiveFigures()

    def exporters(self) -> ExitStack:
        """They are ready when this returns, and end with the context that is returned.

        Raises:
            UsageError: an extra is not installed, or an address cannot be used.
        """
        with ExitStack() as stack:
            if self._prometheus is not None:
                from e2e.live.prometheus import prometheus_endpoint

                stack.enter_context(prometheus_endpoint(self._figures, self._prometheus))
            if self._otel is not None:
                from e2e.live.otel import otel_push

                stack.enter_context(otel_push(self._figures, self._otel, _warn))
            if self._web is not None:
                self._page = stack.enter_context(listen(self._web))
            return stack.pop_all()

    def served(self, directory: RunDirectory) -> AbstractContextManager[None]:
        """Serve the live page of the run in that directory, if it is asked for, on the port that `exporters` took."""
        return served(directory, self._page) if self._page is not None else nullcontext()

    @contextmanager
    def view(self, journal: Journal, run: Run, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Follow the run. What is shown goes to standard error: standard output holds the verdict alone."""
        figures, exported = self._figures, (self._prometheus, self._otel) != (None, None)
        with ExitStack() as stack:
            if exported or not self._quiet:
                for kind, reader in figures.readers().items():
                    stack.callback(journal.subscribe(reader, kind))
                stack.enter_context(quick_turns())
            if not self._quiet:
                console = Console(stderr=True)
                if shows_screen(console):
                    _enter_screen(stack, console, figures, run, loop)
                else:
                    stack.callback(journal.subscribe(PlainLines(console, figures).take, *PlainLines.KINDS))
            yield


def _warn(text: str) -> None:
    click.echo(f"e2e: {text}", err=True)


def shows_screen(console: Console) -> bool:
    """Whether one screen can be drawn: not where it would end in a log, or where nobody wants control codes."""
    wanted = not os.environ.get("NO_COLOR") and not os.environ.get("CI")
    return wanted and console.file.isatty() and not console.is_dumb_terminal


def _enter_screen(
    stack: ExitStack, console: Console, figures: LiveFigures, run: Run, loop: asyncio.AbstractEventLoop
) -> None:
    fd, controls = keyboard(), Controls(run)
    view = ScreenView(console, figures, controls.offered if fd is not None else tuple)
    if fd is not None:
        stack.enter_context(KeyReader(loop, fd, controls.press, view.hide, view.show))
    stack.enter_context(view)


class Controls:
    """The keys, and what each does to the load now."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def offered(self) -> list[Key]:
        """Only what makes sense at this moment for this load."""
        crowd = self._run.crowd
        if crowd is None or crowd.finished:
            return []
        keys = [("q", "finish")]
        if crowd.paused:
            keys.append(("p", "resume"))
        elif crowd.may_pause:
            keys.append(("p", "pause"))
        if crowd.may_add:
            keys.append(("+ -", "users"))
        return keys

    def press(self, key: str) -> None:
        crowd, by = self._run.crowd, f"key {key}"
        if crowd is None:
            return
        if key == "q":
            crowd.finish(by)
        elif key == "p":
            (crowd.resume if crowd.paused else crowd.pause)(by)
        elif key in ("+", "-"):
            some = max(1, round(crowd.counts.planned * SHARE))
            self._run.add_devices(some if key == "+" else -some, by)
