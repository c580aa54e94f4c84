"""`e2e run` as a step of GitHub Actions: what it prints is no command, what it found is annotated and summarised."""

import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from e2e.report.github import annotations, job_summary
from e2e.report.write import FILES


def in_actions() -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true"


@contextmanager
def inert_output() -> Iterator[None]:
    """In a step, the text of services that the block prints commands nothing, wherever in a line it stands."""
    if not in_actions():
        yield
        return
    token = secrets.token_hex(16)
    click.echo(f"::stop-commands::{token}")
    sys.stdout.flush()
    try:
        yield
    finally:
        click.echo(f"::{token}::")
        sys.stdout.flush()


def tell_actions(summary: dict[str, Any], directory: Path) -> None:
    """In a step: annotate what is wrong, and add the report to the summary of the job."""
    if not in_actions():
        return
    for line in annotations(summary, _locator(summary)):
        click.echo(line)
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        # Bytes, as the file counts: a step may add several reports.
        with open(path, "ab") as file:
            text = job_summary((directory / FILES["markdown"]).read_text(encoding="utf-8"), file.tell())
            file.write(text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        click.echo(f"e2e: cannot write the summary of the job, {path}: {error.strerror}", err=True)


def _locator(summary: dict[str, Any]) -> Callable[[str], str]:
    """From a file as a service names it, from its own directory, to the file of the checkout, where there is one."""
    workspace = Path(os.environ.get("GITHUB_WORKSPACE", "")).resolve()
    roots = [*dict.fromkeys(service.get("cwd") or "" for service in summary["services"].values()), ""]

    def locate(file: str) -> str:
        for root in roots:
            with suppress(OSError, ValueError):
                path = Path(root, file).resolve()
                if path.is_file() and path.is_relative_to(workspace):
                    return path.relative_to(workspace).as_posix()
        return file

    return locate
