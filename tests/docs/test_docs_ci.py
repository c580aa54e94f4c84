"""The example workflow: what it runs is what the command line takes, and its files are there."""

import shlex
from importlib import import_module
from pathlib import Path

import click
import pytest
import yaml

from e2e.cli import COMMANDS
from e2e.engine.scenario import load_scenario

EXAMPLES = Path(__file__).parents[2] / "docs/examples"


@pytest.fixture(scope="module")
def workflow():
    # YAML 1.1, as PyYAML reads it, takes the key `on` for a truth value; GitHub does not.
    return yaml.load((EXAMPLES / "e2e.yml").read_text(encoding="utf-8"), Loader=yaml.BaseLoader)


def commands(workflow):
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            for line in step.get("run", "").splitlines():
                if line.strip().startswith("e2e "):
                    yield shlex.split(line)


def parsed(command: str, *args: str) -> dict:
    with import_module(f"e2e.cli.{COMMANDS[command][0]}").command.make_context(f"e2e {command}", list(args)) as context:
        return context.params


def test_its_commands_are_ones_of_the_command_line(workflow):
    names = []
    for _, command, *args in commands(workflow):
        params = parsed(command, *args)
        names.append(command)
        if command == "run":
            path = EXAMPLES / params["scenario"]
            assert load_scenario(str(path) if path.suffix else params["scenario"]).title
    assert sorted(names) == ["doctor", "doctor", "run", "run"]
    with pytest.raises(click.NoSuchOption):
        parsed("run", "smoke", "--silent")


def test_it_is_bounded_asks_for_nothing_and_keeps_its_reports(workflow):
    assert workflow["permissions"] == {"contents": "read"}
    assert set(workflow["on"]) == {"pull_request", "schedule", "workflow_dispatch"}
    for name, job in workflow["jobs"].items():
        assert int(job["timeout-minutes"]) < 360, "hosted runners end a job after six hours"
        keep = job["steps"][-1]
        assert keep["if"] == "always()" and keep["uses"].startswith("actions/upload-artifact@")
        assert Path("reports/20260314-092653-smoke").match(keep["with"]["path"].split(" ")[0]), name
        assert all(step["uses"].startswith("actions/") for step in job["steps"] if "uses" in step)
    # A pull request from a fork gets no secrets: its job must do without.
    assert "secrets." not in str(workflow["jobs"]["smoke"])


def test_the_night_ends_before_its_job_does(workflow):
    soak = load_scenario(str(EXAMPLES / "soak.py"))
    assert soak.load.length < 60 * int(workflow["jobs"]["soak"]["timeout-minutes"])
    users = next(args for _, command, *args in commands(workflow) if command == "doctor" and "--users" in args)
    assert parsed("doctor", *users)["users"] == soak.load.count
