"""`e2e report RUN --session`: the timeline of any session of a real run."""

import json
import re

import pytest

from tests.cli.conftest import STANDIN, Cli, poll


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A smoke run of two users: its command line, and the sessions of its `run.json`."""
    cli = Cli(tmp_path_factory.mktemp("timeline"))
    result = cli("run", "smoke", *STANDIN, "--users", "2", "--chunks", "20", "--pace", "max")
    assert result.code == 0, result.out
    return cli, result.run


@pytest.mark.slow
def test_no_line_of_one_user_is_in_the_timeline_of_the_other(run):
    cli, summary = run
    first, second = sorted(summary["timeline"], key=lambda t: t["sid"])
    assert first["uid"] != second["uid"] and {t["sid"] for t in (first, second)} == {
        s["sid"] for s in summary["sessions"]
    }
    for own, other in ((first, second), (second, first)):
        assert own["server_session"] and own["conversations"] and other["conversations"]
        out = cli("report", "reports/latest", "--session", own["sid"]).out
        for word in (other["server_session"], other["conversations"][0], other["sid"]):
            assert not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", out), word
        assert not re.search(rf"(?<![\w-]){re.escape(other['uid'])}(?![\w-])", out)


@pytest.mark.slow
def test_both_ends_and_both_logs_are_joined(run):
    for timeline in run[1]["timeline"]:
        found = [(e["where"], e["what"]) for e in timeline["entries"]]
        for wanted in (
            ("client", "connects"),
            ("server", "101: open"),
            ("backend log", "handler_started"),
            ("backend log", "conversation_created"),
            ("pusher log", "trigger_started"),
            ("pusher log", "pusher_conversation"),
            ("server", "service_status ready"),
            ("client", "first chunk due"),
            ("client", "last chunk sent: 20"),
            ("client", "closed 1000"),
            ("backend log", "client_disconnected"),
            ("client", "reads the conversation over HTTP"),
        ):
            assert wanted in found, wanted
        assert not any(e.get("bad") for e in timeline["entries"])
        steps = {(s["from"], s["to"]) for s in timeline["steps"]}
        assert ("closed", "backend logs Client disconnected") in steps


@pytest.mark.slow
def test_a_user_is_a_name_too_and_a_probe_has_its_timeline(run):
    cli, summary = run
    one = summary["timeline"][0]
    assert cli("report", "reports/latest", "--session", one["uid"]).out.startswith(f"listen {one['sid']}, ")
    (probe,) = summary["probes"]
    out = cli("report", "reports/latest", "--session", probe["sid"]).out
    assert "sends 103" in out and "pusher_conversation" in out and "pusher log" in out


@pytest.mark.slow
def test_a_session_that_is_not_there(run):
    cli, summary = run
    error = cli("report", "reports/latest", "--session", "s99").error
    assert "no session 's99'" in error and summary["sessions"][0]["sid"] in error
    assert "exclude each other" in cli("report", "reports/latest", "--session", "s1", "--format", "json").error


def test_the_timeline_of_a_run_that_was_killed(e2e):
    process = e2e.start("run", "stream.py", *STANDIN, "--chunks", "3000")
    poll(lambda: '"kind":"transcript"' in e2e.journal(), "something is heard")
    process.kill()
    e2e.finish(process)
    out = e2e("report", "reports/latest", "--session", "s1").out
    assert "first transcript" in out and "closed" not in out
    assert e2e("report", "reports/latest").code == 0
    timeline = json.loads((e2e.directory / "reports/latest/run.json").read_text())["timeline"]
    assert [t["ended"] for t in timeline] == [None]
