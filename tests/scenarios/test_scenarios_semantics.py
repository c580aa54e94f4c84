"""The scenarios of `e2e/scenarios/semantics.py`: all at once in one run, a user each; and those that show a fault."""

import json

import pytest

from e2e.engine.scenario import shipped_scenarios
from e2e.record.journal import read_journal
from tests.cli.conftest import STANDIN, Cli

NAMES = ("custom-stt", "outlive", "photos", "resume", "speaker", "two-devices", "web", "webhooks")

TOGETHER = """
from e2e import Load, expect, scenario, steps
from e2e.scenarios import semantics

ALL = [semantics.custom_stt, semantics.outlive, semantics.photos, semantics.resume, semantics.speaker,
       semantics.two_devices, semantics.web, semantics.webhooks]

@scenario(title="All semantics, a user each", load=Load.users(8), before=[steps.refused_web_auth], expect=[
    expect.services_healthy(), expect.ready(), expect.all_chunks_sent(), expect.auth_refused(),
    expect.conversation_completed(), expect.conversation_resumed(), expect.photos_described(),
    expect.webhooks_delivered(), expect.zero_import_errors(),
])
async def together(device):
    await ALL[device.index].function(device)
"""

SOLO = ("--pace", "max", "--quiet")


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    cli = Cli(tmp_path_factory.mktemp("together"))
    cli.write("together.py", TOGETHER)
    result = cli("run", "together.py", *STANDIN, *SOLO, "--chunks", "60")
    return result, list(read_journal(cli.directory / "reports/latest"))


def test_each_is_shipped_and_says_what_it_shows():
    shipped = shipped_scenarios()
    assert set(NAMES) <= set(shipped)
    for name in NAMES:
        assert shipped[name].title and shipped[name].description, name


@pytest.mark.slow
def test_all_of_them_hold_at_once(together):
    result, _ = together
    assert result.code == 0, result.out
    own = ("suggestions_taken", "a_new_conversation", "speaker_stored", "photos_kept")
    assert {name: result.checks()[name] for name in own} == dict.fromkeys(own, "pass")
    problems = {s["sid"]: s["conversation_problem"] for s in result.run["sessions"] if s["conversation_problem"]}
    assert set(problems.values()) == {next(iter(problems.values()))} and "holds no transcript" in str(problems)


@pytest.mark.slow
def test_the_pusher_was_given_a_sample_of_the_speaker(together):
    _, records = together
    events = [r for r in records if r["type"] == "lifecycle" and r["event"] == "speaker_sample_queued"]
    assert len(events) == 1 and events[0]["service"] == "pusher" and events[0]["detail"]["count"] > 0


@pytest.mark.slow
def test_the_token_of_a_browser_is_nowhere(together):
    _, records = together
    (sent,) = [r for r in records if r["type"] == "sent" and r["kind"] == "auth"]
    assert sent["data"] is None
    (url,) = [r["url"] for r in records if r.get("event") == "connecting" and "/v4/web/" in r["url"]]
    assert "token" not in url


@pytest.mark.slow
def test_what_a_webhook_gets_is_kept_as_counts_and_hashes(together):
    _, records = together
    got = [r for r in records if r["type"] == "webhook" and r["event"] == "delivery"]
    audio = [r for r in got if r["kind"] == "audio_bytes"]
    assert sum(r["seconds"] for r in audio) == pytest.approx(6.0)
    assert sum(r["bytes"] for r in audio) == 6 * 32_000
    assert all(len(r["hash"]) == 16 and len(json.dumps(r)) < 600 for r in audio)
    assert [r["segments"] for r in got if r["kind"] == "realtime_transcript"]


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "word"), [("drop", "lost"), ("double", "doubled")])
def test_a_webhook_that_loses_or_doubles_is_seen(tmp_path, fault, word):
    result = Cli(tmp_path)("run", "webhooks", *STANDIN, *SOLO, "--fault", f"webhook={fault}", "--set", "patience=2")
    assert result.code == 1 and result.checks()["webhooks_delivered"] == "fail"
    (check,) = [c for c in result.run["checks"] if c["name"] == "webhooks_delivered"]
    assert any(f"{word}: " in line and "s of audio" in line for line in check["evidence"]), check
    assert {c["name"] for c in result.run["checks"] if c["status"] == "fail"} == {"webhooks_delivered"}


@pytest.mark.slow
def test_a_late_webhook_is_seen(tmp_path):
    result = Cli(tmp_path)("run", "webhooks", *STANDIN, "--quiet", "--chunks", "40", "--fault", "webhook=late")
    assert result.code == 1
    (check,) = [c for c in result.run["checks"] if c["name"] == "webhooks_delivered"]
    assert any("late: " in line for line in check["evidence"])
    assert not any("lost" in line or "doubled" in line for line in check["evidence"])
    assert result.run["latency_ms"]["webhook_audio"]["p50"] > 8000


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_each_holds_alone(tmp_path, name):
    result = Cli(tmp_path)("run", name, *STANDIN, *SOLO)
    assert result.code == 0, result.out


@pytest.mark.slow
def test_a_conversation_that_is_never_processed_fails_the_wait(tmp_path):
    options = (*SOLO, "--wait-conversation", "--fault", "pusher=silent", "--chunks", "60")
    result = Cli(tmp_path)("run", "smoke", *STANDIN, *options)
    assert result.code == 1 and result.checks()["conversation_completed"] == "fail"
    (check,) = [c for c in result.run["checks"] if c["name"] == "conversation_completed"]
    assert "memory_processing_started came, but no memory_created" in check["detail"]
