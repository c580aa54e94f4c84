"""Two runs held against each other: what is worse, what is better, what else is different, and what is the same."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from e2e.verdict.change import BETTER, OTHER, WORSE, Area, Change
from e2e.verdict.check import many
from e2e.verdict.contract import compare_contracts
from e2e.verdict.digest import Digest
from e2e.verdict.generator import FOREIGN
from e2e.verdict.moved import Move, Smallest, compare_samples, how_it_is_tested, moved

Record = dict[str, Any]

_OPTIONS = ("users", "ramp", "pace", "chunks", "duration", "audio", "codec", "settings", "wait_conversation", "mask")
"""Options that decide what is measured."""

_LISTED = 12
_REASON = 100
"""Characters of a reason in the sentence."""


@dataclass(slots=True)
class Comparison:
    """`doubts` say why the runs may not be comparable."""

    before: Record
    after: Record
    areas: list[Area] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    smallest: Smallest = field(default_factory=Smallest)

    @property
    def regression(self) -> bool:
        return any(area.worse for area in self.areas)

    @property
    def worse(self) -> list[Change]:
        return [change for area in self.areas for change in area.changes if change.effect == WORSE]

    @property
    def sentence(self) -> str:
        count = sum(area.worse for area in self.areas)
        name = self.before.get("run_id") or "the run before"
        if count:
            first = self.worse[0]
            return (
                f"{many(count, 'regression')} since {name}: {first.what}{f', {first.detail}' if first.detail else ''}"
            )
        changes = sum(len(area.changes) + area.left_out for area in self.areas)
        told = f", {many(changes, 'other change')}" if changes else ""
        gaps = "; ".join(filter(None, (_gaps("not compared", self.areas, False), _gaps("in part", self.areas, True))))
        if gaps:
            # "No change" would be said of what nobody looked at, too.
            return f"no regression since {name} in what was compared{told}; {gaps}"
        return f"no regression since {name}{told or ', and no change'}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "before": self.before,
            "after": self.after,
            "regression": self.regression,
            "sentence": self.sentence,
            "doubts": self.doubts,
            "areas": [area.to_dict() for area in self.areas],
            "moves": [move.to_dict() for move in self.moves],
            "test": how_it_is_tested(self.smallest),
        }


def compare(before: Digest, after: Digest, smallest: Smallest = Smallest()) -> Comparison:  # noqa: B008 - immutable
    """`after` held against `before`."""
    names = ("run_id", "scenario", "target", "started", "version")
    result = Comparison(*({n: side.run.get(n) for n in names} for side in (before, after)))
    result.smallest = smallest
    result.before["verdict"] = before.run.get("verdict")
    result.doubts = differences(before.run, after.run) + _doubts(before.run, after.run)
    why = _no_latencies(before, after)
    result.moves = [] if why else compare_samples(before.samples, after.samples, smallest)
    measured = [moved(result.moves, words=words) for words in (False, True)]
    for area in measured if why else ():
        area.unknown = [why]
    areas = [_checks(before, after), compare_contracts(before.contract, after.contract), *measured]
    areas += [_errors(before, after), _import_errors(before, after)]
    result.areas = [*areas, _imports(before, after), _findings(before, after)]
    return result


def _gaps(words: str, areas: list[Area], seen: bool) -> str:
    """`not compared: latencies (too few sessions: 1 of 8), error lines (...)`; of areas that are `seen`, in part."""
    told = []
    for area in areas:
        if area.unknown and area.seen is seen:
            more = f", and {many(len(area.unknown) - 1, 'more reason')}" if len(area.unknown) > 1 else ""
            why = area.unknown[0].partition("; ")[0]  # what to do about it stands in the list
            title = area.title if area.title.startswith("API") else area.title.lower()
            told.append(f"{title} ({why if len(why) <= _REASON else why[:_REASON] + '…'}{more})")
    return f"{words}: {', '.join(told)}" if told else ""


def differences(before: Record, after: Record) -> list[str]:
    """What was run differently, so that figures may differ for no other reason. Also of two `run.json`."""
    old, new = before.get("options") or {}, after.get("options") or {}
    pairs = [(name, before.get(name), after.get(name)) for name in ("scenario", "target")]
    pairs += [(name, old.get(name), new.get(name)) for name in _OPTIONS]
    pairs.append(("load", *((options.get("load") or {}).get("text") for options in (old, new))))
    sides = [run.get("target_details") or {} for run in (before, after)]
    pairs += [(name, *(side.get(name) for side in sides)) for name in ("timers", "recogniser")]
    return [f"{name}: {_word(a)} → {_word(b)}" for name, a, b in pairs if (a or None) != (b or None)]


def _word(value: Any) -> str:
    return "default" if not value else str(value)[:100]


def _doubts(before: Record, after: Record) -> list[str]:
    doubts = []
    for name, run in (("the run before", before), ("this run", after)):
        if run.get("cut_short"):
            doubts.append(f"{name} did not do all that it meant to: {run['cut_short']}")
        share, who = FOREIGN["foreign"]
        if (run.get("foreign") or 0.0) >= share:
            used = f"{who} used up to {run['foreign']:.0%} of the processor"
            doubts.append(f"in {name} {used}: latencies may have moved for that")
    old, new = (run.get("environment") or {} for run in (before, after))
    for name in [name for name in old if name in new and old[name] != new[name]]:
        doubts.append(f"{name} of the generator: {_word(old[name])} → {_word(new[name])}")
    if before.get("verdict") != "pass":
        doubts.append(f"the run before is no pass but {before.get('verdict')}")
    return doubts


def _no_latencies(before: Digest, after: Digest) -> str | None:
    for name, run in (("the run before", before.run), ("this run", after.run)):
        if run.get("late"):
            return f"the generator of {name} was too slow ({run['late']})"
    paces = [run.run.get("unpaced") for run in (before, after)]
    if paces[0] != paces[1]:
        return "the runs were sent at different paces"
    return None


def _checks(before: Digest, after: Digest) -> Area:
    area = Area("checks", "Checks")
    old, new = _by_name(before.checks), _by_name(after.checks)
    for name in [*new, *(n for n in old if n not in new)]:
        a, b = old.get(name, {}), new.get(name, {})
        was, now, detail = a.get("status"), b.get("status"), str(b.get("detail") or "")
        if was == now:
            area.same += 1
        elif now is None:
            area.add(Change(OTHER, f"{name}: no longer checked", f"was {was}"))
        elif was is None:
            area.add(Change(OTHER, f"{name}: new, {now}", detail))
        else:
            effect = WORSE if now == "fail" else BETTER if now == "pass" else OTHER
            area.add(Change(effect, f"{name}: {was} → {now}", detail))
    area.compared = many(area.same, "check")
    return area


def _by_name(checks: list[Record]) -> dict[str, Record]:
    """Of several with one name (scripts break with several texts) the one that holds least."""
    order = {"pass": 0, "inconclusive": 1, "fail": 2}
    return {c["name"]: c for c in sorted(checks, key=lambda c: order.get(c["status"], 1))}


def _errors(before: Digest, after: Digest) -> Area:
    area = Area("errors", "Error lines")
    area.unknown += _unread(before, after)
    if ungrouped := before.run.get("errors_ungrouped"):
        area.unknown.append(f"{many(ungrouped, 'error line')} of the run before that there was no room for")

    def key(row: Record) -> Any:
        return row.get("service"), row.get("fingerprint")

    def tell(row: Record) -> tuple[str, str]:
        return f"{row.get('service')} {row.get('fingerprint')}", f"{row.get('example')} ({row.get('count')} times)"

    read = _both_read(before, after)
    _sets(area, *([r for r in side.errors if r.get("service") in read] for side in (before, after)), key, tell)
    if read:
        area.compared = f"{_in_both(area, 'fingerprint')} in the logs of {' and '.join(read)}"
    return area


def _import_errors(before: Digest, after: Digest) -> Area:
    area = Area("import_errors", "Import errors")
    area.unknown += _unread(before, after)

    def key(row: Record) -> Any:
        return tuple(row.get(n) for n in ("service", "kind", "module", "name", "file"))

    _sets(area, before.import_errors, after.import_errors, key, lambda row: (str(row.get("title")), ""))
    if area.same or area.changes or _both_read(before, after):
        area.compared = _in_both(area, "import error")
    return area


def _sets(
    area: Area,
    old: list[Record],
    new: list[Record],
    key: Callable[[Record], Any],
    tell: Callable[[Record], tuple[str, str]],
) -> None:
    known, seen = {key(row) for row in old}, {key(row) for row in new}
    area.same += len(known & seen)
    for effect, word, rows, others in ((WORSE, "new", new, known), (BETTER, "gone", old, seen)):
        for row in rows:
            if key(row) not in others:
                what, detail = tell(row)
                area.add(Change(effect, f"{word}: {what}", detail))


def _imports(before: Digest, after: Digest) -> Area:
    """A watched module that is not imported any more is a proof that was lost; any other import may have moved."""
    area = Area("imports", "Imports exercised")
    nothing: Record = {}
    lost = [m for m in after.run.get("watched_never") or () if m not in (before.run.get("watched_never") or ())]
    counts = []
    for service in sorted(before.imports.keys() | after.imports.keys()):
        old, new = before.imports.get(service, nothing), after.imports.get(service, nothing)
        if not old.get("saw") or not new.get("saw"):
            run = "the run before" if not old.get("saw") else "this run"
            area.unknown.append(f"imports of {service}: the import probe did not see all of it in {run}")
            continue
        a, b = set(old["names"]), set(new["names"])
        area.same += len(a & b)
        counts.append(f"{len(a & b)} imports of {service}")
        gone, came = sorted(a - b), sorted(b - a)
        if old.get("left_out") or new.get("left_out"):
            area.unknown.append(f"imports of {service} that there was no room for")
        for module in lost:
            if any(n.startswith((f"{module}:", f"{module}.")) or n == module for n in gone):
                area.add(Change(WORSE, f"watched module no longer exercised: {module}", f"by {service}"))
        for names, words in ((gone, "no longer exercised"), (came, "newly exercised")):
            if names:
                more = f", and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
                what = f"{many(len(names), 'import')} of {service} {words}"
                area.add(Change(OTHER, what, ", ".join(names[:_LISTED]) + more))
    if not before.imports and not after.imports:
        area.unknown.append("neither run had the import probe")
    area.compared = " and ".join(counts)
    return area


def _findings(before: Digest, after: Digest) -> Area:
    area = Area("findings", "Protocol findings")
    known = {row.get("code") for row in before.findings}
    for row in after.findings:
        if row.get("code") in known:
            area.same += 1
            continue
        effect = WORSE if row.get("severity") == "error" else OTHER
        area.add(Change(effect, f"new: {row.get('code')}", f"{row.get('title')} ({row.get('count')} times)"))
    now = {row.get("code") for row in after.findings}
    for row in before.findings:
        if row.get("code") not in now:
            area.add(Change(BETTER, f"gone: {row.get('code')}", str(row.get("title"))))
    area.compared = _in_both(area, "code")
    return area


def _in_both(area: Area, noun: str) -> str:
    return f"{many(area.same, noun)} in both runs" if area.same or area.changes else f"no {noun} in either run"


def _both_read(before: Digest, after: Digest) -> list[str]:
    old, new = before.run.get("logs") or {}, after.run.get("logs") or {}
    return [name for name in old if name in new and old[name] is None and new[name] is None]


def _unread(before: Digest, after: Digest) -> list[str]:
    lines = []
    for name, run in (("the run before", before.run), ("this run", after.run)):
        lines += [f"in {name}, {why}" for why in (run.get("logs") or {}).values() if why]
    return lines
