"""What the static audit said of the trees that the services run from, and what of it was then executed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from e2e.verdict.exercised import Exercised, Place

Record = dict[str, Any]

MAX_PLACES = 60_000
MAX_FILES = 200


@dataclass(slots=True)
class Audits:
    """The audit of each service, and where the import statements of each tree stand. Bounded: `left_out` counts."""

    services: dict[str, Record] = field(default_factory=dict)
    trees: dict[str, set[Place]] = field(default_factory=dict)
    left_out: int = 0

    def audit(self, record: Record) -> None:
        self.services[str(record.get("service"))] = record

    def places(self, record: Record) -> None:
        known = self.trees.setdefault(str(record.get("tree")), set())
        for file, lines in dict(record.get("files") or {}).items():
            for line in lines if isinstance(lines, list) else ():
                if not isinstance(line, int):
                    continue  # the journal cut the record, and says so here
                if len(known) < MAX_PLACES:
                    known.add((file, line))
                else:
                    self.left_out += 1

    def done(self, service: str) -> bool:
        record = self.services.get(service)
        return record is not None and not record.get("error")

    def by_tree(self, names: Iterable[str] | None = None) -> dict[str, list[str]]:
        """The audited trees, and which services run from each."""
        trees: dict[str, list[str]] = {}
        for name in sorted(self.services):
            if self.done(name) and (names is None or name in names):
                trees.setdefault(str(self.services[name].get("tree")), []).append(name)
        return trees

    def findings(self) -> Iterator[tuple[list[str], list[Record]]]:
        """Services of one tree, and the errors in it; of very many, the first ones."""
        for names in self.by_tree().values():
            record = self.services[names[0]]
            yield names, [{**f, "t": record["t"]} for f in record.get("findings") or () if isinstance(f, dict)]

    def words(self, service: str) -> str | None:
        """What the audit says of a service's tree; None where none was asked for."""
        record = self.services.get(service)
        if record is None:
            return None
        head = f"import audit of {service} ({record.get('tree')})"
        if record.get("error"):
            return f"{head}: none: {record['error']}"
        accepted = f", {record['accepted']} more are known and accepted (baseline)" if record.get("accepted") else ""
        count = record.get("errors") or 0
        errors = "1 error" if count == 1 else f"{count} errors"
        where = f"{record.get('statements')} import statements in {record.get('files')} files"
        return f"{head}: {where}, {errors}{accepted}"


def proven(audits: Audits, exercised: Exercised) -> tuple[dict[str, Record], list[Record]]:
    """What was proven of each audited service, and of each tree from which several services run, or one.

    Statements are counted by place, (file, line), as both the audit and the probe know them: `import a, b` is one.
    `outside` are places at which the probe saw an import and the audit knows of none: an import by call whose module
    is made at run time, or a file beside the audited tree.
    """
    services: dict[str, Record] = {}
    trees = []
    for tree, names in audits.by_tree().items():
        places, together = audits.trees.get(tree, set()), (set(), set())
        for name in names:
            seen = exercised.places(name)
            together[0].update(seen[0])
            together[1].update(seen[1])
            services[name] = _proof(audits, tree, [name], places, seen, exercised)
        # A statement that failed in one service is not proven by another.
        both = (together[0] - together[1], together[1])
        trees.append(_proof(audits, tree, names, places, both, exercised) | _lists(places - both[0] - both[1]))
    return services, trees


def _proof(
    audits: Audits,
    tree: str,
    names: list[str],
    places: set[Place],
    seen: tuple[set[Place], set[Place]],
    exercised: Exercised,
) -> Record:
    executed, failed = seen
    record = audits.services[names[0]]
    return {
        "tree": tree,
        "services": names,
        "statements": record.get("statements") or len(places),
        "executed": len(executed & places),
        "failed": len(failed & places),
        "never": len(places - executed - failed),
        "outside": len((executed | failed) - places),
        "probed": [name for name in names if exercised.probes.get(name, {}).get("processes")],
        "complete": all(map(exercised.saw, names)) and len(places) == record.get("statements"),
        "accepted": record.get("accepted") or 0,
        "errors": record.get("errors") or 0,
    }


def _lists(places: set[Place]) -> Record:
    files: dict[str, list[int]] = {}
    for file, line in sorted(places):
        files.setdefault(file, []).append(line)
    shown = dict(list(files.items())[:MAX_FILES])
    return {"never_where": shown, "never_left_out": sum(map(len, files.values())) - sum(map(len, shown.values()))}
