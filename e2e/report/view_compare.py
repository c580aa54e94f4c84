"""Two runs held against each other, as blocks: in the report of a run with a baseline, and for `e2e compare`."""

from typing import Any

from e2e.report.blocks import Block, Items, Mark, Marks, Prose, Section, Table
from e2e.verdict.change import BETTER, OTHER, WORSE
from e2e.verdict.check import many
from e2e.verdict.moved import WORDS, amount

_STATUS = {WORSE: "fail", BETTER: "pass", OTHER: "none"}

_SAYS = {
    "slower": "slower",
    "quicker": "quicker",
    "same": "same",
    "small": "same: certain, but too little to matter",
    "few": "not compared: too few sessions",
}


def comparison_section(comparison: dict[str, Any] | None) -> Section | None:
    if comparison is None:
        return None
    return Section("comparison", "Compared with another run", comparison_blocks(comparison))


def comparison_blocks(comparison: dict[str, Any]) -> list[Block]:
    areas = comparison["areas"]
    blocks: list[Block] = [
        Prose(f"Before: {_run(comparison['before'])}; {comparison['before']['verdict']}."),
        Prose(f"Now: {_run(comparison['after'])}."),
        Prose(f"{comparison['sentence'][0].upper()}{comparison['sentence'][1:]}."),
    ]
    if comparison["doubts"]:
        blocks += [Prose("What the two runs do not have in common, or lack:"), Items(comparison["doubts"])]
    blocks.append(Marks([_area(area) for area in areas]))
    if changes := _changes(areas):
        blocks.append(changes)
    if comparison["moves"]:
        blocks.append(_moves(comparison["moves"]))
    unknown = [f"{area['title']}: {why}" for area in areas for why in area["unknown"]]
    if unknown:
        blocks += [Prose("Not compared:"), Items(unknown)]
    return [*blocks, Prose(comparison["test"])]


def _run(run: dict[str, Any]) -> str:
    return f"{run.get('run_id')}, {run.get('scenario')} on {run.get('target')}, started {run.get('started')}"


def _area(area: dict[str, Any]) -> Mark:
    """A tick where something was compared and nothing is worse; a question mark where nothing could be compared."""
    others = len(area["changes"]) + area["left_out"] - area["worse"]
    counts = [f"{area['worse']} worse"] * bool(area["worse"]) + [many(others, "other change")] * bool(others)
    seen = area["compared"] or area["changes"]
    status = "fail" if area["worse"] else "pass" if seen else "inconclusive"
    none = "no change in what was compared" if area["unknown"] else "no change"
    words = ", ".join(counts) or (none if seen else "not compared")
    return Mark(status, f"{area['title']}: {words}", ("the same: " if area["same"] else "") + area["compared"])


def _changes(areas: list[dict[str, Any]]) -> Table | None:
    order = (WORSE, OTHER, BETTER)
    rows = [(order.index(c["effect"]), area["title"], c) for area in areas for c in area["changes"]]
    rows.sort(key=lambda row: row[0])
    left_out = sum(area["left_out"] for area in areas)
    cells = [[c["effect"], title, c["what"], c["detail"]] for _, title, c in rows]
    status = [_STATUS[c["effect"]] for _, _, c in rows]
    if left_out:
        cells.append(["", "", f"and {left_out} more changes", ""])
        status.append("none")
    return Table(["", "of", "what", "how"], cells, status) if cells else None


def _moves(moves: list[dict[str, Any]]) -> Table:
    status = {"slower": "fail", "quicker": "pass", "few": "inconclusive"}
    units = {"stretch": " stretches", "utterance": " utterances"}
    rows = []
    for m in moves:
        name = m["metric"] if m["metric"] == WORDS else f"{m['metric']} {m['statistic']}"
        values = [amount(m["metric"], m[key]) for key in ("before", "after")]
        shift = "" if m["shift"] is None else amount(m["metric"], m["shift"])
        p = "" if m["p"] is None else f"{m['p']:.2g}"
        blocks = f"{m['blocks'][0]}, {m['blocks'][1]}{units.get(m['unit'], '')}"
        rows.append([name, *values, shift, p, blocks, _SAYS[m["says"]]])
    head = ["latency", "before", "now", "shift", "p", "blocks", ""]
    return Table(head, rows, [status.get(m["says"], "none") for m in moves], frozenset({1, 2, 3, 4}))
