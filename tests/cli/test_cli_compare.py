"""`e2e compare`, `e2e history` and `e2e run --baseline`, as a user calls them."""

import json
import shutil

import pytest

from e2e.record.rundir import RunDirectory
from e2e.report.write import write_reports
from tests.verdict.test_verdict_compare import run


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    root = tmp_path_factory.mktemp("two") / "reports"
    for name, late in (("20260314-090000-smoke", 0.0), ("20260315-090000-smoke", 200.0)):
        write_reports(RunDirectory(run(root / name, late=late, sessions=8)))
    return root


@pytest.fixture
def reports(two, e2e):
    shutil.copytree(two, e2e.directory / "reports")
    return e2e


A, B = "20260314-090000-smoke", "20260315-090000-smoke"


def test_compare_in_every_format(reports):
    text = reports("compare", A, f"reports/{B}")
    assert text.code == 0 and text.err == ""
    assert "1 regression since" in text.out and "ready p50" in text.out and "Mann and Whitney" in text.out
    markdown = reports("compare", A, B, "--format", "markdown", "--fail-on", "regression")
    assert markdown.code == 1 and markdown.out.startswith("## Compared with another run\n")
    data = json.loads(reports("compare", B, A, "--format", "json", "--fail-on", "regression").out)
    assert data["regression"] is False and data["before"]["run_id"] == B


def test_what_is_no_run_and_what_is_of_another_version(reports):
    assert "no run at nowhere" in reports("compare", "nowhere", A).error
    journal = reports.directory / "reports" / B / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"schema":1', b'"schema":7', 1))
    assert "schema 7, and this e2e reads 1" in reports("compare", A, B).error


def test_a_baseline_is_checked_before_anything_is_started(reports):
    stream = ("run", "stream.py", "--standin")
    assert "add --baseline RUN" in reports(*stream, "--fail-on", "regression").error
    assert "no run at nowhere" in reports(*stream, "--baseline", "nowhere").error
    assert sorted(p.name for p in (reports.directory / "reports").iterdir()) == [A, B]


def test_history_in_every_format(reports):
    (reports.directory / "reports/broken").mkdir()
    (reports.directory / "reports/broken/journal.jsonl").touch()
    text = reports("history")
    assert text.code == 0 and text.out.index(B) < text.out.index(A) and "broken: no run.json" in text.out
    data = json.loads(reports("history", "--format", "json", "--limit", "1").out)
    assert data["total"] == 3 and len(data["runs"]) == 1
    assert reports("history", "reports", "--format", "html", "--rebuild").out.split() == [
        "wrote",
        "reports/history.html",
    ]
    page = (reports.directory / "reports/history.html").read_text()
    assert f'href="{B}/report.html"' in page and "ready p95" in page
    assert "no directory nowhere" in reports("history", "nowhere").error


SMOKE = ("run", "smoke", "--standin", "--recogniser", "vad", "--timers", "0.1", "--quiet", "--chunks", "20")
SMOKE += ("--users", "10", "--ramp", "2s")
GUARD = ("--baseline", "latest-pass", "--fail-on", "regression")


def night(e2e, *more):
    """Exit code and `run.json`. What a late generator means for a comparison is tested with made-up journals."""
    result = e2e(*SMOKE, *GUARD, *more)
    if result.code == 5:
        pytest.skip("this machine is too busy: the generator was late")
    return result.code, result.run


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_nights_of_a_ci(e2e):
    """The first has nothing to compare with; the second is the same; late `ready` and a renamed field fail."""
    code, first = night(e2e)
    assert code == 0 and "regression" not in [c["name"] for c in first["checks"]]
    assert any("nothing to compare with" in note for note in first["notes"])

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
        if not path.is_symlink() and path.name != renamed["run_id"]:
            shutil.rmtree(path)
    assert e2e("report", "reports/latest").code == 0
    assert (e2e.directory / "reports/latest/report.md").read_text() == told
