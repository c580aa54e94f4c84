"""The import probe: records which import statements a Python service executes, and which fail, also silently.

Python 3.9 and later, nothing but the interpreter itself. It wraps `builtins.__import__` and `importlib.import_module`.
Facts go to `PID.jsonl` in the directory that `E2E_PROBE_DIR` names, one O_APPEND write each; how often each was seen
stands in `PID.counts`, a mapped file of 8-byte counters, which needs no flush and survives SIGKILL.

Each fact is `[cell, kind, file, line, module, names, own, reason]`: `cell` is its counter; `kind` is null for an
import that succeeded, else the exception's type; `own` says whether the module lies in the service's tree. The first
line of a file is a header. A file holds at most CELLS facts, each of at most 30 names, every text cut at 300 chars.
"""

import builtins
import importlib
import itertools
import mmap
import os
import sys
from _json import encode_basestring_ascii as _quoted

CELLS = 4096
MAX_PROCESSES = 200
_MAX_TEXT = 300
_MAX_NAMES = 30

_Module = type(sys)
_getframe = sys._getframe
_import = builtins.__import__
_import_module = importlib.import_module

# Frames of the import machinery: warnings are not placed there, and Python cuts them out of tracebacks where it can.
_MACHINERY = {"co_filename": "<frozen importlib._bootstrap>", "co_name": "_call_with_frames_removed"}
_HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")
_STDLIB = os.path.join(os.path.dirname(os.path.abspath(os.__file__)), "")
_INSTALLED = (os.sep + "site-packages" + os.sep, os.sep + "dist-packages" + os.sep)


class _Probe:
    """What one process has seen. `files` maps a source file to its known import sites, or to None: not recorded."""

    def __init__(self, directory, roots, watch):
        self.directory, self.roots, self.watch = directory, roots, watch
        self.tops = frozenset(pattern.partition(".")[0] for pattern in watch)
        self.import_name = _opcode_of_import()
        self.maps = []  # never unmapped: the descriptor of a map may by then be somebody else's
        self.begin()

    def begin(self):
        """Begin a file of this process; also called in a forked child."""
        self.path = self.cells = None
        self.files, self.watched = {}, {}
        self.failures, self.places, self.lazy = {}, set(), {}
        self.free = itertools.count()
        if len(os.listdir(self.directory)) >= 2 * MAX_PROCESSES:
            raise OSError("too many processes")
        self.path = os.path.join(self.directory, str(os.getpid()))
        with open(self.path + ".counts", "w+b") as file:
            file.truncate(8 * CELLS)
            self.maps.append(mmap.mmap(file.fileno(), 8 * CELLS))
        self.cells = memoryview(self.maps[-1]).cast("Q")
        self.write([1, os.getpid(), os.getppid(), sys.version.split()[0]])

    def forked(self):
        try:
            self.begin()
        except Exception:
            _uninstall()

    def write(self, fact):
        text = "[" + ",".join(map(_encoded, fact)) + "]\n"
        # Opened anew each time: a service may close every descriptor that it does not know.
        fd = os.open(self.path + ".jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            os.write(fd, text.encode("ascii"))
        finally:
            os.close(fd)

    def new_cell(self, *fact):
        """The counter of a new fact, or None when there is no room."""
        cell = next(self.free)
        if cell >= CELLS:
            if cell == CELLS:
                self.write([None])
            return None
        self.write([cell, *fact])
        return cell

    # What is recorded

    def sites(self, filename):
        """The known sites of a file of the service; None for other people's files."""
        try:
            return self.files[filename]
        except KeyError:
            known = self.files[filename] = {} if self.inside(filename) else None
            return known

    def inside(self, path):
        if not path or path[0] == "<":
            return False
        path = os.path.abspath(path)
        if path.startswith((_STDLIB, _HERE)):
            return False
        for root in self.roots:
            if path.startswith(root):
                return not any(mark in path[len(root) - 1 :] for mark in _INSTALLED)
        return False

    def is_watched(self, module):
        try:
            return self.watched[module]
        except KeyError:
            found = any(_matches(module, pattern) for pattern in self.watch)
            self.watched[module] = found
            return found

    def owns(self, module):
        """Whether a module, also one that does not exist, would lie in the tree of the service."""
        top = module.partition(".")[0]
        loaded = sys.modules.get(top)
        if loaded is not None:
            places = [getattr(loaded, "__file__", None), *list(getattr(loaded, "__path__", None) or ())]
            return any(self.inside(os.path.join(place, "")) for place in places if place)
        return bool(top) and any(os.path.exists(root + top + ".py") or _holds_code(root + top) for root in self.roots)

    # What happens

    def succeeded(self, frame, name, fromlist, module, statement):
        """An import that is not known yet, or is worth a second look. Returns what the statement shall get."""
        code = frame.f_code
        sites = self.sites(code.co_filename)
        target = _target(name, fromlist, module)
        if sites is None:
            if not self.is_watched(target) and not any(self.is_watched(f"{target}.{n}") for n in fromlist or ()):
                return module
            sites = self.files[code.co_filename, name] = self.files.get((code.co_filename, name), {})
        if statement and not self.is_statement(frame):
            if "__import__" not in code.co_names:
                return module  # an import that the interpreter makes by itself
            statement = False
        # A plain call of `__import__` asks for no names; only a statement does.
        missing = _missing(module, fromlist) if statement else ()
        lazy = bool(missing) and _is_lazy(module)
        if missing and not lazy:
            for gone in missing:
                self.name_missing(frame, target, gone, module)
            return module
        known, key = (self.lazy if lazy else sites), (frame.f_lineno, name, fromlist)
        if lazy:
            key = (code.co_filename, *key)
        if key not in known:
            names = list(fromlist or ())[:_MAX_NAMES]
            known[key] = self.new_cell(None, code.co_filename, frame.f_lineno, target, names, self.owns(target), None)
        if known[key] is not None:
            self.cells[known[key]] += 1
        return _Lazy(module, self, frame, known[key]) if lazy else module

    def is_statement(self, frame):
        return frame.f_code.co_code[frame.f_lasti] == self.import_name

    def name_missing(self, frame, target, name, module):
        initialising = getattr(getattr(module, "__spec__", None), "_initializing", False)
        reason = f"cannot import name {name!r} from {'partially initialized module ' if initialising else ''}{target!r}"
        if initialising:
            reason += " (most likely due to a circular import)"
        self.failed_at(frame.f_code.co_filename, frame.f_lineno, "ImportError", target, [name], reason)

    def failed(self, frame, name, level, globals, error):
        filename, line = frame.f_code.co_filename, frame.f_lineno
        module = getattr(error, "name", None) if isinstance(error, ImportError) else None
        if not isinstance(module, str):
            package = (globals or {}).get("__package__") or ""
            module = name if not level else f"{package}.{name}".strip(".")
        if self.sites(filename) is None and not self.is_watched(module):
            return
        if not self.places.isdisjoint(_inside(error.__traceback__)):
            return  # told where it happened; this is an import of the module that it happened in
        self.failed_at(filename, line, type(error).__name__, module, [], str(error))

    def failed_at(self, filename, line, kind, module, names, reason):
        self.places.add((filename, line))
        key = (filename, line, kind, module, *names)
        cell = self.failures.get(key, -1)
        if cell == -1:
            cell = self.new_cell(kind, filename, line, module, names, self.owns(module), reason)
            self.failures[key] = cell
        if cell is not None:
            self.cells[cell] += 1


class _Lazy(_Module):
    """Stands for a module with a `__getattr__` in one `from` statement, to see what it answers without asking twice."""

    def __init__(self, module, probe, frame, cell):
        known = vars(module)
        _Module.__init__(self, "")
        own = {key: known[key] for key in ("__name__", "__file__", "__spec__", "__package__") if key in known}
        vars(self).clear()
        vars(self).update(own)
        vars(self)["_e2e_probe"] = (module, probe, cell, (frame.f_code.co_filename, frame.f_lineno))

    def __getattr__(self, name):
        module, *asked = vars(self)["_e2e_probe"]
        try:
            return getattr(module, name)
        except AttributeError:
            _lazily_missing(*asked, module, name)
            raise


def _lazily_missing(probe, cell, place, module, name):
    try:
        target = module.__name__
        if f"{target}.{name}" not in sys.modules and not name.startswith("__"):
            reason = f"cannot import name {name!r} from {target!r}"
            probe.failed_at(*place, "ImportError", target, [name], reason)
            if cell is not None:
                probe.cells[cell] -= 1
    except Exception:
        pass


def _target(name, fromlist, module):
    """The absolute name of the module that a statement is about."""
    if fromlist:
        return str(vars(module).get("__name__", name))
    return name


def _missing(module, fromlist):
    """The names that a `from` statement will not find in the module's own dictionary, nor as a loaded submodule."""
    if not fromlist or not isinstance(module, _Module):
        return ()
    known = vars(module)
    base = known.get("__name__")
    return [n for n in fromlist if n != "*" and n not in known and f"{base}.{n}" not in sys.modules]


def _is_lazy(module):
    return type(module) is not _Module or "__getattr__" in vars(module)


def _inside(traceback):
    """The places that an exception passed through inside the module that was being imported."""
    places = set()
    traceback = traceback.tb_next if traceback is not None else None
    while traceback is not None:
        places.add((traceback.tb_frame.f_code.co_filename, traceback.tb_lineno))
        traceback = traceback.tb_next
    return places


def _holds_code(directory):
    try:
        return any(name.endswith(".py") for name in os.listdir(directory))
    except OSError:
        return False


def _matches(module, pattern):
    if pattern.endswith(".*"):
        return module.startswith(pattern[:-1])
    return module == pattern


def _encoded(value):
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ",".join(map(_encoded, value)) + "]"
    return str(value) if isinstance(value, int) else _quoted(str(value)[:_MAX_TEXT])


def _opcode_of_import():
    """The number of the instruction that an `import` statement is, found by executing one."""
    found = []

    def spy(*_):
        frame = _getframe(1)
        found.append(frame.f_code.co_code[frame.f_lasti])

    exec("import x", {"__builtins__": {"__import__": spy}})
    return found[0]


_probe = None


def _hooked_import(name, globals=None, locals=None, fromlist=(), level=0):
    try:
        module = _import(name, globals, locals, fromlist, level)
    except Exception as error:
        _tell_failure(_caller(2), name, level, globals, error)
        raise
    try:
        frame = _getframe(1)
        sites = _probe.files[frame.f_code.co_filename]
        if sites is None:
            # Other people's files matter only where they import something that may be watched.
            place = globals["__package__"] if level else name
            if place.partition(".")[0] not in _probe.tops:
                return module
        else:
            _probe.cells[sites[frame.f_lineno, name, fromlist]] += 1
            return module
    except Exception:  # a site that is not known yet, or one that cannot be kept
        pass
    return _tell_success(_caller(2), name, fromlist, module, True)


def _hooked_import_module(name, package=None):
    try:
        module = _import_module(name, package)
    except Exception as error:
        _tell_failure(_caller(2), name, 0, None, error)
        raise
    _tell_success(_caller(2), getattr(module, "__name__", name), None, module, False)
    return module


def _caller(depth):
    """The frame that imports; None where the interpreter does so by itself."""
    try:
        return _getframe(depth)
    except ValueError:
        return None


def _tell_success(frame, name, fromlist, module, statement):
    try:
        fromlist = tuple(fromlist) if fromlist else None
        return module if frame is None else _probe.succeeded(frame, name, fromlist, module, statement)
    except Exception:
        return module


def _tell_failure(frame, name, level, globals, error):
    try:
        if frame is not None:
            _probe.failed(frame, name, level, globals, error)
    except Exception:
        pass


def install(environ):
    """Begin to record, as the environment says: E2E_PROBE_DIR, E2E_PROBE_ROOT, E2E_PROBE_WATCH (by commas).

    Without the first, or a second time, it does nothing. Raises whatever goes wrong, with nothing installed.
    """
    global _probe
    directory, root = environ.get("E2E_PROBE_DIR"), environ.get("E2E_PROBE_ROOT") or os.getcwd()
    if not directory or _probe is not None:
        return
    roots = {os.path.join(os.path.abspath(root), ""), os.path.join(os.path.realpath(root), "")}
    watch = tuple(p for p in environ.get("E2E_PROBE_WATCH", "").split(",") if p)
    _probe = _Probe(directory, sorted(roots), watch)
    for function in (_hooked_import, _hooked_import_module, _Lazy.__getattr__):
        function.__code__ = function.__code__.replace(**_MACHINERY)
    _hooked_import.__name__ = "__import__"
    _hooked_import_module.__name__ = "import_module"
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_probe.forked)
    builtins.__import__ = _hooked_import
    importlib.import_module = _hooked_import_module


def _uninstall():
    if builtins.__import__ is _hooked_import:
        builtins.__import__ = _import
    if importlib.import_module is _hooked_import_module:
        importlib.import_module = _import_module
