"""`--baseline RUN|latest-pass`: the run that another one is compared with, found before that one begins."""

import json
from pathlib import Path
from typing import Any

from e2e.engine.options import Options
from e2e.engine.runner import Run
from e2e.errors import JournalError
from e2e.record.history import History
from e2e.record.rundir import RunDirectory
from e2e.report.write import FILES, read_digest
from e2e.verdict.compare import differences
from e2e.verdict.digest import Digest

LATEST_PASS = "latest-pass"


def named_baseline(options: Options, out: Path) -> Digest | None:
    """The run that was named; None where it has still to be found, or none is wanted.

    Raises:
        JournalError: it is no run, or one that cannot be read.
    """
    if options.baseline in (None, LATEST_PASS):
        return None
    return read_digest(RunDirectory.open(Path(options.baseline), out))


def give_baseline(run: Run, found: Digest | None, options: Options, out: Path) -> None:
    """Let the run say first what it will be compared with, or why with nothing."""
    notes: list[str] = []
    if found is None and options.baseline == LATEST_PASS:
        found, notes = latest_pass(out, run.conditions())
    run.preface = [
        *(("note", {"text": text}) for text in notes),
        *(("baseline", part) for part in (found.records() if found else ())),
    ]


def latest_pass(out: Path, conditions: dict[str, Any]) -> tuple[Digest | None, list[str]]:
    """The newest run below `out` that passed and ran the same under the same conditions, and what to note."""
    notes, others, name = [], 0, conditions["target"].get("name")
    wanted = {**conditions, "target": name, "target_details": conditions["target"]}
    with History(out) as history:
        history.refresh()
        runs = [r for r in history.runs(conditions["scenario"]) if r.verdict == "pass" and r.target == name]
    for run in runs:
        try:
            summary = json.loads((out / run.name / FILES["json"]).read_bytes())
            if differences(summary, wanted):
                others += 1
                continue
            return read_digest(RunDirectory.open(out / run.name)), notes
        except (JournalError, OSError, ValueError) as error:
            notes.append(f"no baseline: {error}")
    aside = f" ({others} that passed ran under other conditions)" if others else ""
    what = f"{conditions['scenario']} on {name}"
    return None, [*notes, f"no run of {what} in {out} passed before{aside}: nothing to compare with"]
