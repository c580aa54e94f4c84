"""The imports of one service that the run started: gives it the probe, reads what it wrote, and tells the journal."""

import array
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from e2e.observe.optional import judged
from e2e.observe.spec import ServiceSpec
from e2e.observe.tree import SourceTree
from e2e.record.journal import Journal

PROBE = Path(__file__).with_name("probe")

MAX_FACTS = 5_000
MAX_WATCHED = 500
_MAX_FILES = 400
_READ_BYTES = 4 * 1024 * 1024


class Fact(NamedTuple):
    """One import statement of one place in the source, or one way in which it failed (`kind` is not None)."""

    kind: str | None
    file: str
    line: int
    module: str
    names: tuple[str, ...]
    own: bool
    reason: str | None


@dataclass(slots=True)
class _Process:
    """How far the files of one process were read. `cells` are the facts by their counters; `fresh`: it had news."""

    path: Path
    offset: int = 0
    python: str | None = None
    full: bool = False
    fresh: bool = False
    cells: dict[int, Fact] = field(default_factory=dict)


class Exercise:
    """What the service imports. Facts of the same place in several processes count together.

    Each is told to the journal when it is first seen, and again, with how often, in every phase that it is used in.
    The probe's files lie below `directory`, that of the run: a killed run leaves nothing elsewhere.
    """

    def __init__(self, spec: ServiceSpec, journal: Journal, directory: Path) -> None:
        self._spec, self._journal = spec, journal
        self._tree = SourceTree(spec)
        self._place = Path(tempfile.mkdtemp(prefix=f"probe-{spec.name}-", dir=directory.absolute()))
        self._processes: dict[str, _Process] = {}
        self._told: dict[Fact, int] = {}
        self._left_out = 0

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The variables that put the probe into a child whose environment is otherwise `environ`."""
        path = environ.get("PYTHONPATH")
        return {
            "PYTHONPATH": f"{PROBE}{os.pathsep}{path}" if path else str(PROBE),
            "E2E_PROBE_DIR": str(self._place),
            "E2E_PROBE_ROOT": str(self._tree.root),
            "E2E_PROBE_WATCH": ",".join(self._spec.imports.watch),
        }

    def look(self, phase: str, *, count: bool = True) -> None:
        """Tell what is new; with `count` also how often what is known was used since the last time."""
        processes = list(self._read())
        if not count and not any(process.fresh for process in processes):
            return
        totals: dict[Fact, int] = {}
        for process in processes:
            counts = _counts(process.path)
            for cell, fact in process.cells.items():
                totals[fact] = totals.get(fact, 0) + (counts[cell] if cell < len(counts) else 0)
        for fact, total in totals.items():
            known = self._told.get(fact)
            if total > (known or 0) and (count or known is None):
                self._tell(fact, total - (known or 0), phase)
                if fact in self._told or len(self._told) < MAX_FACTS:
                    self._told[fact] = total

    def close(self, phase: str) -> None:
        """The service has ended: tell the rest, and on what the probe stands."""
        try:
            self.look(phase)
            pythons = sorted({p.python for p in self._processes.values() if p.python})
            self._journal.write(
                "import_probe",
                service=self._spec.name,
                processes=sum(p.python is not None for p in self._processes.values()),
                python=pythons,
                facts=len(self._told),
                complete=not self._left_out and not any(p.full for p in self._processes.values()),
                watch=self._watched(),
            )
        finally:
            shutil.rmtree(self._place, ignore_errors=True)

    def _tell(self, fact: Fact, count: int, phase: str) -> None:
        if fact not in self._told and len(self._told) >= MAX_FACTS:
            self._left_out += 1
            return
        common: dict[str, Any] = {
            "service": self._spec.name,
            "module": fact.module,
            "file": self._tree.shown(fact.file),
            "line": fact.line,
            "phase": phase,
            "count": count,
        }
        if fact.kind is None:
            self._journal.write("import_use", **common, names=list(fact.names), own=fact.own)
            return
        error, rule = judged(fact.module, fact.names, fact.own, self._spec.imports)
        name = fact.names[0] if fact.names else None
        self._journal.write(
            "import_failure", **common, kind=fact.kind, name=name, reason=fact.reason, error=error, rule=rule
        )

    def _watched(self) -> list[str]:
        """The watched modules; patterns stand for the modules that the tree has under them, if it has any."""
        base = self._tree.base
        found: dict[str, None] = {}
        for pattern in self._spec.imports.watch:
            package = pattern.removesuffix(".*")
            inside = sorted((base / package.replace(".", os.sep)).glob("**/*.py")) if package != pattern else []
            names = [".".join(p.relative_to(base).with_suffix("").parts).removesuffix(".__init__") for p in inside]
            found |= dict.fromkeys([n for n in names if n != package] or [pattern])
        return list(found)[:MAX_WATCHED]

    def _read(self) -> Iterator[_Process]:
        for path in sorted(self._place.glob("*.jsonl"))[:_MAX_FILES]:
            process = self._processes.setdefault(path.stem, _Process(path))
            try:
                with path.open("rb") as file:
                    file.seek(process.offset)
                    lines, complete, _ = file.read(_READ_BYTES).rpartition(b"\n")
            except OSError:
                continue
            process.offset += len(lines) + len(complete)
            process.fresh = bool(lines)
            for line in lines.splitlines():
                _take(process, line)
            yield process


def _take(process: _Process, line: bytes) -> None:
    """One line of a process. The file is the service's: a line that is none of the probe's is passed over."""
    try:
        cell, *fact = json.loads(line)
        if cell is None:
            process.full = True
        elif len(fact) == 3:
            process.python = str(fact[2])
        else:
            kind, file, number, module, names, own, reason = fact
            names = tuple(map(str, names))
            process.cells[int(cell)] = Fact(kind, str(file), int(number), str(module), names, bool(own), reason)
    except (ValueError, TypeError):
        return


def _counts(path: Path) -> "array.array[int]":
    counts = array.array("Q")
    try:
        data = path.with_suffix(".counts").read_bytes()
    except OSError:
        return counts
    counts.frombytes(data[: len(data) // 8 * 8])
    return counts
