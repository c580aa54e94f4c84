"""Which failed imports are errors, and which are only something that a service can do without."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from e2e.observe.spec import ImportsSpec

USUAL = (
    # Compiled or generated parts of a package, with a fallback in Python, and settings of one machine.
    *("*._speedups", "*._accel", "*._compat_ext", "*._cython", "*._native", "*._rust", "*._version", "*.__version__"),
    *("local_settings", "*.local_settings", "settings_local", "*.settings_local", "sitecustomize", "usercustomize"),
    # Of the standard library: platforms and versions that have them, and those that do not.
    *("_winapi", "_winreg", "winreg", "msvcrt", "fcntl", "termios", "pwd", "grp", "resource", "readline", "curses"),
    *("tomllib", "zoneinfo", "graphlib", "importlib.metadata", "importlib.resources", "typing", "distutils", "imp"),
    # Quicker stand-ins for what a service has anyway.
    *("uvloop", "orjson", "ujson", "simdjson", "rapidjson", "cchardet", "chardet", "brotli", "zstandard", "lxml"),
    *("hiredis", "cython", "Cython", "numba", "colorama", "dotenv", "sentry_sdk", "newrelic", "ddtrace", "debugpy"),
)
"""Imports that are commonly tried and done without, wherever they would lie."""


def judged(module: str, names: Iterable[str], own: bool, spec: ImportsSpec) -> tuple[bool, str]:
    """Whether a failed import is an error, and by which rule."""
    what = [module, *(f"{module}.{name}" for name in names)]
    if _any(what, spec.optional):
        return False, "allowed by `optional`"
    if _any(what, spec.required):
        return True, "declared required"
    if _any(what, spec.watch):
        return True, "watched"
    if _any(what, USUAL):
        return False, "a usual optional import"
    if own:
        return True, "in the service's own tree"
    return False, "not in the service's own tree, and not declared required"


def _any(what: list[str], patterns: Iterable[str]) -> bool:
    return any(matches(name, pattern) for name in what for pattern in patterns)


def matches(name: str, pattern: str) -> bool:
    """A pattern (`*` for any text) names a module with all that lies in it."""
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")
