"""The page of a run that still goes: each record is folded once, and the page made of what is known by then."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from e2e.record.journal import read_journal
from e2e.record.rundir import RunDirectory
from e2e.report.blocks import Prose, Section, View
from e2e.report.page import render_content
from e2e.report.view import build_view
from e2e.verdict.fold import Fold
from e2e.verdict.judge import judge
from e2e.verdict.summary import summarise
from e2e.verdict.timeline import read_timelines, worth_telling

MAX_TOLD_BYTES = 16 * 1024 * 1024
"""Of a journal that is read again, from its start, for the timelines of sessions; of a longer one there are none."""

_TOO_LONG = "The journal is too long to be read for it again and again; it is here when the run has ended."


class LiveReport:
    """`take` the records of a journal as they come. `content` spends what was taken, so call it in a forked process."""

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._fold = Fold()
        self._fold.facts.running = True

    @property
    def t(self) -> float:
        """Seconds of the run that are known."""
        return self._fold.facts.last_t

    def take(self, records: Iterable[dict[str, Any]]) -> None:
        for record in records:
            self._fold.take(record)

    def content(self, position: int) -> dict[str, Any]:
        """`title` and `html` of the page; `position` is the byte of the journal up to which records were taken."""
        facts = self._fold.finish()
        told = position <= MAX_TOLD_BYTES
        journal = partial(read_journal, self._run.journal, until=position)
        timelines = read_timelines(journal, worth_telling(facts), facts.last_t) if told else []
        view = build_view(summarise(facts, judge(facts), timelines))
        return content(view if told else _without_timeline(view))


def content(view: View) -> dict[str, Any]:
    """What is sent to whoever watches."""
    return {"title": f"{view.verdict}: {view.title}", "html": render_content(view)}


def _without_timeline(view: View) -> View:
    instead = Section("timeline", "Timeline", [Prose(_TOO_LONG)])
    return replace(view, sections=[instead if section.id == "timeline" else section for section in view.sections])
