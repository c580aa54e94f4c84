"""What the audit knows of a tree, and what it says about it: modules, import statements, findings."""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Kind(StrEnum):
    """What stands behind a module's name."""

    SOURCE = "source"
    PACKAGE = "package"
    NAMESPACE = "namespace"  # a directory without __init__.py
    OPAQUE = "opaque"  # an extension module, a stub without source, or text that is no Python


class Severity(StrEnum):
    """`error` ends the command with 1."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Context:
    """Under which conditions a statement runs."""

    lazy: bool = False  # in a function, or only when run as a script: not at import
    typing: bool = False  # under TYPE_CHECKING: only for type checkers
    guarded: bool = False  # an ImportError is caught around it
    binds: bool = True  # its names become names of the module (not those of a class or function)


@dataclass(eq=False, slots=True)
class Statement:
    """One import. `names` is None for `import target`, else (name, bound as) pairs; `*` is a name like others."""

    line: int
    column: int
    target: str
    level: int
    names: tuple[tuple[str, str], ...] | None
    context: Context


@dataclass(slots=True)
class Binding:
    """A name of a module.

    `source` is the import that bound it and the name there, which is empty where it is
    the imported module itself; None if defined in the module.
    """

    runtime: bool
    source: tuple[Statement, str] | None = None


ANY = "*"
"""In place of a name that is computed."""

Event = Statement | str
"""What happens in turn when a module is imported: an import, or the binding of a name."""


@dataclass(eq=False, slots=True)
class Module:
    """A module of the tree; everything after `path` is read from its source when first asked for."""

    name: str
    kind: Kind
    path: Path | None
    names: dict[str, Binding] = field(default_factory=dict)
    imports: list[Statement] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    exports: list[tuple[str, int]] | None = None  # __all__ with lines; None where there is none
    exports_complete: bool = True  # False where __all__ is computed
    dynamic: bool = False  # it makes names in ways that cannot be read from the source
    makes_modules: bool = False  # it puts entries into sys.modules, so that modules below it may exist without a file
    grafts: set[tuple[str, str]] = field(default_factory=set)  # (a, b) where it assigns to a.b; b may be ANY
    helpers: set[str] = field(default_factory=set)  # what it calls with its own __name__
    syntax_error: tuple[int, str] | None = None
    closed: bool = False  # `syntax_error` says why the file cannot even be read
    was_read: bool = False

    @property
    def is_package(self) -> bool:
        return self.kind in (Kind.PACKAGE, Kind.NAMESPACE)

    @property
    def package(self) -> str:
        """The package that relative imports in it start from."""
        return self.name if self.is_package else self.name.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Rule:
    code: str
    name: str
    text: str


RULES = {
    rule.name: rule
    for rule in (
        Rule("IMP001", "unreadable", "The file cannot be read or parsed, so nothing is known of its imports and names"),
        Rule("IMP101", "missing-module", "The imported module does not exist in the tree"),
        Rule("IMP102", "missing-name", "The imported name does not exist in its module"),
        Rule("IMP103", "typing-only-name", "The imported name exists only under TYPE_CHECKING"),
        Rule("IMP104", "beyond-top", "The relative import leaves the top package"),
        Rule("IMP105", "missing-distribution", "The interpreter does not have this top-level module"),
        Rule("IMP106", "missing-export", "__all__ lists a name that the module does not have"),
        Rule("IMP201", "broken-cycle", "A circular import asks for a name before it is bound"),
        Rule("IMP301", "star-import", "A star import hides which names are used"),
        Rule("IMP302", "re-export", "A name is imported from a module that only passes it on"),
    )
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing said about one place. `file` is relative to the audited root, with `/`."""

    rule: str
    severity: Severity
    file: str
    line: int
    column: int
    module: str
    name: str
    message: str

    @property
    def fingerprint(self) -> str:
        """Which finding this is, wherever in its file it stands: no line goes in."""
        text = "\0".join((RULES[self.rule].code, self.file, self.module, self.name))
        return hashlib.sha256(text.encode()).hexdigest()[:16]
