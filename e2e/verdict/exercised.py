"""Which imports of the services were executed, where, when and how often, as the import probe saw it."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from e2e.verdict.bounded import Bounded

Record = dict[str, Any]
Place = tuple[str, int]

MAX_STATEMENTS = 5_000
MAX_ROWS = 300


@dataclass(slots=True)
class Statement:
    """One import of one place in the source. `phases` says how often it was executed in each."""

    service: str
    file: str
    line: int
    module: str
    names: tuple[str, ...]
    own: bool
    phases: Counter[str] = field(default_factory=Counter)

    @property
    def text(self) -> str:
        return f"from {self.module} import {', '.join(self.names)}" if self.names else f"import {self.module}"

    def exercises(self, module: str) -> bool:
        """Whether executing it needs that module: itself, something in it, or as a name of its package."""
        if self.module == module or self.module.startswith(f"{module}."):
            return True
        return any(f"{self.module}.{name}" == module for name in self.names)


@dataclass(slots=True)
class Exercised:
    """What the probe told. Bounded: `left_out` counts the statements that there was no room for."""

    statements: dict[tuple, Statement] = field(default_factory=dict)
    forgiven: Bounded[Record] = field(default_factory=lambda: Bounded(100))
    probes: dict[str, Record] = field(default_factory=dict)
    failed: set[tuple] = field(default_factory=set)
    left_out: int = 0

    def use(self, record: Record) -> None:
        names = tuple(map(str, record.get("names") or ()))
        key = (*(record.get(k) for k in ("service", "file", "line", "module")), names)
        if key not in self.statements:
            if len(self.statements) >= MAX_STATEMENTS:
                self.left_out += 1
                return
            service, file, line, module = (record.get(k) for k in ("service", "file", "line", "module"))
            own = bool(record.get("own"))
            self.statements[key] = Statement(str(service), str(file), line or 0, str(module), names, own)
        self.statements[key].phases[str(record.get("phase"))] += record.get("count") or 1

    def fail(self, record: Record) -> None:
        """A failed import, by its service and place; the first of them."""
        if len(self.failed) < MAX_STATEMENTS:
            self.failed.add(tuple(record.get(k) for k in ("service", "file", "line")))

    def forgive(self, record: Record) -> None:
        """A failed import that is no error."""
        self.forgiven.add(record)

    def places(self, service: str) -> tuple[set[Place], set[Place]]:
        """(executed without failure, failed): the places in the source at which the service imported something."""
        failed = {(str(file), line) for name, file, line in self.failed if name == service}
        # `from __future__` runs nothing: it is a word to the compiler.
        used = {(s.file, s.line) for s in self.statements.values() if s.service == service and s.module != "__future__"}
        return used - failed, failed

    def probe(self, record: Record) -> None:
        self.probes[str(record.get("service"))] = record

    def saw(self, service: str) -> bool:
        """Whether the probe ran in that service and could write down everything."""
        probe = self.probes.get(service) or {}
        return bool(probe.get("processes") and probe.get("complete"))

    def words(self, service: str) -> str | None:
        """What the probe saw of a service; None where there was none."""
        probe = self.probes.get(service)
        if probe is None:
            return None
        if not probe.get("processes"):
            return f"import probe of {service}: it did not run there (is it a Python service that reads PYTHONPATH?)"
        count = sum(s.service == service for s in self.statements.values())
        aside = "" if probe.get("complete") else ", and more that it had no room for"
        pythons = " and ".join(map(str, probe.get("python") or ()))
        number = probe["processes"]
        where = "1 process" if number == 1 else f"{number} processes"
        return f"import probe of {service}: {count} import statements in {where} (Python {pythons}){aside}"

    @property
    def watch(self) -> list[str]:
        return list(dict.fromkeys(m for p in self.probes.values() for m in p.get("watch") or ()))

    def never(self) -> list[str]:
        """The watched modules that nothing imported."""
        statements = self.statements.values()
        return [m for m in self.watch if not any(s.exercises(m.removesuffix(".*")) for s in statements)]

    def names(self, service: str) -> set[str]:
        """What that service imported of its own and of the watched modules, wherever: `models.geolocation:Geolocation`.

        Without file and line: those change with every edit.
        """
        found: set[str] = set()
        watch = [m.removesuffix(".*") for m in self.watch]
        for s in self.statements.values():
            if s.service == service and (s.own or any(map(s.exercises, watch))):
                found.update(f"{s.module}:{name}" for name in s.names)
                found.update(() if s.names else (s.module,))
        return found

    def summary(self) -> dict[str, Any]:
        """As in `run.json`: the watched imports, or those of the services' own modules where none is watched."""
        watch, rows = self.watch, []
        for statement in self.statements.values():
            modules = [m for m in watch if statement.exercises(m.removesuffix(".*"))]
            if modules or (not watch and statement.own):
                rows.append(_row(statement, modules or [statement.module]))
        rows.sort(key=lambda row: (row["module"], row["service"], row["file"], row["line"]))
        return {
            "services": {name: {"saw": self.saw(name), "words": self.words(name)} for name in sorted(self.probes)},
            "statements": len(self.statements),
            "own": sum(s.own for s in self.statements.values()),
            "watch": watch,
            "rows": rows[:MAX_ROWS],
            "rows_left_out": max(0, len(rows) - MAX_ROWS) + self.left_out,
            "never": self.never(),
            "forgiven": [
                {k: r.get(k) for k in ("service", "kind", "module", "name", "file", "line", "phase", "rule")}
                for r in self.forgiven
            ],
        }


def _row(statement: Statement, modules: list[str]) -> dict[str, Any]:
    return {
        "import": statement.text,
        "module": ", ".join(modules),
        "service": statement.service,
        "file": statement.file,
        "line": statement.line,
        "phases": dict(statement.phases),
        "count": statement.phases.total(),
    }
