"""The benchmark of server messages, as a real process; what it measures is in `docs/performance.md`."""

import subprocess
import sys
from pathlib import Path

from benchmarks.messages import ROWS, messages

ROOT = Path(__file__).parents[2]


def test_every_part_is_measured():
    command = [sys.executable, "-m", "benchmarks.messages", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    head, *rows = done.stdout.splitlines()
    assert "us/message" in head
    assert [row[6:31].strip() for row in rows] == [part for _, part in ROWS]


def test_the_messages_are_the_same_in_each_pass_and_of_all_usual_kinds():
    said = list(messages(1))
    assert said == list(messages(1)) != list(messages(2))
    text = [payload for _, payload in said]
    assert text.count("ping") >= 30 and sum(one.startswith("[") for one in text) > 200
    assert any("segments_deleted" in one for one in text) and any('"ready"' in one for one in text)
