"""One source file: its imports, the names that it binds, its `__all__`, and whether it does what cannot be foreseen.

The tree of a file is walked by statements. Expressions are looked into only in the few files whose text holds one of
the words that matter in them, which keeps the audit of a large tree at the cost of parsing it.
"""

import ast
import warnings
from collections.abc import Iterable
from dataclasses import replace

from e2e.audit.model import ANY, Binding, Context, Kind, Module, Statement

CATCH_IMPORT_ERRORS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
TRICKS = (
    b"globals(",
    b"locals(",
    b"vars(",
    b"exec(",
    b"sys.modules",
    b"meta_path",
    b":=",
    b"import_module(",
    b"setattr(",
)
LOCAL_TRICKS = {"vars", "locals", "exec"}  # they make names of the module only when called outside functions
READS_ONLY = {"get", "keys", "values", "items", "copy"}


def read(module: Module) -> None:
    """Fill in what the source says. A file that is no Python of this version becomes opaque, with `syntax_error`."""
    if module.was_read:
        return
    module.was_read = True
    if module.path is None or module.kind not in (Kind.SOURCE, Kind.PACKAGE):
        return
    try:
        text = module.path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except OSError as error:
        module.syntax_error = (1, (error.strerror or type(error).__name__).lower())
        module.closed = module.dynamic = True
        return
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        module.syntax_error = (line, getattr(error, "msg", None) or str(error) or type(error).__name__)
        module.dynamic = True
        return
    _Reader(module).block(tree.body, Context())
    if any(trick in text for trick in TRICKS):
        _tricks(module, tree)


class _Reader:
    """Walks statements in the order in which they run."""

    def __init__(self, module: Module) -> None:
        self.module = module

    def block(self, statements: Iterable[ast.stmt], context: Context) -> None:
        for statement in statements:
            handler = HANDLERS.get(type(statement))
            if handler is not None:
                handler(self, statement, context)

    def bind(self, name: str, context: Context, source: tuple[Statement, str] | None = None) -> None:
        if not context.binds:
            return
        self.module.dynamic |= name == "__getattr__"
        known = self.module.names.get(name)
        if known is None or (not known.runtime and not context.typing):
            self.module.names[name] = Binding(not context.typing, source)
        elif source is None and not context.typing:
            known.source = None
        if not context.typing and not context.lazy:
            self.module.events.append(name)

    def targets(self, target: ast.expr | None, context: Context) -> None:
        if not context.binds or target is None:
            return
        if isinstance(target, ast.Name):
            self.bind(target.id, context)
        elif isinstance(target, ast.Tuple | ast.List):
            for element in target.elts:
                self.targets(element, context)
        elif isinstance(target, ast.Starred):
            self.targets(target.value, context)

    def imported(self, statement: Statement) -> None:
        self.module.imports.append(statement)
        if not statement.context.lazy and not statement.context.typing:
            self.module.events.append(statement)

    def on_import(self, node: ast.Import, context: Context) -> None:
        for alias in node.names:
            statement = Statement(node.lineno, node.col_offset + 1, alias.name, 0, None, context)
            self.imported(statement)
            whole = alias.asname is not None or "." not in alias.name
            self.bind(alias.asname or alias.name.partition(".")[0], context, (statement, "") if whole else None)

    def on_import_from(self, node: ast.ImportFrom, context: Context) -> None:
        names = tuple((alias.name, alias.asname or alias.name) for alias in node.names)
        statement = Statement(node.lineno, node.col_offset + 1, node.module or "", node.level, names, context)
        if not node.level and node.module == "__future__":
            return
        self.imported(statement)
        for name, bound in names:
            if name != "*":
                self.bind(bound, context, (statement, name))

    def on_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, context: Context) -> None:
        self.bind(node.name, context)
        self.block(node.body, replace(context, lazy=True, binds=False))

    def on_class(self, node: ast.ClassDef, context: Context) -> None:
        self.block(node.body, replace(context, binds=False))
        self.bind(node.name, context)

    def on_assign(self, node: ast.Assign, context: Context) -> None:
        for target in node.targets:
            self.targets(target, context)
            if context.binds and isinstance(target, ast.Name) and target.id == "__all__":
                self.module.exports = []
                self._exports(node.value)
            elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
                self.module.grafts.add((target.value.id, target.attr))
        self._hands_name(node.value, context)

    def on_annotated(self, node: ast.AnnAssign, context: Context) -> None:
        # `name: type` alone binds nothing, but is written where a name will be put there by other means.
        self.targets(node.target, context)
        if context.binds and isinstance(node.target, ast.Name) and node.target.id == "__all__" and node.value:
            self.module.exports = []
            self._exports(node.value)

    def on_augmented(self, node: ast.AugAssign, context: Context) -> None:
        self.targets(node.target, context)
        if context.binds and isinstance(node.target, ast.Name) and node.target.id == "__all__":
            self._exports(node.value)

    def on_expression(self, node: ast.Expr, context: Context) -> None:
        """`__all__.extend([...])` and its like."""
        call = node.value
        self._hands_name(call, context)
        if not (context.binds and isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
            return
        if not (isinstance(call.func.value, ast.Name) and call.func.value.id == "__all__" and call.args):
            return
        if call.func.attr == "append":
            self._exports(ast.List(elts=call.args[:1], ctx=ast.Load()))
        elif call.func.attr == "extend":
            self._exports(call.args[0])
        else:
            self.module.exports_complete = False

    def _hands_name(self, value: ast.expr, context: Context) -> None:
        """`helper(__name__, ...)`: the helper may put something else in this module's place."""
        if context.binds and isinstance(value, ast.Call) and value.args:
            function = value.func.value if isinstance(value.func, ast.Attribute) else value.func
            if isinstance(function, ast.Name) and getattr(value.args[0], "id", None) == "__name__":
                self.module.helpers.add(function.id)

    def _exports(self, value: ast.expr) -> None:
        if self.module.exports is None:
            self.module.exports = []
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
            self._exports(value.left)
            self._exports(value.right)
        elif isinstance(value, ast.List | ast.Tuple | ast.Set):
            for element in value.elts:
                if isinstance(element, ast.Constant) and isinstance(element.value, str):
                    self.module.exports.append((element.value, element.lineno))
                else:
                    self.module.exports_complete = False
        else:
            self.module.exports_complete = False

    def on_if(self, node: ast.If, context: Context) -> None:
        body, other = context, context
        test = node.test
        if _names_type_checking(test):
            body = replace(context, typing=True)
        elif isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not) and _names_type_checking(test.operand):
            other = replace(context, typing=True)
        elif _asks_for_main(test):
            body = replace(context, lazy=True)
        self.block(node.body, body)
        self.block(node.orelse, other)

    def on_try(self, node: ast.Try, context: Context) -> None:
        guarded = context.guarded or any(_catches(handler.type) for handler in node.handlers)
        self.block(node.body, replace(context, guarded=guarded))
        for handler in node.handlers:
            self.block(handler.body, context)
        self.block(node.orelse, context)
        self.block(node.finalbody, context)

    def on_with(self, node: ast.With | ast.AsyncWith, context: Context) -> None:
        for item in node.items:
            self.targets(item.optional_vars, context)
            call = item.context_expr
            if not isinstance(call, ast.Call) or not any(map(_catches, call.args)):
                continue
            called = getattr(call.func, "id", None) or getattr(call.func, "attr", None)
            if called == "raises":
                return  # a test that wants the failure
            if called == "suppress":
                context = replace(context, guarded=True)
        self.block(node.body, context)

    def on_loop(self, node: ast.For | ast.AsyncFor | ast.While, context: Context) -> None:
        if not isinstance(node, ast.While):
            self.targets(node.target, context)
        self.block(node.body, context)
        self.block(node.orelse, context)

    def on_match(self, node: ast.Match, context: Context) -> None:
        for case in node.cases:
            for part in ast.walk(case.pattern):
                if isinstance(part, ast.MatchAs | ast.MatchStar) and part.name:
                    self.bind(part.name, context)
            self.block(case.body, context)

    def on_delete(self, node: ast.Delete, context: Context) -> None:
        # Only a deletion that surely happens: a conditional one leaves the name possible.
        if context == Context() and node.col_offset == 0:
            for target in node.targets:
                if isinstance(target, ast.Name):
                    self.module.names.pop(target.id, None)

    def on_global(self, node: ast.Global, context: Context) -> None:
        for name in node.names:
            self.module.names.setdefault(name, Binding(runtime=True)).runtime = True

    def on_alias(self, node: ast.stmt, context: Context) -> None:
        self.targets(node.name, context)  # type: ignore[attr-defined]


HANDLERS = {
    ast.Import: _Reader.on_import,
    ast.ImportFrom: _Reader.on_import_from,
    ast.FunctionDef: _Reader.on_function,
    ast.AsyncFunctionDef: _Reader.on_function,
    ast.ClassDef: _Reader.on_class,
    ast.Assign: _Reader.on_assign,
    ast.AnnAssign: _Reader.on_annotated,
    ast.AugAssign: _Reader.on_augmented,
    ast.Expr: _Reader.on_expression,
    ast.If: _Reader.on_if,
    ast.Try: _Reader.on_try,
    ast.TryStar: _Reader.on_try,
    ast.With: _Reader.on_with,
    ast.AsyncWith: _Reader.on_with,
    ast.For: _Reader.on_loop,
    ast.AsyncFor: _Reader.on_loop,
    ast.While: _Reader.on_loop,
    ast.Match: _Reader.on_match,
    ast.Delete: _Reader.on_delete,
    ast.Global: _Reader.on_global,
}
if hasattr(ast, "TypeAlias"):  # from Python 3.12 on
    HANDLERS[ast.TypeAlias] = _Reader.on_alias


def _names_type_checking(test: ast.expr) -> bool:
    """`TYPE_CHECKING`, `typing.TYPE_CHECKING`, either of them `and` something, and the old `if False:`."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return any(map(_names_type_checking, test.values))
    if isinstance(test, ast.Constant):
        return not test.value
    return "TYPE_CHECKING" in (getattr(test, "id", None), getattr(test, "attr", None))


def _asks_for_main(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"


def _catches(kind: ast.expr | None) -> bool:
    if kind is None:
        return True
    if isinstance(kind, ast.Tuple):
        return any(map(_catches, kind.elts))
    return bool(CATCH_IMPORT_ERRORS & {getattr(kind, "id", None), getattr(kind, "attr", None)})


def _tricks(module: Module, tree: ast.Module) -> None:
    """What only expressions show: names made through dictionaries, entries of sys.modules, imports by call."""
    harmless: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.NamedExpr) and isinstance(node.target, ast.Name):
            module.names.setdefault(node.target.id, Binding(runtime=True))
        elif _only_reads(node):
            harmless.add(node.value)
        elif isinstance(node, ast.Compare):
            harmless.update(node.comparators)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            module.dynamic |= _touches_sys_modules(node.value)
        elif isinstance(node, ast.Attribute) and node.attr == "meta_path":
            module.makes_modules = True
        elif isinstance(node, ast.Subscript) and _is_sys_modules(node.value) and isinstance(node.ctx, ast.Store):
            module.makes_modules = True
            module.dynamic |= getattr(node.slice, "id", None) == "__name__"
        elif isinstance(node, ast.Call):
            _call(module, node, harmless)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        for call in (node for node in ast.walk(statement) if isinstance(node, ast.Call)):
            function = functions.get(getattr(call.func, "id", ""))
            if function is not None and _only_read_in(function, harmless):
                harmless.update(call.args)
            module.dynamic |= getattr(call.func, "id", None) in LOCAL_TRICKS and call not in harmless


def _only_read_in(function: ast.FunctionDef, harmless: set[ast.AST]) -> bool:
    """Whether a function changes nothing of what it is given: `helper(locals())` then makes no names."""
    given = {argument.arg for argument in function.args.args}
    return all(node in harmless for node in ast.walk(function) if isinstance(node, ast.Name) and node.id in given)


def _only_reads(node: ast.AST) -> bool:
    """`x[key]` or `x.get`, and not the key of an assignment."""
    if isinstance(node, ast.Subscript):
        return isinstance(node.ctx, ast.Load)
    return isinstance(node, ast.Attribute) and node.attr in READS_ONLY


def _call(module: Module, node: ast.Call, harmless: set[ast.AST]) -> None:
    called = getattr(node.func, "id", None) or getattr(node.func, "attr", None)
    if called == "import_module" and node.args and isinstance(node.args[0], ast.Constant):
        target = node.args[0].value
        if isinstance(target, str) and target and not target.startswith("."):
            context = Context(lazy=True, guarded=True, binds=False)
            module.imports.append(Statement(node.lineno, node.col_offset + 1, target, 0, None, context))
    elif called == "globals":
        module.dynamic |= node not in harmless
    elif called == "setattr" and node.args and _touches_sys_modules(node.args[0]):
        module.dynamic = True
    elif called == "setattr" and len(node.args) > 1 and isinstance(node.args[0], ast.Name):
        name = node.args[1].value if isinstance(node.args[1], ast.Constant) else ANY
        module.grafts.add((node.args[0].id, str(name)))
    elif called in ("update", "setdefault") and isinstance(node.func, ast.Attribute):
        module.makes_modules |= _is_sys_modules(node.func.value)


def _is_sys_modules(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "modules" and getattr(node.value, "id", None) == "sys"


def _touches_sys_modules(node: ast.expr) -> bool:
    return isinstance(node, ast.Subscript) and _is_sys_modules(node.value)
