"""What a run in real time shows of latencies and speech: a device that listens, is gone for a moment, and is back."""

import json

import pytest

from tests.cli.conftest import STANDIN, Cli

pytestmark = pytest.mark.slow

SCRIPT = """
from e2e import Device, Load, expect, scenario

@scenario(
    title="Two sessions of one device",
    load=Load.users(1),
    expect=[expect.coverage(at_least=0.5), expect.lag_slope(), expect.words_on_silence(), expect.heartbeat_gap("15s"),
            expect.p95("segment_stabilisation", below="10s")],
)
async def again(device: Device):
    for chunks in (60, 30):
        async with device.listen() as session:
            await session.ready()
            await session.play("podcast", chunks=chunks)
            await session.settle()
        await device.sleep(0.5)
"""

OF_A_SESSION = (
    "connect",
    "handshake",
    "ready",
    "step_initiating",
    "step_conversations",
    "step_stt_initiating",
    "step_ready",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    e2e = Cli(tmp_path_factory.mktemp("speech"))
    (e2e.directory / "again.py").write_text(SCRIPT)
    return e2e("run", "again.py", *STANDIN).run


def test_figures_of_a_real_run(run):
    latencies, valid = run["latency_ms"], run["generator"]["valid"]
    words = run["transcript"]
    # This ear writes no words.
    assert words["wer"] is None and words["cer"] is None and words["words_on_silence"] is None
    assert 0.5 < words["coverage"] <= 1 and words["longest_gap_s"] < words["speech_s"]
    assert words["speaker_changes"]["said"] >= 1 and words["segment_ids"] >= 2
    (first, *_) = words["segments"]
    assert first["updates"] + 1 == len(first["versions"]) and first["versions"][-1]["text"] == first["text"]
    assert first["first_seen"] <= first["last_change"]
    assert run["heartbeat"]["expected_s"] == 1.0 and 0.9 < run["heartbeat"]["longest_gap_s"] < 10
    if not valid:
        assert set(latencies) == {"send_lateness"}  # a machine that is busy with other tests
        return
    for metric in OF_A_SESSION:
        assert latencies[metric]["count"] == 2, metric
    steps = sum(latencies[metric]["max"] for metric in OF_A_SESSION[3:])
    assert steps >= latencies["ready"]["max"] - 1
    # The second session resumes the conversation of the first: its segment times are not of its own audio.
    assert latencies["segment_emission"]["count"] == len(words["segments"])
    assert latencies["segment_stabilisation"]["count"] == len(words["segments"])
    assert 5 <= latencies["transcript_lag"]["count"] <= 6
    assert latencies["reconnect_downtime"]["count"] == latencies["reconnect_audio_gap"]["count"] == 1
    assert latencies["reconnect_audio_gap"]["max"] > latencies["reconnect_downtime"]["max"] > 500
    assert sum(run["series"]["latency_ms"]["segment_emission"]["count"]) == latencies["segment_emission"]["count"]
    assert run["series"]["quality"]["by_streams"][0]["streams"] == "1"


def test_checks_of_a_real_run(run):
    status = {check["name"]: check["status"] for check in run["checks"]}
    assert status["coverage"] == "pass" and status["words_on_silence"] == "inconclusive"
    assert status["lag_slope"] == "inconclusive"  # six seconds tell nothing
    assert status["heartbeat_gap"] == "pass"
    assert status["p95_segment_stabilisation"] == ("pass" if run["generator"]["valid"] else "inconclusive")
    assert len(json.dumps(run["series"], indent=1)) < 200_000
