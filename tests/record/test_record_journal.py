"""The journal on a real disk, also of a killed run."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from e2e.errors import JournalError
from e2e.record.histogram import Histogram
from e2e.record.journal import MAX_RECORD_BYTES, MAX_STRING_CHARS, Journal, read_journal
from e2e.record.redact import MASK, Redactor


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_records_are_read_back_in_order_with_times_from_the_start(tmp_path, clock):
    path = tmp_path / "journal.jsonl"
    with Journal(path, clock) as journal:
        journal.write("run", run_id="r")
        clock.now += 1.25
        journal.write("phase", phase="boot", state="begin")
        journal.write("session", at=50.5, sid="s1")
    assert list(read_journal(tmp_path)) == [
        {"t": 0.0, "type": "run", "run_id": "r"},
        {"t": 1.25, "type": "phase", "phase": "boot", "state": "begin"},
        {"t": 0.5, "type": "session", "sid": "s1"},
    ]


def test_subscribers_see_what_is_written_until_they_leave(tmp_path, clock):
    seen = []
    with Journal(tmp_path / "j", clock, Redactor(["sesame-1"])) as journal:
        leave = journal.subscribe(seen.append, "note")
        journal.write("session")
        journal.write("note", text="the word is sesame-1")
        leave()
        journal.write("note", text="unseen")
    assert [r["text"] for r in seen] == [f"the word is {MASK}"]


@pytest.mark.parametrize("secret", ["tok-abc", 'qu"ote\\d', "geheimnis-ü"])
def test_no_secret_reaches_the_disk_wherever_it_stands(tmp_path, clock, secret):
    path = tmp_path / "j"
    with Journal(path, clock, Redactor([secret])) as journal:
        journal.write("message", data={"deep": [{"text": f"a {secret} b"}], secret: 1})
        journal.write("log", text=f"Authorization: Bearer {secret}uid-1")
    raw = path.read_text()
    assert secret not in raw and json.dumps(secret)[1:-1] not in raw and raw.count(MASK) >= 3


def test_a_gigantic_message_is_cut_and_says_so(tmp_path, clock):
    path = tmp_path / "j"
    with Journal(path, clock) as journal:
        journal.write("message", data={"text": "x" * 10_000_000, "list": list(range(100_000))})
    assert path.stat().st_size < MAX_RECORD_BYTES
    (record,) = read_journal(path)
    assert "more characters" in record["data"]["text"] and record["data"]["list"][-1] == "[99500 more]"


def test_a_secret_across_the_cut_leaves_no_half(tmp_path, clock):
    secret = "k3y-" + "a1b2c3d4" * 8
    path = tmp_path / "j"
    with Journal(path, clock, Redactor([secret])) as journal:
        for before in range(MAX_STRING_CHARS - 80, MAX_STRING_CHARS + 10, 7):
            journal.write("log", text="x " * (before // 2) + secret + " y" * 100_000)
    assert "k3y" not in path.read_text() and "a1b2" not in path.read_text()


def test_what_is_nested_without_end_or_cannot_be_encoded_is_still_a_record(tmp_path, clock):
    nested: list = []
    for _ in range(5000):
        nested = [nested, {"token": "sesame-1"}]
    path = tmp_path / "j"
    with Journal(path, clock, Redactor(["sesame-1"])) as journal:
        journal.write("message", data=nested)
        journal.write("log", text="lone surrogate \udcff")
    first, second = read_journal(path)
    assert "nested too deeply" in str(first) and "sesame" not in str(first)
    assert second["text"] == "lone surrogate \\udcff"


def test_a_follower_that_fails_is_dropped_and_nobody_else_is_harmed(tmp_path, clock):
    seen = []

    def broken(record):
        raise KeyError("x")

    with Journal(tmp_path / "j", clock) as journal:
        journal.subscribe(broken, "note")
        journal.subscribe(seen.append, "note")
        journal.write("note", text="one")
        journal.write("note", text="two")
    texts = [r["text"] for r in seen]
    assert "one" in texts and "two" in texts and any("dropped" in text for text in texts) and len(texts) == 3


def test_a_large_histogram_stays_whole(tmp_path, clock):
    histogram = Histogram().extend(n * 0.01 for n in range(200_000))
    with Journal(tmp_path / "j", clock) as journal:
        journal.write("sends", n=200_000, lateness=histogram.to_dict())
    (record,) = read_journal(tmp_path / "j")
    assert (tmp_path / "j").stat().st_size > MAX_RECORD_BYTES
    assert Histogram.from_dict(record["lateness"]).summary() == histogram.summary()


def test_hostile_text_stays_on_its_line(tmp_path, clock):
    path = tmp_path / "j"
    with Journal(path, clock) as journal:
        journal.write("log", text='a\nb\r{"t":0}\x00\u2028')
    assert len(path.read_bytes().splitlines()) == 1
    assert next(read_journal(path))["text"] == 'a\nb\r{"t":0}\x00\u2028'


def test_a_killed_run_leaves_a_readable_journal(tmp_path):
    script = textwrap.dedent("""
        import os, sys, time
        from pathlib import Path
        from e2e.record.journal import Journal
        journal = Journal(Path(sys.argv[1]), time.monotonic)
        for n in range(1000):
            journal.write("note", text=f"{n} " + "x" * 200)
        journal.flush()
        journal.write("note", text="half" * 10000)  # larger than the buffer: a part of it reaches the file
        print("ready", flush=True)
        time.sleep(60)
    """)
    path = tmp_path / "journal.jsonl"
    with subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        os.kill(process.pid, signal.SIGKILL)
    records = list(read_journal(path))
    assert len(records) >= 1000 and records[999]["text"].startswith("999 ")
    with path.open("ab") as file:
        file.write(b'{"t": 1.0, "type": "no')
    assert len(list(read_journal(path))) == len(records)


def test_what_is_no_journal_is_refused_with_its_place(tmp_path):
    with pytest.raises(JournalError, match="no journal at"):
        list(read_journal(tmp_path))
    damaged = tmp_path / "damaged"
    damaged.write_text('{"t":0,"type":"run"}\nrubbish\n{"t":1,"type":"end"}\n')
    with pytest.raises(JournalError, match="line 2 is not a record"):
        list(read_journal(damaged))
    with pytest.raises(JournalError, match=r"cannot read .*: file name too long"):
        list(read_journal(tmp_path / ("x" * 300)))
    later = tmp_path / "later"
    later.write_text('{"t":0,"type":"run","schema":99}\n')
    with pytest.raises(JournalError, match="is of schema 99, and this e2e reads 1"):
        list(read_journal(later))
    other = tmp_path / "other"
    other.write_text('{"a": 1}\n')
    with pytest.raises(JournalError, match="line 1 is not a record of a run"):
        list(read_journal(other))
