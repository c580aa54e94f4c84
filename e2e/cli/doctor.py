"""`e2e doctor`: what this machine and this target can do, and what to do about the rest."""

import asyncio
from pathlib import Path
from typing import Any

import click

from e2e.cli.params import Whole
from e2e.errors import ConfigError, ExitCode

_WORD = {"ok": "ok  ", "warn": "warn", "bad": "BAD "}
_COLOUR = {"ok": "green", "warn": "yellow", "bad": "red"}


@click.command(name="doctor")
@click.option("--target", "target_name", metavar="NAME", help="A target of e2e.toml (default: the one it names).")
@click.option("--users", type=Whole(), default=100, show_default=True, help="Devices at once that are wanted.")
def command(target_name: str | None, users: int) -> ExitCode:
    """Check this machine, and the target where there is one. Nothing is started, nothing is streamed.

    Exit codes: 0 nothing is bad, 1 something is, 2 wrong usage or configuration.
    """
    from e2e.config import find_config, load_target

    here, target, problem = Path.cwd(), None, None
    if target_name is not None or find_config(here) is not None:
        target = load_target(target_name, here, environ=None)
        try:
            target = load_target(target_name, here)
        except ConfigError as error:
            problem = str(error).partition(": ")[2].partition("; ")[0]  # the rest is what to do, which a finding says
    findings = asyncio.run(_examine(target, problem, users))
    for finding in findings:
        _show(finding)
    counts = {status: sum(f.status == status for f in findings) for status in _WORD}
    click.echo(f"{counts['ok']} ok, {counts['warn']} to know, {counts['bad']} bad")
    return ExitCode.FAIL if counts["bad"] else ExitCode.PASS


async def _examine(target: Any, problem: str | None, users: int) -> list[Any]:
    from e2e.cli.session import loop_factory
    from e2e.doctor import machine
    from e2e.doctor.finding import ok, warn
    from e2e.doctor.packages import check_packages, check_python
    from e2e.doctor.target import check_credentials, check_services, check_webhook

    findings = [
        check_python(),
        *check_packages(),
        *machine.check_limits_for(users),
        machine.check_processors(),
        machine.check_loop(lambda: "asyncio" if loop_factory() is None else "uvloop"),
        machine.check_sending(),
        *await machine.check_clock(),
        machine.check_disk(Path.cwd()),
        *machine.check_standin_ports(),
    ]
    if target is None:
        return [*findings, warn("target", "no e2e.toml here, so only --standin works", "e2e init")]
    return [
        *findings,
        ok("target", target.name),
        check_credentials(target.credentials, problem),
        *await check_services(target),
        *check_webhook(target.webhook),
    ]


def _show(finding: Any) -> None:
    from e2e.report.text import one_line

    word = _WORD[finding.status]
    shown = click.style(word, fg=_COLOUR[finding.status])
    click.echo(f"{shown} {finding.subject}: {one_line(finding.text)}")
    if finding.todo:
        click.echo(f"     -> {one_line(finding.todo)}")
