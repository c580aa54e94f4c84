"""The runs of a directory: read where they changed, never lost with the database, and never stopped by a broken one."""

import json
import os
import sqlite3
from pathlib import Path

import pytest

from e2e.errors import JournalError
from e2e.record.history import DATABASE, MAX_METRICS, History, read_row


def made(root, name, verdict="pass", started="2026-03-14T09:00:00.000+00:00", scenario="smoke", **more):
    directory = root / name
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "journal.jsonl").touch()
    summary = {
        "schema": 1,
        "scenario": scenario,
        "target": "standin",
        "started": started,
        "verdict": verdict,
        "exit_code": 0 if verdict == "pass" else 1,
        "duration": 12.5,
        "options": {"users": 3},
        "counters": {"sessions": 3, "sessions_ready": 3, "chunks_planned": 300, "chunks_sent": 299},
        "latency_ms": {"ready": {"p95": 41.5}},
        "transcript": {"wer": 0.05},
        "imports": {"lines": 2},
        "comparison": {"areas": [{"worse": 2}, {"worse": 1}]},
        **more,
    }
    (directory / "run.json").write_text(json.dumps(summary), encoding="utf-8")
    return directory


def names(root, **options):
    with History(root, rebuild=options.pop("rebuild", False)) as history:
        history.refresh()
        return [run.name for run in history.runs(**options)]


@pytest.fixture
def three(tmp_path):
    made(tmp_path, "a", started="2026-03-14T09:00:00")
    made(tmp_path, "b", started="2026-03-16T09:00:00", scenario="podcast")
    made(tmp_path, "c", started="2026-03-15T09:00:00", verdict="fail")
    (tmp_path / "latest").symlink_to("b", target_is_directory=True)
    (tmp_path / "no run").mkdir()
    return tmp_path


def test_the_newest_is_first_and_the_link_is_no_run(three):
    assert names(three) == ["b", "c", "a"]
    assert names(three, limit=2) == ["b", "c"]
    assert names(three, scenario="smoke") == ["c", "a"]
    with History(three) as history:
        assert history.scenarios() == ["podcast", "smoke"]


def test_a_directory_that_may_not_be_looked_into_is_told(three, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    (three / "closed").mkdir()
    asked, read = Path.is_file, Path.read_bytes
    monkeypatch.setattr(Path, "is_file", lambda path: (refuse if path.parent.name == "closed" else asked)(path))
    monkeypatch.setattr(Path, "read_bytes", lambda path: (refuse if path.parent.name == "closed" else read)(path))
    with History(three) as history:
        history.refresh()
        (closed,) = [run for run in history.runs() if run.name == "closed"]
    assert "Permission denied" in closed.problem


def test_a_row_is_what_run_json_says(three):
    row = read_row(three / "a")
    assert (row.verdict, row.users, row.ready, row.chunks_lost, row.wer, row.import_errors) == (
        "pass",
        3,
        3,
        1,
        0.05,
        2,
    )
    assert row.p95 == {"ready": 41.5} and row.regressions == 3 and row.duration == 12.5
    with History(three) as history:
        history.refresh()
        assert row in history.runs() and history.count() == 3


def test_a_row_says_how_it_was_run_and_how_it_ended(tmp_path):
    how = {"pace": "20x", "ended": "finished", "target_details": {"faults": ["ready=late", "import=boot"]}}
    counters = {"chunks_planned": 300, "chunks_sent": 200, "chunks_left_by_load": 90}
    row = read_row(made(tmp_path, "a", **how, options={"load": {"text": "2 users"}}, counters=counters))
    assert (row.load, row.pace, row.faults) == ("2 users", "20x", "import=boot, ready=late")
    assert row.chunks_lost == 10 and not row.cut
    cut = read_row(made(tmp_path, "b", **how | {"ended": "interrupted"}, counters=counters))
    assert cut.cut and cut.chunks_lost is None


def test_what_changed_is_read_anew_and_what_went_is_gone(three):
    names(three)
    made(three, "c", verdict="pass", started="2026-03-20T09:00:00")
    os.utime(three / "c/run.json", ns=(1, 1))
    (three / "a/run.json").unlink()
    (three / "a/journal.jsonl").unlink()
    assert names(three) == ["c", "b"]


def test_only_what_changed_is_read(three, monkeypatch):
    names(three)
    read = []
    monkeypatch.setattr("e2e.record.history.read_row", lambda path: read.append(path.name) or read_row(path))
    made(three, "d")
    names(three)
    assert read == ["d"]
    names(three, rebuild=True)
    assert sorted(read[1:]) == ["a", "b", "c", "d"]


def spoil(path, how):
    if how == "no database":
        path.write_bytes(b"not a database at all" * 100)
    elif how == "half":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif how == "torn":
        data = bytearray(path.read_bytes())
        data[4096:] = os.urandom(len(data) - 4096)
        path.write_bytes(bytes(data))
    elif how == "empty":
        path.write_bytes(b"")
    else:
        with sqlite3.connect(path) as database:
            database.execute("DROP TABLE runs")
            database.execute("CREATE TABLE runs (name, other)")
            database.execute(f"PRAGMA user_version = {0 if how == 'older' else 99}")
        database.close()


@pytest.mark.parametrize("how", ("no database", "half", "torn", "empty", "older", "newer"))
def test_a_database_that_is_no_use_is_made_anew(three, how):
    assert len(names(three)) == 3
    spoil(three / DATABASE, how)
    assert names(three) == ["b", "c", "a"]
    assert names(three) == ["b", "c", "a"]


def test_a_directory_that_cannot_be_written_is_read_all_the_same(three, monkeypatch):
    def refused(path, **_):
        if path != ":memory:":
            raise sqlite3.OperationalError("unable to open database file")
        return connect(path)

    connect = sqlite3.connect
    monkeypatch.setattr("e2e.record.history.sqlite3.connect", refused)
    assert names(three) == ["b", "c", "a"] and not (three / DATABASE).exists()


def test_a_database_that_somebody_else_writes_is_not_waited_for_for_ever(three, monkeypatch):
    monkeypatch.setattr("e2e.record.history._BUSY_SECONDS", 0.01)
    names(three)
    made(three, "d", started="2026-03-17T09:00:00")
    other = sqlite3.connect(three / DATABASE)
    other.execute("BEGIN EXCLUSIVE")
    assert names(three) == ["d", "b", "c", "a"]
    other.rollback()
    other.execute("BEGIN IMMEDIATE")  # it may be read, not written
    assert names(three) == ["d", "b", "c", "a"]
    other.close()
    assert names(three) == ["d", "b", "c", "a"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "no run.json"),
        ("{half", "cannot be read"),
        ("[]", "none of a run"),
        ('{"verdict": 5}', "none of a run"),
        ("[" * 100_000, "cannot be read"),
    ],
)
def test_a_broken_run_is_named_and_stops_nothing(three, content, why):
    (three / "broken").mkdir()
    (three / "broken/journal.jsonl").touch()
    if content is not None:
        (three / "broken/run.json").write_text(content)
    assert names(three) == ["b", "c", "a", "broken"]
    assert "broken" in names(three, scenario="podcast")
    assert why in read_row(three / "broken").problem


def test_values_of_a_wrong_type_are_unknown(tmp_path):
    wrong = {"counters": [], "options": None, "transcript": {"wer": "much"}, "duration": float("nan"), "comparison": 5}
    row = read_row(made(tmp_path, "a", **wrong, latency_ms={"ready": {"p95": None}, "x": 3}, exit_code=1e300))
    assert row.problem is None and row.verdict == "pass" and row.p95 == {}
    assert row.users is row.wer is row.duration is row.exit_code is row.chunks_lost is row.regressions is None
    many = {f"m{k}": {"p95": 1.0} for k in range(1000)}
    assert len(read_row(made(tmp_path, "b", latency_ms=many, scenario="s" * 9999)).p95) == MAX_METRICS


def test_no_directory_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(JournalError, match="name one that holds runs"):
        History(tmp_path / "nowhere")
