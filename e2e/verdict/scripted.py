"""What scripts checked themselves: one check of each name, however many devices made it."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

Record = dict[str, Any]

SCRIPT = "script"
"""The check that fails where a script raised an error."""

MAX_CHECKS = 500
_MAX_DEVICES = 20_000
_MAX_LINES = 20
_NAMED = 6


class Scripted:
    """One name. `_devices` are those that checked it, as far as records name them, `_failed` those of them for which
    it did not hold; details and lines are of these, or of the first one where it held for all."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._counts: Counter[str] = Counter()
        self._devices: set[str] = set()
        self._failed: dict[str, None] = {}
        self._details: dict[str, None] = {}
        self._lines: list[str] = []
        self._beyond = 0

    def take(self, record: Record) -> None:
        status = record["status"] if record.get("status") in ("pass", "fail") else "inconclusive"
        device, detail = str(record.get("device") or ""), str(record.get("detail") or "")
        if device and len(self._devices) < _MAX_DEVICES:
            self._devices.add(device)
        bad, first_bad = status != "pass", not self._bad
        self._counts[status] += 1
        if bad and device and len(self._failed) < _MAX_DEVICES:
            self._failed[device] = None
        if bad and first_bad:
            self._details, self._lines = {}, []
        elif not bad and self._counts.total() > 1:
            return
        if len(self._details) <= 1:  # whether there is more than one is all that is asked
            self._details[detail] = None
        told = [": ".join(filter(None, (device, detail))), *map(str, record.get("evidence") or ())]
        room = max(0, _MAX_LINES - len(self._lines))
        self._lines += told[:room]
        self._beyond += len(told[room:])

    @property
    def _bad(self) -> int:
        return self._counts.total() - self._counts["pass"]

    @property
    def status(self) -> str:
        return next((s for s in ("fail", "inconclusive") if self._counts[s]), "pass")

    @property
    def detail(self) -> str:
        """`28 of 30 devices; failed: dev-3, dev-9: no word of it`."""
        total, first = self._counts.total(), next(iter(self._details))
        if total == 1:
            return first
        noun = "devices" if len(self._devices) == total else "times"
        if self.name == SCRIPT:
            return f"{first} ({total} {noun}{self._whose(': ')})"
        words = f"{self._counts['pass']} of {total} {noun}{self._whose('; failed: ')}"
        return f"{words}: {first}" if first and len(self._details) == 1 and self._bad else words

    def _whose(self, words: str) -> str:
        more = f" and {len(self._failed) - _NAMED} more" if len(self._failed) > _NAMED else ""
        return f"{words}{', '.join([*self._failed][:_NAMED])}{more}" if self._failed else ""

    @property
    def evidence(self) -> list[str]:
        """What was recorded beside the detail; of several devices, what each of those said for which it failed."""
        if self._counts.total() == 1:
            return self._lines[1:]
        if not self._bad or self.name == SCRIPT:  # one that broke says the same of each
            return []
        return [line for line in self._lines if line] + ([f"... and {self._beyond} more"] if self._beyond else [])


class ScriptChecks:
    """Takes `check` records: by name, and what scripts broke with by its text. Names beyond the first are one."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str], Scripted] = {}

    def add(self, record: Record) -> None:
        name = str(record.get("name"))
        key = name, str(record.get("detail")) if name == SCRIPT else ""
        if key not in self._groups and len(self._groups) >= MAX_CHECKS:
            name, key = "(other checks)", ("(other checks)", "")
        if key not in self._groups:
            self._groups[key] = Scripted(name)
        self._groups[key].take(record)

    def __iter__(self) -> Iterator[Scripted]:
        return iter(self._groups.values())
