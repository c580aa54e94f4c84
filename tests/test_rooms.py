"""The rooms of the house: who may import whom. A lower room never imports a higher one."""

import ast
from pathlib import Path

import pytest

import e2e

PACKAGE = Path(e2e.__file__).parent

# Room -> what of ours it may import: rooms, or single modules. Everyone may import `errors`, and itself.
MAY_IMPORT: dict[str, set[str]] = {
    "audio": set(),
    "audit": set(),
    "protocol": set(),
    "record": set(),
    "clients": {"audio", "protocol", "record"},
    "observe": {"protocol", "record"},
    # Scripts declare what they expect: plain data, which the engine writes into the journal and does not judge.
    "engine": {"clients", "observe", "audio", "protocol", "record", "verdict.expect"},
    "verdict": {"protocol", "record"},
    "report": {"verdict", "record"},
    "live": {"report", "verdict", "record"},
    # It must not be able to read reference texts, so nothing else of `audio`.
    "standin": {"protocol", "audio.codec"},
    "doctor": {"engine", "clients", "observe", "protocol"},
    "scenarios": set(),
}
# What stands above the rooms, and the small things that stand below all of them.
ABOVE = {"cli", "config", "testing", "pytest_plugin"}
COMMON = {"errors", "durations", "__version__"}
PURE = ("audio", "protocol", "record", "verdict")


def modules(room: str) -> list[Path]:
    return sorted((PACKAGE / room).rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Absolute names that a module imports, wherever in it, with names taken from packages resolved to modules."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: import by the absolute name"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def ours(path: Path) -> set[str]:
    """What a module imports of ours, without `e2e.`: `audio.codec.require_codec`."""
    return {name.removeprefix("e2e.") for name in imports(path) if name.split(".")[0] == "e2e"}


def allowed(name: str, rules: set[str]) -> bool:
    return any(name == rule or name.startswith(f"{rule}.") for rule in rules)


def test_every_room_has_its_rules():
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert rooms == {*MAY_IMPORT, "cli", "testing"}
    single = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert single <= ABOVE | COMMON
    assert all(modules(room) for room in MAY_IMPORT)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_it_may(room):
    rules = MAY_IMPORT[room] | COMMON | {room}
    if room == "scenarios":
        rules = set(e2e.__all__)  # the public API, as a script of anyone's would
    wrong = {str(path.relative_to(PACKAGE)): bad for path in modules(room) if (bad := _wrong(path, rules))}
    assert wrong == {}


def _wrong(path: Path, rules: set[str]) -> list[str]:
    return sorted(name for name in ours(path) if not allowed(name, rules))


def test_no_room_but_the_command_line_imports_configuration_or_command_line():
    for room in MAY_IMPORT:
        for path in modules(room):
            assert not {name for name in ours(path) if name.split(".")[0] in ABOVE}, path


@pytest.mark.parametrize("room", PURE)
def test_pure_rooms_open_no_connection_and_read_no_clock(room):
    network = {"socket", "ssl", "asyncio", "httpx", "websockets", "urllib.request", "http", "time", "select"}
    for path in modules(room):
        assert not {name for name in imports(path) if allowed(name, network)}, path


def test_the_common_modules_stand_below_all_rooms():
    for path in PACKAGE.glob("*.py"):
        if path.stem in COMMON:
            assert {name.split(".")[0] for name in ours(path)} <= COMMON, path
    assert ours(PACKAGE / "errors.py") == set()
