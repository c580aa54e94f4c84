"""What was proven of the services' imports, by logs, import probe and static audit together."""

from typing import Any

from e2e.report.blocks import Block, Items, Mark, Marks, Prose, Section, Table
from e2e.verdict.check import many

_FILES = 25
_LINES = 20


def proven_section(imports: dict[str, Any]) -> Section | None:
    """None for a run in which no tree was to be audited: without one, nobody knows what there is to prove."""
    asked = {name: service for name, service in imports["services"].items() if service.get("audit")}
    if not asked:
        return None
    blocks: list[Block] = [
        Prose(f"Stands on: {imports['stands_on']}."),
        Marks([Mark("pass" if s["audited"] else "inconclusive", s["audit"]) for s in asked.values()]),
    ]
    trees = imports["trees"]
    if trees:
        blocks.append(_table(imports["services"], trees))
    for tree in trees:
        blocks += _tree(tree, imports["errors"])
    logged = [e for e in imports["errors"] if {"log", "output"} & set(e["source"].split(", "))]
    blocks += _list("Failures in logs", [e["title"] for e in logged], imports["observed"])
    return Section("proven", "Imports: what was proven", blocks)


def _table(services: dict[str, Any], trees: list[dict[str, Any]]) -> Table:
    rows, status = [], []
    for tree in trees:
        proofs = [(name, services[name]["proven"]) for name in tree["services"] if services.get(name)]
        if len(proofs) > 1:
            proofs.append(("together", tree))
        for name, proof in proofs:
            probed = bool(proof["probed"])
            least = "" if proof["complete"] else "at least " if probed else ""
            done = f"{least}{proof['executed']} of {proof['statements']}" if probed else f"? of {proof['statements']}"
            figures = [str(proof[key]) if probed else "?" for key in ("failed", "never", "outside")]
            rows.append([f"{name}, {tree['tree']}", done, *figures])
            bad = any(services[n]["errors"] or services[n]["found_by_audit"] for n in proof["services"])
            status.append("fail" if bad else "pass" if probed and proof["complete"] else "inconclusive")
    head = ["service, tree", "executed without failure", "failed", "never executed", "executed outside the tree"]
    return Table(head, rows, status, frozenset({1, 2, 3, 4}))


def _tree(tree: dict[str, Any], errors: list[dict[str, Any]]) -> list[Block]:
    mine = set(tree["services"])
    found = [e["title"] for e in errors if "audit" in e["source"].split(", ") and mine & set(e["service"].split(", "))]
    accepted = f" ({tree['accepted']} more are known and accepted by the audit's baseline)" if tree["accepted"] else ""
    more = tree["errors"] - len(found)
    blocks = _list(f"Found broken in {tree['tree']} by the audit{accepted}", found, True, more)
    if not tree["probed"]:
        return [*blocks, Prose("Never executed: not known, no import probe ran.")]
    where = list(tree["never_where"].items())
    items = [f"{file}: {_lines(lines)}" for file, lines in where[:_FILES]]
    beyond = sum(len(lines) for _, lines in where[_FILES:]) + tree["never_left_out"]
    if beyond:
        items.append(f"and {many(beyond, 'statement')} in other files")
    title = f"Never executed in this run, by file and line: {tree['never']}"
    return [*blocks, Prose(f"{title}."), *([Items(items)] if items else [])]


def _list(title: str, items: list[str], known: bool, more: int = 0) -> list[Block]:
    if not items and more <= 0:
        return [Prose(f"{title}: {'none' if known else 'not known, not every log was read'}.")]
    rest = [f"and {more} more"] if more > 0 else []
    return [Prose(f"{title}: {len(items) + max(0, more)}."), Items([*items, *rest])]


def _lines(lines: list[int]) -> str:
    beyond = f" and {len(lines) - _LINES} more" if len(lines) > _LINES else ""
    return ", ".join(map(str, lines[:_LINES])) + beyond
