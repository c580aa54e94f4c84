"""From a run directory to its reports: the journal is read once, everything else follows from it."""

import gc
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from e2e.errors import JournalError, UsageError
from e2e.record.journal import read_journal
from e2e.record.rundir import RunDirectory
from e2e.report.junit import render_junit
from e2e.report.markdown import render_markdown
from e2e.report.page import render_html
from e2e.report.view import build_view
from e2e.verdict.digest import Digest
from e2e.verdict.facts import Facts
from e2e.verdict.fold import read_facts
from e2e.verdict.judge import digest, judge
from e2e.verdict.summary import summarise
from e2e.verdict.timeline import read_timelines, worth_telling

Summary = dict[str, Any]

FILES = {"json": "run.json", "markdown": "report.md", "html": "report.html", "junit": "junit.xml"}
"""Formats, and the file of each in the run directory."""

_RENDER = {
    "json": lambda summary: json.dumps(summary, indent=1, ensure_ascii=False) + "\n",
    "markdown": lambda summary: render_markdown(build_view(summary)),
    "html": lambda summary: render_html(build_view(summary)),
    "junit": render_junit,
}


def read_digest(run: RunDirectory) -> Digest:
    """What of a run another one is compared with.

    Raises:
        JournalError: the journal is missing, damaged, empty, or of another version.
    """
    facts = _facts(run)
    return digest(facts, judge(facts))


def read_run(run: RunDirectory) -> Summary:
    """The content of `run.json`, made anew from the journal.

    Raises:
        JournalError: as of `read_digest`.
    """
    with _no_collector():
        return _read_run(run)


def _read_run(run: RunDirectory) -> Summary:
    facts = _facts(run)
    timelines = read_timelines(partial(read_journal, run.journal), worth_telling(facts), facts.last_t)
    return summarise(facts, judge(facts), timelines)


def _facts(run: RunDirectory) -> Facts:
    facts = read_facts(read_journal(run.journal))
    if not facts.run:
        raise JournalError(f"{run.journal} holds no record of a run; name a run directory, such as reports/latest")
    return facts


@contextmanager
def _no_collector() -> Iterator[None]:
    """Without Python's search for cycles: a million records make it look, and none of them is in a cycle."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def render(format: str, summary: Summary) -> str:
    """A report as text.

    Raises:
        UsageError: no such format.
    """
    if format not in _RENDER:
        raise UsageError(f"no report format {format!r}; known are {', '.join(_RENDER)}")
    return _RENDER[format](summary)


def write_reports(run: RunDirectory) -> Summary:
    """Write every report of a run beside its journal; returns the content of `run.json`.

    Raises:
        JournalError: the journal cannot be read, or the reports cannot be written.
    """
    summary = read_run(run)
    for format, name in FILES.items():
        replace(run.path / name, render(format, summary))
    return summary


def replace(path: Path, text: str) -> None:
    """In one step, so that a reader never finds half a report. What cannot be encoded is written as an escape."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
        temporary.replace(path)
    except OSError as error:
        raise JournalError(f"cannot write {path}: {error.strerror}; check the directory and the disk") from error
