"""Each shipped scenario, run as a user runs it, against the stand-in."""

import pytest

from e2e import expect
from e2e.engine.scenario import shipped_scenarios
from tests.cli.conftest import STANDIN, Cli


@pytest.fixture
def cli(tmp_path):
    return Cli(tmp_path)


def test_every_shipped_scenario_watches_for_broken_imports():
    for shipped in shipped_scenarios().values():
        assert expect.zero_import_errors() in shipped.expect, shipped.name
        assert expect.services_healthy() in shipped.expect, shipped.name


def test_smoke_and_podcast_expect_the_same_of_less_and_of_more_audio():
    shipped = shipped_scenarios()
    assert shipped["smoke"].expect == shipped["podcast"].expect
    assert shipped["smoke"].before == shipped["podcast"].before
    assert shipped["smoke"].drain.required and not shipped["podcast"].drain.required
    assert (shipped["smoke"].drain.at_most, shipped["podcast"].drain.at_most) == (10.0, 75.0)


def test_endpoints_needs_the_backend_alone(cli):
    result = cli("run", "endpoints", *STANDIN)
    assert result.code == 0 and set(result.checks().values()) == {"pass"}
    assert {row["service"] for row in result.run["endpoints"]} == {"backend"}
    assert set(result.run["imports"]["services"]) == {"backend"}
    assert result.run["counters"]["sessions"] == 0


def test_pusher_needs_the_pusher_alone_and_gets_its_answer(cli):
    result = cli("run", "pusher", *STANDIN, "--chunks", "20", "--pace", "20x", "--users", "2")
    assert result.code == 0 and set(result.checks().values()) == {"pass"}
    assert set(result.run["imports"]["services"]) == {"pusher"}
    counters = result.run["counters"]
    assert (counters["sessions"], counters["chunks_sent"]) == (2, 40)
    assert counters["messages_by_type"] == {"pusher.201": 2}


@pytest.mark.slow
def test_smoke_without_speech_fails_for_want_of_a_transcript(cli):
    result = cli("run", "smoke", *STANDIN, "--audio", "silence", "--chunks", "10", "--pace", "20x")
    assert result.code == 1 and result.checks()["transcripts_received"] == "fail"
    assert result.run["transcript"]["text"] == ""
