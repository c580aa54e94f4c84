"""What the import probe saw: which imports ran, where, when and how often, and which watched modules never did."""

from typing import Any

from e2e.report.blocks import Block, Items, Mark, Marks, Prose, Table
from e2e.verdict.check import many

WHEN = {"boot": "boot", "services": "endpoint", "stream": "stream", "drain": "after the stream", "stop": "stop"}
"""The phase of a run, in the words of the question that a reader asks."""


def probe_blocks(exercised: dict[str, Any]) -> list[Block]:
    """Nothing for a run without the probe."""
    services = exercised.get("services") or {}
    if not services:
        return []
    blocks: list[Block] = [
        Marks([Mark("pass" if s["saw"] else "inconclusive", s["words"] or name) for name, s in services.items()])
    ]
    rows = exercised["rows"]
    if rows:
        whose = "of the watched modules" if exercised["watch"] else "of the services' own modules (none is watched)"
        more = f", {exercised['rows_left_out']} more not shown" if exercised["rows_left_out"] else ""
        blocks.append(Prose(f"Imports {whose}: {many(len(rows), 'statement')}{more}."))
        head = ["import", "module", "where exercised", "when", "times"]
        cells = [
            [r["import"], r["module"], f"{r['service']}, {r['file']}:{r['line']}", _when(r["phases"]), str(r["count"])]
            for r in rows
        ]
        blocks.append(Table(head, cells, ["pass"] * len(cells), frozenset({4})))
    if exercised["never"]:
        blocks.append(Prose("Watched, and never exercised in this run:"))
        blocks.append(Items(exercised["never"]))
    elif exercised["watch"]:
        blocks.append(Prose(f"Every watched module was exercised ({len(exercised['watch'])})."))
    if exercised["forgiven"]:
        blocks.append(Prose("Imports that failed and are no error:"))
        blocks.append(Items([_forgiven(r) for r in exercised["forgiven"]]))
    return blocks


def _when(phases: dict[str, int]) -> str:
    return ", ".join(dict.fromkeys(WHEN.get(phase, phase) for phase in phases))


def _forgiven(record: dict[str, Any]) -> str:
    what = f"{record['name']} from {record['module']}" if record["name"] else record["module"]
    return f"{what} ({record['service']}, {record['file']}:{record['line']}): {record['rule']}"
