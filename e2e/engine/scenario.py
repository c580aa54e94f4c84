"""The scenario API: `@scenario` turns a coroutine function into what the runner runs; `load_scenario` finds one."""

import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from traceback import walk_tb
from types import ModuleType
from typing import TYPE_CHECKING, Any

from e2e.engine.load import Load
from e2e.errors import ScenarioError, UsageError
from e2e.verdict import expect as expectations
from e2e.verdict.expect import Expectation

if TYPE_CHECKING:
    from e2e.engine.device import Device
    from e2e.engine.target import Target

DEFAULT_EXPECT = (
    expectations.services_healthy(),
    expectations.connected(),
    expectations.no_session_failed(),
    expectations.all_chunks_sent(),
)
"""What holds for a scenario that expects nothing of its own."""

DeviceFunction = Callable[..., Awaitable[None]]
Step = Callable[["Target"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Drain:
    """What the run waits for after the last device, per uid, in the backend's log.

    `event` is a life-cycle event, `at_most` seconds. When it is not `required`, a missing one is a note.
    """

    event: str = "client_disconnected"
    at_most: float = 10.0
    required: bool = True

    @classmethod
    def disconnected(cls) -> "Drain":
        """The line `Client disconnected`, which comes at once."""
        return cls()

    @classmethod
    def handlers_ended(cls) -> "Drain":
        """The line `_stream_handler ended`, which comes up to a minute later: a missing one is a note."""
        return cls("handler_ended", 75.0, required=False)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What each device does, how many there are, what is done once before, and what is expected."""

    name: str
    title: str
    function: DeviceFunction
    load: Load
    expect: tuple[Expectation, ...]
    before: tuple[Step, ...]
    services: tuple[str, ...]
    drain: Drain
    description: str
    wait_conversation: bool = False

    def __call__(self, device: "Device", **settings: Any) -> Awaitable[None]:
        return self.function(device, **settings)

    @property
    def script(self) -> Path:
        """The file that declares it."""
        return Path(inspect.getfile(self.function))

    def settings(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Values for the parameters of the function, converted to the type of each default.

        Raises:
            UsageError: an unknown parameter, one without a value, or a value of another type.
        """
        parameters = list(inspect.signature(self.function).parameters.values())[1:]
        known = {p.name: p.default for p in parameters}
        values: dict[str, Any] = {}
        for name, text in given.items():
            if name.startswith("listen."):
                continue
            if name not in known:
                names = ", ".join([*known, "listen.NAME for query parameters"])
                raise UsageError(f"{self.name} has no parameter {name!r}; --set may say {names}")
            values[name] = _convert(name, text, known[name])
        for name, default in known.items():
            if default is inspect.Parameter.empty and name not in values:
                raise UsageError(f"{self.name} needs a value: give it a default, or say --set {name}=VALUE")
        return values


def _convert(name: str, text: str, default: Any) -> Any:
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False}[text.lower()]
        if isinstance(default, int | float):
            return type(default)(text)
    except (KeyError, ValueError):
        raise UsageError(f"--set {name}={text}: a value like {default!r} is needed") from None
    return text


def scenario(
    *,
    title: str,
    load: Load = Load(1),  # noqa: B008 - immutable
    expect: Sequence[Expectation] = DEFAULT_EXPECT,
    before: Sequence[Step] = (),
    services: Sequence[str] = ("backend", "pusher"),
    drain: Drain = Drain(),
    wait_conversation: bool = False,
) -> Callable[[DeviceFunction], Scenario]:
    """Declare a scenario.

    `title` says in one line what it shows. `before` are coroutine functions that get the `Target` and run once, before
    the load. `services` are those that must be up. With `wait_conversation`, each listen session that ends by itself
    first waits until its conversation was processed, as with `--wait-conversation`.

    Raises:
        ScenarioError: the function is not a coroutine function with a device as its first parameter.
    """

    def decorate(function: DeviceFunction) -> Scenario:
        name = getattr(function, "__name__", "scenario")
        if not inspect.iscoroutinefunction(function) or not inspect.signature(function).parameters:
            raise ScenarioError(f"scenario {name!r} must be `async def {name}(device: Device): ...`")
        return Scenario(
            name=name.replace("_", "-"),
            title=title,
            function=function,
            load=load,
            expect=tuple(expect),
            before=tuple(before),
            services=tuple(services),
            drain=drain,
            description=inspect.cleandoc(function.__doc__ or ""),
            wait_conversation=wait_conversation,
        )

    return decorate


def shipped_scenarios() -> dict[str, Scenario]:
    """The scenarios of the package, by name, in the order of their names."""
    package = importlib.import_module("e2e.scenarios")
    found: dict[str, Scenario] = {}
    for module in pkgutil.iter_modules(package.__path__):
        for item in _scenarios_of(importlib.import_module(f"e2e.scenarios.{module.name}")):
            found[item.name] = item
    return dict(sorted(found.items()))


def load_scenario(name: str) -> Scenario:
    """The shipped scenario of that name, or the one in a script (`path.py`, or `path.py:name` where it has several).

    Raises:
        ScenarioError: there is none, or the script cannot be loaded.
    """
    path, _, wanted = name.partition(".py:")
    if wanted or name.endswith(".py") or "/" in name:
        return _from_script(Path(f"{path}.py" if wanted else name), wanted)
    shipped = shipped_scenarios()
    if name in shipped:
        return shipped[name]
    near = get_close_matches(name, shipped, n=1, cutoff=0.4)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    raise ScenarioError(f"no scenario {name!r}{hint} Shipped are: {', '.join(shipped)}; or give a path to a script")


def _from_script(path: Path, wanted: str) -> Scenario:
    if not path.is_file() or path.suffix != ".py":
        raise ScenarioError(f"no script at {path}: give the path of a Python file that ends in .py")
    found = {item.name: item for item in _scenarios_of(_import_script(path))}
    if not found:
        raise ScenarioError(f"{path} declares no scenario: decorate an `async def` with `@scenario(title=...)`")
    if wanted:
        if wanted.replace("_", "-") not in found:
            raise ScenarioError(f"{path} has no scenario {wanted!r}; it has: {', '.join(found)}")
        return found[wanted.replace("_", "-")]
    if len(found) > 1:
        raise ScenarioError(f"{path} has several scenarios: say which one, as {path}:{next(iter(found))}")
    return next(iter(found.values()))


def _import_script(path: Path) -> ModuleType:
    try:
        path.read_bytes()
    except OSError as error:
        raise ScenarioError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    name = f"e2e_script_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except ScenarioError as error:
        raise ScenarioError(f"{where(error, path.absolute())}: {error}") from error
    except SyntaxError as error:
        raise ScenarioError(f"{error.filename or path}:{error.lineno or 1}: {error.msg}") from error
    except (Exception, SystemExit) as error:  # a script that exits must not decide how the run ends
        raise ScenarioError(
            f"{where(error, path.absolute())}: {type(error).__name__}: {error}{_meant(error)}"
        ) from error
    return module


def _meant(error: BaseException) -> str:
    """The public attribute that was nearly named, where one was."""
    if not isinstance(error, AttributeError) or error.name is None or error.obj is None:
        return ""
    near = get_close_matches(error.name, [name for name in dir(error.obj) if not name.startswith("_")], n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def where(error: BaseException, script: Path) -> str:
    """`file:line` of the innermost frame in `script`, where its author can do something; else of the innermost."""
    frames = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
    inside = [(file, line) for file, line in frames if Path(file) == script]
    file, line = (inside or frames or [(str(script), 1)])[-1]
    return f"{file}:{line}"


def _scenarios_of(module: ModuleType) -> list[Scenario]:
    """Those declared in a module, not those that it imported."""
    return [
        item
        for item in vars(module).values()
        if isinstance(item, Scenario) and item.function.__module__ == module.__name__
    ]
