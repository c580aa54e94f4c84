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
    reasons: list[str] = []
    if found is None and options.baseline == LATEST_PASS:
        found, reasons = latest_pass(out, run.conditions())
    parts = found.records() if found else [{"part": "none", "why": why} for why in reasons[-1:]]
    run.preface = [
        *(("note", {"text": f"No baseline: {why}."}) for why in reasons),
        *(("baseline", part) for part in parts),
    ]


def latest_pass(out: Path, conditions: dict[str, Any]) -> tuple[Digest | None, list[str]]:
    """The newest run below `out` that passed and ran the same with the same options, and why others are none; the last
    reason says why there is none at all."""
    reasons, others, name = [], 0, conditions["target"].get("name")
    differ: dict[str, None] = {}
    wanted = {**conditions, "target": name, "target_details": conditions["target"]}
    with History(out) as history:
        history.refresh()
        runs = [r for r in history.runs(conditions["scenario"]) if r.verdict == "pass" and r.target == name]
    for run in runs:
        try:
            summary = json.loads((out / run.name / FILES["json"]).read_bytes())
            if other := differences(summary, wanted):
                others += 1
                differ |= dict.fromkeys(line.partition(":")[0] for line in other)
                continue
            return read_digest(RunDirectory.open(out / run.name)), reasons
        except (JournalError, OSError, ValueError) as error:
            reasons.append(f"{run.name} cannot be compared with: {error}")
    aside = f" ({others} passes differ in: {', '.join(differ)})" if others > 1 else ""
    aside = f" (1 pass differs in: {', '.join(differ)})" if others == 1 else aside
    what = f"{conditions['scenario']} on {name}"
    return None, [*reasons, f"no earlier pass of {what}{' with the same options' * bool(others)} in {out}{aside}"]
