"""The whole of it, at tiny loads, as a real process."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = ["engine", "engine_transport", "c", "plain_websockets", *(["locust"] if find_spec("locust") else [])]


@pytest.mark.slow
def test_quick_benchmarks_write_every_figure_and_lose_no_chunk(tmp_path, programs):
    out = tmp_path / "latest.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", *NAMES, "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads(out.read_text())
    for name in NAMES:
        figures = results[name]
        assert set(figures) >= {"us_per_chunk", "streams_on_time", "kib_per_stream", "jitter_ms"}, name
        assert set(figures["jitter_ms"]) == {"p50", "p99", "max"}
        assert figures["us_per_chunk"] > 0 and figures["lost"] == 0, done.stdout
        (batch,) = results["raw"]["batches"]
        assert batch[name]["messages"]["received"] == batch[name]["messages"]["sent"] or batch[name]["strangers"]
    assert set(results) >= {"setup", "noise", "started", "ended", "seconds", "connects", "backpressure", "help"}
    assert {"cores", "python", "packages", "idle_noise"} <= set(results["setup"])
    assert results["connects"]["opened"] == results["connects"]["sessions"]
    assert results["backpressure"]["noticed"] == results["backpressure"]["deaf"] == 2
    assert results["backpressure"]["others_lost"] == 0 and not results["backpressure"]["other_failures"]
    assert "| e2e |" in done.stdout


def test_a_load_that_is_none_is_refused(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "--load", "engine=lots", "--out", str(tmp_path / "x.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "engine=2000" in done.stderr
    assert not (tmp_path / "x.json").exists()
