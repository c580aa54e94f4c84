"""The benchmark of the reports, as a real process, on a small run; and that its journal is one as runs leave it."""

import re
import subprocess
import sys
from pathlib import Path

from benchmarks.journal import write_journal
from e2e.record.rundir import RunDirectory
from e2e.report.write import read_run

ROOT = Path(__file__).parents[2]


def test_it_prints_what_the_reports_of_a_run_cost():
    command = [sys.executable, "-m", "benchmarks.reports", "--sessions", "5", "--messages", "500"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    made, cost, goal = done.stdout.splitlines()
    assert re.fullmatch(r"5 sessions, \d{3} messages, journal of \d+ MiB", made)
    assert re.fullmatch(r"4 reports: [\d.]+ s, [\d.]+ s of processor time, [1-9]\d+ MiB at most", cost)
    assert "under 30 s and 500 MiB" in goal


def test_the_journal_is_the_same_each_time_and_of_a_run_that_went_well(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        count = write_journal(tmp_path / name / "journal.jsonl", 4, 1200)
    assert (tmp_path / "a/journal.jsonl").read_bytes() == (tmp_path / "b/journal.jsonl").read_bytes()
    run = read_run(RunDirectory(tmp_path / "a"))
    counters, transcript = run["counters"], run["transcript"]
    assert counters["sessions"] == counters["sessions_ready"] == 4 and count == counters["server_messages"] > 1000
    assert not run["findings"] and not [c for c in run["checks"] if c["status"] == "fail"]
    # Each session heard something of its own, and its segments grew.
    assert 0.02 < transcript["wer"] < 0.5 and transcript["revisions_per_segment"] > 3
    assert len({s["wer"] for s in run["sessions"]}) > 1 and transcript["segments_deleted"]
    assert {"segment_emission", "transcript_lag", "heartbeat", "send_lateness"} <= set(run["latency_ms"])
    assert len(run["timeline"]) == 2 and all(row["same"] for row in run["became"]["conversations"])
