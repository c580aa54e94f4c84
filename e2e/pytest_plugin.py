"""Fixtures for pytest: whole runs and single sessions. `docs/pytest.md` shows them.

Loaded into every pytest session of an environment that has `e2e`, so it imports what it needs only when a fixture is
used.
"""

import itertools
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

_RUNS = pytest.StashKey[list[Any]]()
_DEVICES = pytest.StashKey[Iterator[int]]()
_DEVICES_PER_WORKER = 100_000


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("e2e", "end-to-end audio streaming")
    group.addoption("--e2e-target", metavar="NAME", help="a target of e2e.toml in the rootdir (default: the stand-in)")
    group.addoption("--e2e-out", metavar="DIR", default="reports", help="where runs leave their reports (reports)")


@pytest.fixture(scope="session")
def e2e_standin() -> dict[str, Any]:
    """How the stand-in is started: `recogniser`, `timers`, `faults`. Override it to change that for all tests."""
    return {}


@pytest.fixture(scope="session")
def e2e_target(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory, e2e_standin: dict[str, Any]
) -> Iterator[Any]:
    """What sessions connect to, as a `TargetConfig` (`.backend.url`, `.pusher.url`, `.credentials`).

    The target of `--e2e-target`, whose services must run already; else the stand-in, started once for each process.
    """
    __tracebackhide__ = True
    name = pytestconfig.getoption("--e2e-target")
    if name:
        from e2e.config import load_target
        from e2e.errors import ConfigError

        try:
            target = load_target(name, pytestconfig.rootpath)
        except ConfigError as error:
            raise error.with_traceback(None) from None
        yield target
        return
    from e2e.cli.standin import standin_target
    from e2e.testing.served import served

    directory = tmp_path_factory.mktemp("e2e-standin")
    with served(standin_target(directory, **e2e_standin), directory) as target:
        yield target


@pytest.fixture
def e2e_run(request: pytest.FixtureRequest, e2e_standin: dict[str, Any]) -> Any:
    """`run = await e2e_run("smoke", chunks=50)`: a whole run, as `e2e run` makes it.

    The scenario is a name, a path, or a function decorated with `@scenario`; keywords are the options of `e2e run`.
    Each run starts the services of its target itself, where the target says how: the stand-in always. Returns an
    `e2e.testing.result.RunResult`.
    """
    config, runs = request.config, request.node.stash.setdefault(_RUNS, [])

    async def e2e_run(scenario: Any, **options: Any) -> Any:
        __tracebackhide__ = True
        from e2e.errors import E2EError
        from e2e.testing.runs import arguments, run

        name = config.getoption("--e2e-target")
        given = options if name else {**e2e_standin, **options}
        try:
            said = [*(("--target", name) if name else ("--standin",)), *arguments(given)]
            result = await run(scenario, said, config.rootpath, Path(config.rootpath, config.getoption("--e2e-out")))
        except E2EError as error:
            raise error.with_traceback(None) from None  # what is wrong is in the test, not in the frames below
        runs.append(result)
        request.node.user_properties.append(("e2e_report", str(result.report)))  # for pytest's own --junitxml
        return result

    return e2e_run


@pytest.fixture
def listen_session(_e2e_device: Any) -> Any:
    """`async with listen_session(language="en") as session:`: a connected `ListenSession` of a user of its own.

    Keywords are query parameters of `/v4/listen`, and `pace` (`"20x"`, `"max"`; default `"realtime"`) and `web`.
    """

    @asynccontextmanager
    async def listen_session(*, pace: str = "realtime", **params: Any) -> Any:
        async with _e2e_device(pace) as device, device.listen(**params) as session:
            yield session

    return listen_session


@pytest.fixture
def pusher_session(_e2e_device: Any) -> Any:
    """`async with pusher_session() as session:`: a connected `PusherSession`. Keywords: `pace`, `sample_rate`."""

    @asynccontextmanager
    async def pusher_session(*, pace: str = "realtime", sample_rate: int = 16000) -> Any:
        async with _e2e_device(pace) as device, device.pusher(sample_rate) as session:
            yield session

    return pusher_session


@pytest.fixture
def _e2e_device(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory, e2e_target: Any) -> Any:
    from e2e.testing.sessions import device

    directory = tmp_path_factory.mktemp("e2e-sessions")
    # A user of its own for each session, also across the workers of xdist (gw0, gw1, ...).
    worker = "".join(filter(str.isdigit, getattr(pytestconfig, "workerinput", {}).get("workerid", ""))) or "0"
    numbers = pytestconfig.stash.setdefault(_DEVICES, itertools.count(int(worker) * _DEVICES_PER_WORKER))

    def make(pace: str) -> Any:
        number = next(numbers)
        return device(e2e_target, number, pace, directory / f"device-{number}.jsonl")

    return make


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """`assert run.verdict == "pass"` says why it is not, also in the line of the summary."""
    for verdict, other in ((left, right), (right, left)):
        if op == "==" and isinstance(verdict, str) and type(verdict).__module__ == "e2e.testing.result":
            sentence, *more = verdict.why  # type: ignore[attr-defined]
            return [f"verdict {verdict}, not {other}: {sentence}", *more]
    return None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """What is wrong with the runs of a test that failed, whichever way the test found out."""
    report = yield
    if report.failed:
        for run in item.stash.get(_RUNS, ()):
            report.sections.append((f"e2e run {run.summary['run_id']}", "\n".join(run.explain())))
    return report
