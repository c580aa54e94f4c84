"""`e2e compare`, `e2e history` and `e2e run --baseline`, as a user calls them."""

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.cli import main
from e2e.cli.baseline import latest_pass
from e2e.record.rundir import RunDirectory
from e2e.report.write import write_reports
from tests.verdict.test_verdict_compare import run


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    root = tmp_path_factory.mktemp("two") / "reports"
    for name, late in (("20260314-090000-smoke", 0.0), ("20260315-090000-smoke", 200.0)):
        write_reports(RunDirectory(run(root / name, late=late, sessions=8)))
    return root


@dataclass
class Called:
    code: int
    out: str
    err: str


@pytest.fixture
def call(two, tmp_path, monkeypatch, capsys):
    """`e2e` in a directory with two runs, without the time that a process takes to start."""
    shutil.copytree(two, tmp_path / "reports")
    monkeypatch.chdir(tmp_path)

    def call(*args: str) -> Called:
        monkeypatch.setattr(sys, "argv", ["e2e", *args])
        with pytest.raises(SystemExit) as exit:
            main()
        return Called(exit.value.code, *capsys.readouterr())

    return call


def error(called: Called) -> str:
    assert called.code == 2 and called.out == "" and called.err.count("\n") == 1
    return called.err


A, B = "20260314-090000-smoke", "20260315-090000-smoke"


def test_compare_in_every_format(call):
    text = call("compare", A, f"reports/{B}")
    assert text.code == 0 and text.err == ""
    assert "1 regression since" in text.out and "ready p50" in text.out and "Mann and Whitney" in text.out
    markdown = call("compare", A, B, "--format", "markdown", "--fail-on", "regression")
    assert markdown.code == 1 and markdown.out.startswith("## Compared with another run\n")
    mild = call("compare", A, B, "--smallest", "5%,300ms", "--fail-on", "regression")
    assert mild.code == 0 and "is at least 300 ms, and 5 % of" in " ".join(mild.out.split())
    quicker = call("compare", B, A, "--format", "json", "--fail-on", "regression")
    data = json.loads(quicker.out)
    assert quicker.code == 0 and data["regression"] is False and data["before"]["run_id"] == B


def test_what_is_no_run_and_what_is_of_another_version(call):
    assert "no run at nowhere" in error(call("compare", "nowhere", A))
    assert f"{A} and reports/{A} are the same run" in error(call("compare", A, f"reports/{A}"))
    for wrong in ("5", "5%", "5,1ms", "much%,1ms", "5%,soon", "-5%,1ms", "5%,", "nan%,1ms"):
        assert "as 5%,1ms" in error(call("compare", A, B, "--smallest", wrong)), wrong
    journal = Path("reports", B, "journal.jsonl")
    journal.write_bytes(journal.read_bytes().replace(b'"schema":1', b'"schema":7', 1))
    for read in (("compare", A, B), ("report", B), ("report", B, "--format", "json"), ("report", B, "--session", "s1")):
        assert "schema 7, and this e2e reads 1" in error(call(*read))


def test_a_baseline_is_checked_before_anything_is_started(call):
    smoke = ("run", "smoke", "--standin")
    assert "add --baseline RUN" in error(call(*smoke, "--fail-on", "regression"))
    assert "add --fail-on regression" in error(call(*smoke, "--baseline", A, "--smallest", "9%,9ms"))
    assert "no run at nowhere" in error(call(*smoke, "--baseline", "nowhere"))
    assert sorted(p.name for p in Path("reports").iterdir()) == [A, B]


def test_history_in_every_format(call):
    Path("reports/broken").mkdir()
    Path("reports/broken/journal.jsonl").touch()
    text = call("history")
    assert text.code == 0 and text.out.index(B) < text.out.index(A) and "broken: no run.json" in text.out
    data = json.loads(call("history", "--format", "json", "--limit", "1").out)
    assert data["total"] == 3 and len(data["runs"]) == 1
    assert call("history", "reports", "--format", "html", "--rebuild").out.split() == ["wrote", "reports/history.html"]
    page = Path("reports/history.html").read_text()
    assert f'href="{B}/report.html"' in page and "ready p95" in page
    assert "no directory nowhere" in error(call("history", "nowhere"))
    assert "no run of nope in reports; there are: smoke" in error(call("history", "--scenario", "nope"))


def conditions(**options):
    given = {"users": 1, "chunks": 100, "pace": "realtime", "seed": 1} | options
    return {"scenario": "smoke", "target": {"name": "standin", "timers": 1.0}, "options": given}


def test_the_latest_pass_is_of_the_same_scenario_target_and_conditions(two, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(two, out)
    found, notes = latest_pass(out, conditions())
    assert found.run["run_id"] == B and notes == []
    for other in (
        conditions(users=9),
        conditions() | {"scenario": "podcast"},
        conditions() | {"target": {"name": "x"}},
    ):
        found, notes = latest_pass(out, other)
        assert found is None and notes[-1].startswith("no earlier pass of ")
    assert latest_pass(out, conditions(users=9))[1][0].endswith("(2 passes differ in: users)")
    summary = json.loads((out / B / "run.json").read_text())
    (out / B / "run.json").write_text(json.dumps(summary | {"verdict": "fail"}))
    assert latest_pass(out, conditions())[0].run["run_id"] == A
    (out / A / "journal.jsonl").write_text("{broken\n{}\n")
    found, notes = latest_pass(out, conditions())
    assert found is None and "line 1" in notes[0] and "no earlier pass" in notes[1]


# At this pace nothing is late, so a busy machine does not decide; `ready` is claimed at every pace.
SMOKE = ("run", "smoke", "--standin", "--recogniser", "vad", "--timers", "0.03", "--quiet", "--chunks", "20")
SMOKE += ("--pace", "max", "--users", "10", "--ramp", "1s")
GUARD = ("--baseline", "latest-pass", "--fail-on", "regression")


def night(e2e, *more):
    """Exit code and `run.json`."""
    result = e2e(*SMOKE, *GUARD, *more)
    return result.code, result.run


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_nights_of_a_ci(e2e):
    """The first has nothing to compare with; the second is the same; late `ready` and a renamed field fail."""
    code, first = night(e2e)
    assert code == 0 and (first["checks"][-1]["name"], first["checks"][-1]["status"]) == ("regression", "skipped")
    assert any(note.startswith("No baseline: no earlier pass of smoke") for note in first["notes"])

    _, second = night(e2e)
    comparison = second["comparison"]
    assert comparison["before"]["run_id"] == first["run_id"]
    contract = next(area for area in comparison["areas"] if area["name"] == "contract")
    assert contract["changes"] == [] and contract["same"] > 50
    assert "routes" in contract["compared"] and "answers of 5 endpoints" in contract["compared"]

    code, late = night(e2e, "--fault", "ready=late")
    assert code == 1 and late["checks"][-1]["name"] == "regression" and late["checks"][-1]["status"] == "fail"
    moves = {(m["metric"], m["statistic"]): m for m in late["comparison"]["moves"]}
    assert moves["ready", "p50"]["says"] == "slower" and 150 < moves["ready", "p50"]["shift"] < 400

    code, renamed = night(e2e, "--fault", "contract=renamed")
    assert code == 1
    assert any(".current_page" in line for line in renamed["checks"][-1]["evidence"])
    # The report made later, when the baseline is gone, says the same.
    told = (e2e.directory / "reports/latest/report.md").read_text()
    for path in (e2e.directory / "reports").iterdir():
        if path.is_dir() and not path.is_symlink() and path.name != renamed["run_id"]:
            shutil.rmtree(path)
    assert e2e("report", "reports/latest").code == 0
    assert (e2e.directory / "reports/latest/report.md").read_text() == told
