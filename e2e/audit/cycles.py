"""Import cycles that break when they run: a name is asked of a module that has not come to bind it yet.

Most cycles are harmless: they import modules, or names that are bound by then. So the import is played, in the order of
the statements, without running anything: a module binds its names one after the other, and an import inside it plays
the other module first. Only the modules of one cycle are played; nothing outside of it leads back into it.
"""

import sys
from dataclasses import dataclass

from e2e.audit.model import Finding, Module, Severity, Statement
from e2e.audit.tree import Tree

DONE = sys.maxsize
"""The event at which a module stands that was played to its end."""


@dataclass(frozen=True, slots=True)
class Break:
    """Where a played import ends: `statement` of `module` asks `target` for `name` too early."""

    module: Module
    statement: Statement
    target: Module
    name: str


class _Broken(Exception):
    def __init__(self, where: Break) -> None:
        self.where = where


def broken_cycles(tree: Tree) -> list[Finding]:
    """One finding for each import that breaks; an error if it does so whichever module of the entries comes first."""
    edges = {module.name: _reaches(tree, module) for module in tree.audited}
    findings = []
    for cycle in _cycles(edges):
        entries = sorted(name for name, to in edges.items() if name not in cycle and to & cycle) or sorted(cycle)
        breaks: dict[Break, list[str]] = {}
        steps = _Cycle(tree, cycle)
        for entry in entries:
            where = _Play(steps).breaks(entry)
            if where is not None:
                breaks.setdefault(where, []).append(entry)
        always = sum(map(len, breaks.values())) == len(entries)
        findings += [_finding(tree, where, first, always) for where, first in breaks.items()]
    return findings


def _finding(tree: Tree, where: Break, entries: list[str], always: bool) -> Finding:
    when = "whichever module is imported first" if always else f"when {entries[0]} is imported first"
    text = (
        f"circular import: {where.target.name} has not bound {where.name} yet when {where.module.name} asks for it, "
        f"{when}; import it inside the function that uses it, or move it to a module of its own"
    )
    level = Severity.ERROR if always else Severity.WARNING
    place = (tree.file_of(where.module), where.statement.line, where.statement.column)
    return Finding("broken-cycle", level, *place, where.target.name, where.name, text)


def _targets(tree: Tree, module: Module, statement: Statement) -> list[Module]:
    """The modules that a statement imports, in order: packages above first, then itself, then submodules named."""
    found = tree.find(module, statement).module
    if found is None:
        return []
    parts = found.name.split(".")
    chain = [tree.modules[name] for n in range(1, len(parts) + 1) if (name := ".".join(parts[:n])) in tree.modules]
    for name, _ in statement.names or ():
        below = tree.modules.get(f"{found.name}.{name}")
        if below is not None:
            chain.append(below)
    return chain


def _reaches(tree: Tree, module: Module) -> set[str]:
    statements = (event for event in module.events if isinstance(event, Statement))
    found = {target.name for statement in statements for target in _targets(tree, module, statement)}
    return found - {module.name}


def _cycles(edges: dict[str, set[str]]) -> list[set[str]]:
    """Strongly connected components of more than one module (Tarjan 1972, without recursion)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    components = []
    for root in edges:
        work = [(root, iter(sorted(edges[root])))] if root not in index else []
        while work:
            node, successors = work[-1]
            if node not in index:
                index[node] = low[node] = len(index)
                stack.append(node)
                on_stack.add(node)
            for successor in successors:
                if successor not in index:
                    work.append((successor, iter(sorted(edges.get(successor, ())))))
                    break
                if successor in on_stack:
                    low[node] = min(low[node], index[successor])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    component = set(stack[stack.index(node) :])
                    del stack[stack.index(node) :]
                    on_stack -= component
                    components += [component] if len(component) > 1 else []
    return components


@dataclass(frozen=True, slots=True)
class _Step:
    """An import of one module of a cycle in another: what it plays, and what it asks for. `at`: index of its event."""

    at: int
    statement: Statement
    targets: list[tuple[str, str]]  # (module to be played, name that makes it unnecessary if bound)
    found: Module
    names: list[str]


class _Cycle:
    """The steps of the modules of a cycle, and when each module binds its names."""

    def __init__(self, tree: Tree, members: set[str]) -> None:
        self.tree, self.members = tree, members
        self.steps: dict[str, list[_Step]] = {}
        self.first: dict[str, dict[str, int]] = {}
        for name in members:
            events = tree.modules[name].events
            self.first[name] = {event: n for n, event in reversed(list(enumerate(events))) if isinstance(event, str)}
        for name in members:
            self.steps[name] = self.steps_of(name)

    def steps_of(self, name: str) -> list[_Step]:
        module = self.tree.modules[name]
        return [
            _Step(n, event, targets, found, self._askable(found, event))
            for n, event in enumerate(module.events)
            if isinstance(event, Statement) and not event.context.guarded
            if (found := self.tree.find(module, event).module) is not None
            if (targets := self._targets(module, event, found.name))
        ]

    def _targets(self, module: Module, statement: Statement, found: str) -> list[tuple[str, str]]:
        targets = [target.name for target in _targets(self.tree, module, statement)]
        below = len(found) + 1
        return [(t, t[below:] if t.startswith(f"{found}.") else "") for t in targets if t in self.members]

    def _askable(self, found: Module, statement: Statement) -> list[str]:
        """The names that `found` will bind for sure, so that asking for them can only be too early."""
        if found.name not in self.members or found.dynamic:
            return []
        modules, binds = self.tree.modules, self.first[found.name]
        return [name for name, _ in statement.names or () if name in binds and f"{found.name}.{name}" not in modules]


class _Play:
    """One import of one module in a fresh process, as far as a cycle goes. `at`: index of the event being played."""

    def __init__(self, cycle: _Cycle) -> None:
        self.cycle = cycle
        self.at: dict[str, int] = {}

    def breaks(self, entry: str) -> Break | None:
        parts = entry.split(".")
        try:
            for n in range(1, len(parts)):
                if (above := ".".join(parts[:n])) in self.cycle.members:
                    self.run(above)
            if entry in self.cycle.members:
                self.run(entry)
            else:
                self.play(entry, self.cycle.steps_of(entry))
        except _Broken as broken:
            return broken.where
        except RecursionError:
            return None  # a chain of imports too long to be played: nothing is claimed about it
        return None

    def run(self, name: str) -> None:
        if name not in self.at:
            self.play(name, self.cycle.steps[name])

    def play(self, name: str, steps: list[_Step]) -> None:
        for step in steps:
            self.at[name] = step.at
            for target, unless in step.targets:
                if not (unless and self._is_bound(step.found.name, unless)):
                    self.run(target)
            for asked in step.names:
                if not self._is_bound(step.found.name, asked):
                    raise _Broken(Break(self.cycle.tree.modules[name], step.statement, step.found, asked))
        self.at[name] = DONE

    def _is_bound(self, module: str, name: str) -> bool:
        """Whether a module that is being played, or was, has come to bind a name."""
        return self.cycle.first.get(module, {}).get(name, DONE) < self.at.get(module, DONE)
