"""The benchmark of the log matcher, as a real process."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_mix_finds_every_import_error_that_was_planted():
    command = [sys.executable, "-m", "benchmarks.logs", "--events", "3000", "--passes", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    head, *rows = done.stdout.splitlines()
    assert "lines/s" in head
    ways = ["plain matcher", "plain all of it", "json matcher", "json all of it"]
    assert [" ".join(row[:17].split()) for row in rows] == ways
    assert all(row.endswith(" 3 of 3") for row in rows)
