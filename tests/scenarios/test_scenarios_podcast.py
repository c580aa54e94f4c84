"""The mission's proof, at its real length."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

E2E = Path(sys.executable).with_name("e2e")


def podcast(directory: Path, *options: str):
    done = subprocess.run(
        [E2E, "run", "podcast", "--standin", "--quiet", *options],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    return done, json.loads((directory / "reports" / "latest" / "run.json").read_text())


@pytest.mark.slow
def test_five_minutes_in_real_time(tmp_path):
    done, run = podcast(tmp_path)
    assert run["verdict"] in ("pass", "invalid"), done.stdout + done.stderr
    assert {check["status"] for check in run["checks"]} == {"pass"}
    assert run["counters"]["chunks_sent"] == run["counters"]["chunks_planned"] == 3000
    assert run["counters"]["close_codes"] == {"1000": 1}
    words = run["transcript"]
    assert words["wer"] < 0.25 and words["cer"] < 0.2 and words["coverage"] > 0.8
    if run["verdict"] == "pass":
        assert abs(run["transcript_lag"]["slope"]) < 0.05 and run["transcript_lag"]["blocks"] == 30
        assert [row["t"] for row in run["series"]["quality"]["by_time"]] == [0, 60, 120, 180, 240, 300]
    (played,) = (audio for audio in run["audio"] if audio["played"])
    assert played["chunks"] == 3000 and 0.99 < played["realtime_factor"] < 1.01


@pytest.mark.slow
@pytest.mark.parametrize("pace", ["20x", "max"])
def test_five_minutes_in_a_hurry_claim_no_latency(tmp_path, pace):
    done, run = podcast(tmp_path, "--pace", pace, "--timers", "0.1")
    assert run["verdict"] == "pass", done.stdout + done.stderr
    assert run["counters"]["chunks_sent"] == 3000 and run["transcript"]["wer"] < 0.25
    assert "first_segment" not in run["latency_ms"] and "send_lateness" not in run["latency_ms"]
    assert any(pace in text for text in run["not_shown"])
