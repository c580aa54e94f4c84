"""`e2e init`: a commented configuration that fits the mission."""

from importlib.resources import files
from pathlib import Path

import click

from e2e.errors import ConfigError


@click.command(name="init")
@click.option("--force", is_flag=True, help="Replace an e2e.toml that is there.")
def command(force: bool) -> None:
    """Write a commented e2e.toml: backend on 10220, pusher on 10221, started by uvicorn."""
    path = Path("e2e.toml")
    if path.exists() and not force:
        raise ConfigError(f"{path} exists already: edit it, or replace it with --force")
    try:
        path.write_text(files("e2e.cli").joinpath("template.toml").read_text(encoding="utf-8"), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error
    click.echo(f"wrote {path}; adapt it, then: e2e doctor, and e2e run smoke")
