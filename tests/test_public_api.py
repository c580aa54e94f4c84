"""The public API: every name is there, importing it costs nothing, and the script of the documentation runs."""

import json
import subprocess
import sys

import e2e
from tests.cli.conftest import Cli

HEAVY = ("numpy", "httpx", "rich", "websockets", "msgspec", "jinja2", "soundfile", "click", "asyncio")

COMMUTE = """
from e2e import Device, Load, expect, scenario

@scenario(title="A commuter loses the network in a tunnel",
          load=Load.users(20, ramp="10s"),
          expect=[expect.zero_import_errors(), expect.close_code(1000), expect.p95("first_segment", below="5s")])
async def commute(device: Device):
    async with device.listen(codec="pcm16") as session:
        await session.ready()
        await session.play("podcast", chunks=600)
"""


def test_every_public_name_exists():
    assert e2e.__all__ == sorted(e2e.__all__)
    for name in e2e.__all__:
        assert getattr(e2e, name) is not None
    assert set(e2e.__all__) == {
        *("Device", "Drain", "Load", "SessionError", "Tape", "Target", "expect", "load_tape", "scenario", "steps"),
    }
    assert not hasattr(e2e, "no_such_name")


def test_every_expectation_is_documented_and_known_to_the_judge():
    from e2e.verdict.checks import RULES

    made = [e2e.expect.close_code(1000), e2e.expect.p95("ready", below="5s"), e2e.expect.lifecycle()]
    plain = ("services_healthy", "routes_counted", "endpoints_as_expected", "auth_refused", "connected", "ready")
    plain += ("all_chunks_sent", "transcripts_received", "conversation_stored", "zero_import_errors", "pusher_probed")
    plain += ("conversation_processed", "conversation_answered", "drained", "no_session_failed", "word_error_rate")
    plain += ("character_error_rate", "coverage", "words_on_silence", "lag_slope", "heartbeat_gap")
    plain += ("conversation_completed", "conversation_resumed", "photos_described", "webhooks_delivered")
    made += [getattr(e2e.expect, name)() for name in plain]
    for expectation in made:
        assert expectation.check in RULES, expectation
        assert e2e.expect.Expectation.from_dict(expectation.to_dict()) == expectation


def test_importing_the_package_imports_nothing_else():
    program = "import e2e, sys; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    )
    assert loaded.isdisjoint(HEAVY)
    assert {name for name in loaded if name.split(".")[0] == "e2e"} == {"e2e"}


def test_the_documented_script_runs_by_its_path(tmp_path):
    cli = Cli(tmp_path)
    script = cli.write("commute.py", COMMUTE.replace('"10s"', '"1s"'))
    options = ("--users", "3", "--chunks", "60", "--pace", "20x", "--recogniser", "vad", "--timers", "0.1")
    result = cli("run", f"./{script}", "--standin", *options)
    run = json.loads((tmp_path / "reports/latest/run.json").read_text(encoding="utf-8"))
    assert run["scenario"] == "commute"
    assert run["counters"]["sessions"] == run["counters"]["sessions_ready"] == 3
    assert run["counters"]["chunks_sent"] == 180
    assert run["counters"]["close_codes"] == {"1000": 3}
    checks = {check["name"]: check["status"] for check in run["checks"]}
    # No latency is claimed of audio that was sent quicker than it is spoken.
    expected = {"zero_import_errors": "pass", "close_code": "pass", "p95_first_segment": "inconclusive"}
    assert checks == expected and result.code == 4
