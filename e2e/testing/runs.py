"""Whole runs from Python: the keywords are the options of `e2e run`, which read and check them as ever."""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from e2e.cli.prepared import prepared
from e2e.cli.run import command, requested
from e2e.engine.scenario import Scenario
from e2e.errors import UsageError
from e2e.testing.result import RunResult

FIXED = ("out", "standin", "target_name", "quiet", "web", "prometheus", "otel")
"""Options that the fixtures decide on, and those for who looks on while a run lasts."""


def arguments(options: Mapping[str, Any]) -> list[str]:
    """Keywords as the command line's own words: `chunks=300` is `--chunks=300`, `settings={"a": 1}` is `--set=a=1`.

    What may be repeated is a list, a mapping, or one text. None and False leave an option out.

    Raises:
        UsageError: there is no such option.
    """
    known: dict[str, click.Option] = {}
    for option in command.params:
        if isinstance(option, click.Option) and option.name not in FIXED:
            known |= dict.fromkeys([option.name or "", *(o.lstrip("-").replace("-", "_") for o in option.opts)], option)
    said: list[str] = []
    for name, value in options.items():
        if name not in known:
            raise UsageError(f"e2e_run has no option {name!r}; it has those of e2e run: {', '.join(sorted(known))}")
        if value is None or value is False:
            continue
        option = max(known[name].opts, key=len)
        if known[name].is_flag:
            said.append(option)
        else:
            said += [f"{option}={one}" for one in (_several(value) if known[name].multiple else [value])]
    return said


def _several(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return [f"{key}={one}" for key, one in value.items()]
    return [value] if isinstance(value, str) else value


async def run(scenario: str | Scenario, said: list[str], directory: Path, out: Path) -> RunResult:
    """`e2e run SCENARIO` with these words, in this process and on this event loop, without live view or output.

    `directory` holds e2e.toml; reports go below `out`, and are on disk also for who cancels it.

    Raises:
        UsageError: what is asked for cannot be done.
    """
    name = _address(scenario, directory) if isinstance(scenario, Scenario) else scenario
    try:
        with command.make_context("e2e run", [name, *said]) as context:
            given = dict(context.params)
    except click.ClickException as error:
        raise UsageError(error.format_message()) from None
    wanted = (given["target_name"], given["standin"], directory, given, ("e2e", "run", name, *said))
    with (
        requested(scenario, *wanted) as (chosen, target, options),
        prepared(chosen, target, options, out) as ready,
    ):
        try:
            await ready.run.execute()
        finally:
            result = RunResult(ready.report(), ready.directory.path)
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError  # the run took it as an interrupt, and ended politely
    return result


def _address(scenario: Scenario, directory: Path) -> str:
    """What the command line takes for it, in that directory."""
    script = scenario.script
    return f"{script.relative_to(directory) if script.is_relative_to(directory) else script}:{scenario.name}"
