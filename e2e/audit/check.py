"""Each import of a tree held against the tree: what cannot work, and what should be known."""

import difflib
import fnmatch
import gc
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from e2e.audit.cycles import broken_cycles
from e2e.audit.installed import missing_modules
from e2e.audit.model import Finding, Kind, Module, Severity, Statement
from e2e.audit.resolve import Has, Names
from e2e.audit.tree import Tree
from e2e.errors import UsageError

GENERATED = {"_version", "version", "__version__", "_build"}
"""Modules that a build writes: missing from a checkout, and usually caught where they are imported."""

MAX_NAMES = 10
"""Of top-level modules that an error names."""


@dataclass(slots=True)
class Audit:
    """The result. `watched` counts the imports of each watched module: (all of them, those in functions).

    `places` are the lines of each file on which an import stands that can run: not those under TYPE_CHECKING.
    """

    findings: list[Finding]
    files: int
    statements: int
    watched: dict[str, tuple[int, int]] = field(default_factory=dict)
    places: dict[str, list[int]] = field(default_factory=dict)


def audit(path: Path, package: str | None = None, watch: Iterable[str] = (), python: str | None = None) -> Audit:
    """Audit the tree at `path`.

    `package` keeps only findings in or about that package; `watch` holds patterns as `models.*`; `python` is an
    interpreter that is asked for top-level modules that are not the tree's. Raises `UsageError`, also where the tree
    has no such package or a pattern matches none of its modules: a slip of the pen must not look like a clean tree.
    """
    collects = gc.isenabled()
    gc.disable()  # syntax trees are many small objects without cycles: looking for some costs a third of the time
    try:
        tree = Tree(path)
        wanted = _packages(tree, package, path) if package else set()
        auditor = _Auditor(tree, tuple(watch))
        for pattern in auditor.watch:
            if not any(name and fnmatch.fnmatchcase(name, pattern) for name in tree.modules):
                raise UsageError(f"--watch {pattern!r} matches no module of {path}; it has {_tops(tree)}")
        findings = auditor.run(python)
    finally:
        if collects:
            gc.enable()
    if package:
        findings = [f for f in findings if auditor.concerns(f, package, wanted)]
    order = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}
    findings.sort(key=lambda f: (order[f.severity], f.file, f.line, f.column, f.rule, f.name))
    count = sum(len(module.imports) for module in auditor.tree.audited)
    return Audit(findings, len(auditor.tree.audited), count, auditor.watched(), auditor.places())


def _packages(tree: Tree, package: str, path: Path) -> set[str]:
    """The full names of a package: where the tree has none of this name at its root, those of directories below it."""
    known = {
        name[:end]
        for name, module in tree.modules.items()
        if module.kind is not Kind.NAMESPACE
        for end in (*(n for n, c in enumerate(name) if c == "."), len(name))
    }
    found = {package} & known or {name for name in known if name.endswith(f".{package}")}
    if not found:
        raise UsageError(f"no package {package} in {path}; it has {_tops(tree)}")
    return found


def _tops(tree: Tree) -> str:
    names = sorted({module.name.partition(".")[0] for module in tree.audited} - {""})
    return ", ".join(names[:MAX_NAMES]) + (f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else "")


class _Auditor:
    def __init__(self, tree: Tree, watch: tuple[str, ...]) -> None:
        self.tree = tree
        self.names = Names(tree)
        self.watch = watch
        self.findings: list[Finding] = []
        self.foreign: dict[str, list[tuple[Module, Statement]]] = defaultdict(list)
        self.starred: set[str] = set()
        self.uses: dict[str, list[bool]] = defaultdict(list)

    def run(self, python: str | None) -> list[Finding]:
        for module in self.tree.audited:
            self.tree.get(module.name)
            if module.syntax_error:
                line, text = module.syntax_error
                level, what = (Severity.ERROR, "read") if module.closed else (Severity.WARNING, "parsed")
                self.say("unreadable", level, module, line, 1, module.name, "", f"cannot be {what}: {text}")
            for statement in module.imports:
                self.statement(module, statement)
        for module in self.tree.audited:
            self.exports(module)
        self.findings += broken_cycles(self.tree)
        if python:
            self.installed(python)
        return self.findings

    def say(
        self, rule: str, severity: Severity, module: Module, line: int, column: int, about: str, name: str, text: str
    ) -> None:
        self.findings.append(Finding(rule, severity, self.tree.file_of(module), line, column, about, name, text))

    def at(
        self, rule: str, severity: Severity, place: tuple[Module, Statement], about: str, name: str, text: str
    ) -> None:
        module, statement = place
        self.say(rule, severity, module, statement.line, statement.column, about, name, text)

    def statement(self, module: Module, statement: Statement) -> None:
        place = (module, statement)
        dotted = self.tree.absolute(module, statement)
        if dotted is None:
            if self.tree.in_package or module.package:
                written = "." * statement.level + statement.target
                self.at("beyond-top", severity(statement), place, written, "", f"{written} leaves the top package")
            return
        found = self.tree.find(module, statement)
        if not found.own:
            self.foreign[dotted.partition(".")[0]].append(place)
        elif found.module is None:
            if found.missing and (statement.level or self.tree.is_claimed(module, dotted)):
                self.missing_module(place, dotted, found.missing)
        else:
            self.uses[found.module.name].append(statement.context.lazy)
            for name, _ in statement.names or ():
                self.name(place, found.module, dotted, name)

    def missing_module(self, place: tuple[Module, Statement], dotted: str, missing: str) -> None:
        level = severity(place[1])
        if place[1].context.guarded and dotted.rpartition(".")[2] in GENERATED:
            level = Severity.WARNING
        parent, _, last = missing.rpartition(".")
        near = difflib.get_close_matches(missing, self.tree.modules, 1, 0.8)
        moved = [name for name in self.tree.modules if name.rpartition(".")[2] == last]
        text = f"there is no module {missing}"
        if parent and (above := self.tree.modules.get(parent)) is not None and not above.is_package:
            text += f" ({parent} is a module, not a package)"
        self.at("missing-module", level, place, dotted, "", text + hint(near or moved[:2]))

    def name(self, place: tuple[Module, Statement], target: Module, dotted: str, name: str) -> None:
        module, statement = place
        if name == "*":
            self.starred.add(target.name)
            text = f"from {dotted or '.'} import *: which names it brings depends on the other module"
            self.at("star-import", Severity.INFO, place, dotted, "*", text)
            return
        answer = self.names.has(target, name)
        if f"{target.name}.{name}".lstrip(".") in self.tree.modules:
            self.uses[f"{target.name}.{name}".lstrip(".")].append(statement.context.lazy)
        if answer is Has.NO:
            if target.kind is Kind.NAMESPACE and not statement.level and not self.tree.is_claimed(module, dotted):
                return
            level = severity(statement)
            if statement.context.guarded and name in GENERATED:
                level = Severity.WARNING
            near = difflib.get_close_matches(name, target.names, 1, 0.8)
            text = f"{dotted or '.'} has no name {name}"
            self.at("missing-name", level, place, dotted, name, text + hint(near or self.definers(name)))
        elif answer is Has.TYPING and not statement.context.typing:
            text = f"{dotted} has {name} only under TYPE_CHECKING: this import fails when it runs"
            self.at("typing-only-name", severity(statement), place, dotted, name, text)
        elif answer is Has.YES and self.watch:
            self.re_export(place, target, dotted, name)

    def definers(self, name: str) -> list[str]:
        there = (m for m in self.tree.audited if name in m.names and m.names[name].source is None)
        return [f"{module.name}.{name}" for module in there][:2]

    def re_export(self, place: tuple[Module, Statement], target: Module, dotted: str, name: str) -> None:
        origin = self.names.origin(target, name)
        if origin is None or not (self.is_watched(origin[0].name) or self.is_watched(target.name)):
            return
        text = f"{dotted} only passes {name} on: import it from {origin[0].name}"
        self.at("re-export", Severity.WARNING, place, dotted, name, text)

    def is_watched(self, name: str) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.watch)

    def exports(self, module: Module) -> None:
        for name, line in module.exports or ():
            if self.names.has(module, name) in (Has.NO, Has.TYPING):
                level = Severity.ERROR if module.name in self.starred else Severity.WARNING
                text = f"__all__ lists {name}, which {module.name} does not have: import * from it fails"
                self.say("missing-export", level, module, line, 1, module.name, name, text)

    def installed(self, python: str) -> None:
        for top in missing_modules(python, self.foreign):
            for place in self.foreign[top]:
                context = place[1].context
                level = Severity.WARNING if context.guarded or context.typing else Severity.ERROR
                optional = " (optional: an ImportError is caught here)" if context.guarded else ""
                text = f"{python} has no module {top}{optional}"
                self.at("missing-distribution", level, place, top, "", text)

    def watched(self) -> dict[str, tuple[int, int]]:
        names = sorted(name for name in self.tree.modules if name and self.is_watched(name))
        return {name: (len(self.uses[name]), sum(self.uses[name])) for name in names}

    def places(self) -> dict[str, list[int]]:
        lines = {
            self.tree.file_of(module): sorted({s.line for s in module.imports if not s.context.typing})
            for module in self.tree.audited
        }
        return {file: found for file, found in lines.items() if found}

    def concerns(self, finding: Finding, package: str, full: set[str]) -> bool:
        """`package` is as imports say it, `full` are its names from the root on."""
        path = (self.tree.path / finding.file).relative_to(self.tree.root).as_posix()
        file = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        return _within(finding.module, package) or any(_within(file, name) for name in full)


def _within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def severity(statement: Statement) -> Severity:
    """Of an own module or name that is not there: also when the error is swallowed, for nothing else provides it."""
    return Severity.WARNING if statement.context.typing else Severity.ERROR


def hint(names: Iterable[str]) -> str:
    listed = " or ".join(names)
    return f"; is it {listed}?" if listed else ""
