"""The modules of a source tree, by name, and what a dotted name means when one of them imports it."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from e2e.audit.model import Kind, Module, Statement
from e2e.audit.source import read
from e2e.errors import UsageError

SKIPPED = {"__pycache__", "node_modules", "site-packages"}
OPAQUE_SUFFIXES = (".so", ".pyd", ".pyx", ".pyi")


@dataclass(frozen=True, slots=True)
class Found:
    """What a dotted name leads to.

    `own` is False for names whose top is not the tree's. Of an own name, `module` is what was found; where it is None,
    `missing` says which part is not there, or is empty when that cannot be known.
    """

    own: bool
    module: Module | None = None
    missing: str = ""


FOREIGN = Found(own=False)
UNKNOWN = Found(own=True)


class Tree:
    """All modules below the first directory above `path` that is no package; those in `path` are audited.

    Raises `UsageError` where there is no Python at all, or a directory that cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        if not self.path.is_dir():
            raise UsageError(f"{path} is no directory: give the directory of the source tree")
        self.root = self.path
        while (self.root / "__init__.py").is_file():
            self.root = self.root.parent
        self.in_package = self.root != self.path
        top = self.path.relative_to(self.root).parts[:1]
        self.modules: dict[str, Module] = {"": Module("", Kind.NAMESPACE, self.root)}
        self._walk(self.root / top[0] if top else self.root, ".".join(top))
        self.audited = sorted(
            (m for m in self.modules.values() if m.kind in (Kind.SOURCE, Kind.PACKAGE) and self._inside(m)),
            key=lambda module: module.name,
        )
        if not self.audited:
            raise UsageError(f"{path} holds no Python files: give the directory of the source tree")
        self._cache: dict[tuple[str, str], Found] = {}
        self._statements: dict[Statement, Found] = {}
        self._claimed: set[str] | None = None

    def _inside(self, module: Module) -> bool:
        return module.path is not None and module.path.is_relative_to(self.path)

    def _walk(self, directory: Path, name: str) -> None:
        """Register a directory and all below it. A package wins over a module of the same name, source over stubs."""
        try:
            with os.scandir(directory) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            raise UsageError(f"cannot read {directory}: {(error.strerror or str(error)).lower()}") from error
        files = [entry.name for entry in listed if entry.is_file()]
        if name:
            init = directory / "__init__.py"
            has_code = "__init__.py" in files
            self.modules[name] = Module(name, Kind.PACKAGE if has_code else Kind.NAMESPACE, init if has_code else None)
        prefix = f"{name}." if name else ""
        for entry in listed:
            if not entry.is_dir() or entry.name.startswith(".") or entry.name in SKIPPED:
                continue
            if not os.path.exists(os.path.join(entry.path, "pyvenv.cfg")):
                self._walk(Path(entry.path), prefix + entry.name)
        for file in files:
            self._file(directory / file, prefix)

    def _file(self, path: Path, prefix: str) -> None:
        stem = path.name.partition(".")[0]
        if stem == "__init__":
            return
        name = prefix + stem
        there = self.modules.get(name)
        if path.suffix == ".py" and path.name.count(".") == 1:
            if there is None or there.kind in (Kind.NAMESPACE, Kind.OPAQUE):
                self.modules[name] = Module(name, Kind.SOURCE, path)
        elif path.suffix in OPAQUE_SUFFIXES and (there is None or there.kind is Kind.NAMESPACE):
            self.modules[name] = Module(name, Kind.OPAQUE, path)

    def get(self, name: str) -> Module | None:
        """The module of this full name, its source read."""
        module = self.modules.get(name)
        if module is not None:
            read(module)
        return module

    def file_of(self, module: Module) -> str:
        """Path of a module's file below the root, with `/`."""
        return module.path.relative_to(self.path).as_posix() if module.path else module.name

    def absolute(self, module: Module, statement: Statement) -> str | None:
        """The dotted name that a statement of `module` imports (from). None if it leaves the top package."""
        if not statement.level:
            return statement.target
        parts = module.package.split(".") if module.package else []
        up = statement.level - 1
        if up > len(parts) or (up == len(parts) and (parts or self.in_package)):
            return None
        return ".".join([*parts[: len(parts) - up], *filter(None, [statement.target])])

    def find(self, module: Module, statement: Statement) -> Found:
        """What the module that a statement names is."""
        if statement not in self._statements:
            dotted = self.absolute(module, statement)
            if dotted is None:
                found = UNKNOWN
            else:
                found = self._below("", dotted) if statement.level else self.find_absolute(module, dotted)
            self._statements[statement] = found
        return self._statements[statement]

    def find_absolute(self, module: Module, dotted: str) -> Found:
        """What an absolute name means in `module`: looked up from each directory that may be on its path."""
        package = module.package
        key = (package, dotted)
        if key not in self._cache:
            self._cache[key] = self._search(package, dotted)
        return self._cache[key]

    def _search(self, package: str, dotted: str) -> Found:
        best, top = FOREIGN, dotted.partition(".")[0]
        for prefix in self._prefixes(package):
            if (prefix and top in sys.stdlib_module_names) or prefix + top not in self.modules:
                continue
            found = self._below(prefix, dotted)
            if found.module is not None:
                return found
            if not best.own:
                best = found
        return best

    def _prefixes(self, package: str) -> list[str]:
        """The root, the directories above the file that are no packages (its own is a script's path), and `src`."""
        prefixes, parts = [""], package.split(".") if package else []
        for n in range(1, len(parts) + 1):
            name = ".".join(parts[:n])
            # A directory with a dot in its name (`v1.2`) is none of the modules that its parts would name.
            if name not in self.modules or self.modules[name].kind is not Kind.NAMESPACE:
                break
            prefixes.append(f"{name}.")
        if "src" in self.modules and self.modules["src"].kind is Kind.NAMESPACE and "src." not in prefixes:
            prefixes.append("src.")
        return prefixes

    def _below(self, prefix: str, dotted: str) -> Found:
        full = prefix + dotted
        if (module := self.get(full)) is not None:
            return Found(True, module)
        parts = dotted.split(".")
        for n in range(1, len(parts) + 1):
            part = prefix + ".".join(parts[:n])
            module = self.get(part)
            if module is None:
                return Found(True, None, ".".join(parts[:n])) if n > 1 or prefix else Found(True, None, part)
            if module.kind is Kind.OPAQUE or module.makes_modules or module.syntax_error:
                return UNKNOWN
        return UNKNOWN

    def is_claimed(self, module: Module, dotted: str) -> bool:
        """Whether the top of an own name is surely the tree's.

        A directory without `__init__.py` may only be named like an installed package (`alembic/`, `docs/`): it is the
        tree's if some import of the tree reaches a real module in it.
        """
        if self._claimed is None:
            self._claimed = {top for other in self.audited for top in self._reached(other)}
        top = dotted.partition(".")[0]
        tops = [prefix + top for prefix in self._prefixes(module.package) if prefix + top in self.modules]
        return any(self.modules[name].kind is not Kind.NAMESPACE or name in self._claimed for name in tops)

    def _reached(self, module: Module) -> list[str]:
        read(module)
        reached = []
        for statement in module.imports:
            if statement.level or not (found := self.find_absolute(module, statement.target)).module:
                continue
            names = [found.module.name]
            names += [f"{found.module.name}.{name}" for name, _ in statement.names or ()]
            real = [name for name in names if name in self.modules and self.modules[name].kind is not Kind.NAMESPACE]
            if real:
                depth = len(found.module.name.split(".")) - len(statement.target.split("."))
                reached.append(".".join(found.module.name.split(".")[: depth + 1]))
        return reached
