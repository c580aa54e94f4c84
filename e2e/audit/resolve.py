"""Whether a module has a name: its own, passed on, starred in, a submodule, or one that nobody can foresee."""

from enum import Enum

from e2e.audit.model import ANY, Binding, Kind, Module, Statement
from e2e.audit.tree import Tree

ALWAYS = {
    *("__name__", "__file__", "__doc__", "__dict__", "__spec__", "__loader__", "__package__", "__builtins__"),
    *("__cached__", "__path__", "__annotations__", "__class__"),
}


class Has(Enum):
    """The answer, from worst to best."""

    NO = 0
    TYPING = 1  # only under TYPE_CHECKING
    UNKNOWN = 2
    YES = 3


class Names:
    """Answers about the names of a tree's modules."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._answers: dict[tuple[str, str], Has] = {}
        for module in tree.audited:
            tree.get(module.name)
        for module in tree.audited:
            self._foreign_hands(module)

    def _foreign_hands(self, module: Module) -> None:
        """`other.name = ...` gives `other` a name; a helper that gets `__name__` may replace the module."""
        for alias, name in module.grafts:
            if (target := self._stands_for(module, alias)) is None:
                continue
            if name == ANY:
                target.dynamic = True
            else:
                target.names.setdefault(name, Binding(runtime=True)).runtime = True
        for alias in module.helpers:
            helper = self._stands_for(module, alias)
            module.dynamic |= helper is not None and helper.makes_modules

    def _stands_for(self, module: Module, alias: str) -> Module | None:
        """The module that a name of `module` is, or, for a name that is none, is from."""
        binding = module.names.get(alias)
        source = binding.source if binding is not None else _imported_in_function(module, alias)
        if source is None:
            return None
        statement, name = source
        found = self.tree.find(module, statement).module
        return found and (self.tree.modules.get(f"{found.name}.{name}") or found)

    def has(self, module: Module, name: str) -> Has:
        """Whether `from module import name` finds something."""
        key = (module.name, name)
        if key not in self._answers:
            self._answers[key] = Has.NO  # a ring of star imports gives nothing by itself
            self._answers[key] = self._look(module, name)
        return self._answers[key]

    def _look(self, module: Module, name: str) -> Has:
        self.tree.get(module.name)
        binding = module.names.get(name)
        if (binding is not None and binding.runtime) or name in ALWAYS:
            return Has.YES
        if module.is_package and f"{module.name}.{name}".lstrip(".") in self.tree.modules:
            return Has.YES
        if module.kind is Kind.OPAQUE or module.dynamic:
            return Has.UNKNOWN
        best = Has.NO if binding is None else Has.TYPING
        for statement in stars(module):
            found = self.tree.find(module, statement)
            answer = Has.UNKNOWN if found.module is None else self.exported(found.module, name)
            if answer is Has.YES and statement.context.typing:
                answer = Has.TYPING
            best = max(best, answer, key=lambda has: has.value)
        return best

    def exported(self, module: Module, name: str) -> Has:
        """Whether `from module import *` brings `name`."""
        self.tree.get(module.name)
        if module.exports is None:
            return Has.NO if name.startswith("_") and not module.dynamic else self.has(module, name)
        if module.exports_complete and not module.dynamic and name not in {export for export, _ in module.exports}:
            return Has.NO
        return self.has(module, name)

    def origin(self, module: Module, name: str) -> tuple[Module, str] | None:
        """Where a name that `module` only passes on is defined in the tree. None if `module` defines it itself."""
        seen, at = {(module.name, name)}, (module, name)
        while (step := self._step(*at)) is not None:
            if (step[0].name, step[1]) in seen:
                break
            seen.add((step[0].name, step[1]))
            at = step
        return None if at == (module, name) else at

    def _step(self, module: Module, name: str) -> tuple[Module, str] | None:
        binding = module.names.get(name)
        if binding is not None:
            if binding.source is None:
                return None
            statement, there = binding.source
            if not there:
                return None
            found = self.tree.find(module, statement).module
            known = found is not None and self.has(found, there) is Has.YES
            if known and f"{found.name}.{there}" in self.tree.modules and there not in found.names:
                return None  # a submodule is no re-exported name
            return (found, there) if known else None
        for statement in stars(module):
            found = self.tree.find(module, statement).module
            if found is not None and self.exported(found, name) is Has.YES:
                return found, name
        return None


def stars(module: Module) -> list[Statement]:
    """The star imports whose names become the module's."""
    return [s for s in module.imports if s.names and s.names[0][0] == "*" and s.context.binds]


def _imported_in_function(module: Module, alias: str) -> tuple[Statement, str] | None:
    pairs = ((s, name, bound) for s in module.imports for name, bound in s.names or ())
    return next(((statement, name) for statement, name, bound in pairs if bound == alias), None)
