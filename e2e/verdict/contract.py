"""The API of a run, and how it differs from that of another: routes, parameters, fields, and answers that were seen."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from e2e.verdict.change import OTHER, WORSE, Area, Change

Record = dict[str, Any]

MAX_ROWS = 25_000
ROWS_PER_RECORD = 200

NOUNS = {"route": "routes", "parameter": "parameters", "request": "request bodies", "response": "responses"}
NOUNS |= {"field": "fields of schemas", "body": "fields of answers"}

_UNSEEN = frozenset({"null", "empty array", "empty object"})
"""Kinds under which nothing can be seen."""


@dataclass(slots=True)
class Contract:
    """`promised` is by service, kind and key; `answers` by service and endpoint, each with its status and its rows."""

    promised: dict[tuple[str, str, str], str] = field(default_factory=dict)
    answers: dict[tuple[str, str], tuple[int, dict[str, str]]] = field(default_factory=dict)
    left_out: int = 0
    rows: int = 0

    def take(self, record: Record) -> None:
        service, status = str(record.get("service")), record.get("status")
        self.left_out = max(self.left_out, int(record.get("left_out") or 0))
        rows = [r for r in record.get("rows") or () if isinstance(r, list | tuple) and len(r) == 3]
        room = max(0, MAX_ROWS - self.rows)
        self.left_out += max(0, len(rows) - room)
        self.rows += len(rows[:room])
        if record.get("source") == "openapi":
            self.promised.update({(service, str(kind), str(key)): str(shape) for kind, key, shape in rows[:room]})
        elif isinstance(status, int):
            known = self.answers.setdefault((service, str(record.get("endpoint"))), (status, {}))
            known[1].update({str(key): str(shape) for _, key, shape in rows[:room]})

    def records(self) -> Iterator[Record]:
        """What `take` takes."""
        services = {service for service, _, _ in self.promised}
        for service in sorted(services):
            rows = [[kind, key, shape] for (of, kind, key), shape in self.promised.items() if of == service]
            yield from _parts(rows, {"service": service, "source": "openapi", "left_out": self.left_out})
        for (service, endpoint), (status, shapes) in self.answers.items():
            where = {"service": service, "source": "body", "endpoint": endpoint, "status": status, "left_out": 0}
            yield from _parts([["body", key, shape] for key, shape in shapes.items()], where)


def _parts(rows: list[list[str]], where: Record) -> Iterator[Record]:
    for at in range(0, max(1, len(rows)), ROWS_PER_RECORD):
        yield {**where, "rows": rows[at : at + ROWS_PER_RECORD]}


def compare_contracts(before: Contract, after: Contract) -> Area:
    """Removed and changed is worse, and so is what a request newly has to hold; what was added is named."""
    area = Area("contract", "API contract")
    lacking = [name for name, side in (("the run before", before), ("this run", after)) if not side.rows]
    if lacking:
        area.unknown.append(f"{' and '.join(lacking)} wrote down no answer of the endpoint table")
        return area
    same: Counter[str] = Counter()
    _promises(before, after, area, same)
    endpoints = _answers(before, after, area, same)
    area.same = same.total()
    parts = [f"{same[kind]} {noun}" for kind, noun in NOUNS.items() if same[kind] and kind != "body"]
    if endpoints:
        parts.append(f"{same['body']} fields of the answers of {endpoints} endpoints")
    area.compared = ", ".join(parts)
    left_out = max(before.left_out, after.left_out)
    if left_out:
        area.unknown.append(f"{left_out} rows of the API that there was no room for")
    return area


def _promises(before: Contract, after: Contract, area: Area, same: Counter[str]) -> None:
    services = [{service for service, _, _ in side.promised} for side in (before, after)]
    for service in sorted(services[0] ^ services[1]):
        run = "the run before" if service in services[1] else "this run"
        area.unknown.append(f"routes of {service}: {run} read no openapi.json")
    both = services[0] & services[1]
    for key in sorted(before.promised.keys() | after.promised.keys()):
        service, kind, name = key
        old, new = before.promised.get(key), after.promised.get(key)
        if service not in both or _within_another(key, before, after):
            continue
        if old == new:
            same[kind] += 1
        elif new is None:
            area.add(Change(WORSE, f"{kind} removed: {name}", f"was {old}"))
        elif old is None:
            asked = "required" in new and (kind in ("parameter", "request") or "of a request" in new)
            area.add(Change(WORSE if asked else OTHER, f"{kind} added: {name}", new))
        else:
            area.add(Change(WORSE, f"{kind} changed: {name}", f"{old} → {new}"))


def _within_another(key: tuple[str, str, str], before: Contract, after: Contract) -> bool:
    """Whether it is part of a route that is told as added or removed itself."""
    service, kind, name = key
    if kind not in ("parameter", "request", "response"):
        return False
    route = (service, "route", " ".join(name.split(" ")[:2]))
    return (route in before.promised) != (route in after.promised)


def _answers(before: Contract, after: Contract, area: Area, same: Counter[str]) -> int:
    """How many endpoints could be compared."""
    compared = 0
    for service, endpoint in sorted(before.answers.keys() ^ after.answers.keys()):
        run = "this run" if (service, endpoint) in before.answers else "the run before"
        area.unknown.append(f"{endpoint}: not answered in {run}")
    for key in sorted(before.answers.keys() & after.answers.keys()):
        (old_status, old), (new_status, new) = before.answers[key], after.answers[key]
        where = key[1]
        if old_status != new_status:
            worse = new_status >= 400 > old_status or new_status >= 500 > old_status
            area.add(Change(WORSE if worse else OTHER, f"answer of {where}", f"HTTP {old_status} → {new_status}"))
            continue
        compared += 1
        unseen = 0
        for path in sorted(old.keys() | new.keys()):
            if path not in old or path not in new:
                unseen += _one_sided(area, where, path, old, new)
                continue
            kinds, now = _kinds(old[path]), _kinds(new[path])
            if not kinds - _UNSEEN or not now - _UNSEEN:
                # Null says nothing of what it would be, an empty list nothing of its elements.
                unseen += kinds != now
                same["body"] += kinds == now
            elif _types(kinds) != _types(now):
                area.add(Change(WORSE, f"field changed: {where} {path}", f"{old[path]} → {new[path]}"))
            elif kinds - _UNSEEN != now - _UNSEEN:
                area.add(Change(OTHER, f"text changed: {where} {path}", f"{old[path]} → {new[path]}"))
            else:
                same["body"] += 1
        if unseen:
            area.unknown.append(
                f"{unseen} field{'s' * (unseen > 1)} of {where}: null, empty or left out in one of the runs"
            )
    return compared


def _one_sided(area: Area, where: str, path: str, old: dict[str, str], new: dict[str, str]) -> bool:
    """A field that only one answer has; returns whether the other one could not have shown it."""
    has, lacks = (old, new) if path in old else (new, old)
    owner = _owner(path)
    if owner not in lacks:
        # Told once, where the difference begins.
        return _unseen_above(owner, lacks)
    if not _kinds(lacks[owner]) - _UNSEEN or has[path].endswith(", optional"):
        return True
    if path in old:
        area.add(Change(WORSE, f"field removed: {where} {path}", f"was {old[path]}"))
    else:
        area.add(Change(OTHER, f"field added: {where} {path}", new[path]))
    return False


def _owner(path: str) -> str:
    """`.a[].b` is of `.a[]`, that of `.a`, that of the whole body."""
    return (path.removesuffix("[]") if path.endswith("[]") else path.rpartition(".")[0]) or "."


def _unseen_above(path: str, shapes: dict[str, str]) -> bool:
    while path not in shapes and path != ".":
        path = _owner(path)
    return not _kinds(shapes.get(path, "null")) - _UNSEEN


def _kinds(shape: str) -> set[str]:
    return set(shape.removesuffix(", optional").split(" | "))


def _types(kinds: set[str]) -> set[str]:
    return {kind.partition(" = ")[0] for kind in kinds - _UNSEEN}
