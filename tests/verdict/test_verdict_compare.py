"""Two runs compared, from their journals; and a run that holds its baseline in its own journal."""

import random
from dataclasses import replace

import pytest

from e2e.errors import ScenarioError
from e2e.protocol.contract import answered, promised
from e2e.record.journal import read_journal
from e2e.record.rundir import RunDirectory
from e2e.report.view_compare import comparison_blocks
from e2e.report.write import read_digest, read_run, render
from e2e.verdict import expect
from e2e.verdict.change import BETTER, OTHER, WORSE
from e2e.verdict.compare import compare
from e2e.verdict.digest import Digest
from tests.verdict.journals import SAID, SMOKE, journal

DOCUMENT = {"paths": {"/v1/a": {"get": {"responses": {"200": {}}}}}}
HOSTILE = "<script>alert(1)</script> | \x1b[31m @you [x](http://evil.example)"


def run(
    path,
    *,
    sessions=10,
    late=0.0,
    seed=1,
    said=None,
    body=None,
    baseline=(),
    imports=("Geolocation",),
    heard=SAID,
    **fields,
):
    """Sessions that get ready some 40 ms after they are open, and stream."""
    source = random.Random(seed)
    with journal(path) as j:
        j.run(**{"expectations": SMOKE, **fields})
        for part in baseline:
            j.write("baseline", **part)
        j.boot()
        j.steps()
        j.tape()
        j.write("contract", service="backend", source="openapi", rows=list(promised(DOCUMENT)), left_out=0)
        answer = {"source": "body", "endpoint": "POST /search", "status": 200, "left_out": 0}
        rows = answered(200, {"current_page": 1} if body is None else body)
        j.write("contract", service="backend", **answer, rows=rows)
        if said:
            j.write("error_line", service="backend", level="ERROR", text=said, n=9, noise=False, fingerprint=f"f{said}")
        for name in imports:
            use = {"module": "models.geolocation", "names": [name], "file": "main.py", "line": 4, "own": True}
            j.write("import_use", service="backend", **use, phase="boot", count=1)
        for k in range(sessions):
            session = j.connecting(f"s{k}", f"user{k}", device=k)
            j.open(session)
            j.ready(session, 40 + source.gauss(0, 5) + late)
            start = j.begin(session)
            j.speech(session, start, heard)
            j.finish(session, start)
            j.closed(session)
            j.stored(session)
            j.gone(session)
        for name in ("backend", "pusher"):
            probe = {"processes": 1, "python": ["3.11"], "facts": 1, "complete": True}
            j.write("import_probe", service=name, **probe, watch=["models.geolocation"])
        j.stop()
        j.end()
    return path


def bare(path):
    """A run of which only its checks are known."""
    with journal(path) as j:
        j.run()
        j.end()
    return path


def digest(path):
    return read_digest(RunDirectory.open(path))


def compared(before, after):
    return compare(digest(before), digest(after))


def changes(comparison):
    return {area.name: [(c.effect, c.what) for c in area.changes] for area in comparison.areas if area.changes}


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    return run(tmp_path_factory.mktemp("runs") / "before")


def test_equal_runs_have_no_change_and_say_what_was_compared(before, tmp_path):
    result = compared(before, run(tmp_path / "now", seed=2))
    assert changes(result) == {} and not result.regression and result.doubts == []
    assert result.sentence == "no regression since before, and no change"
    said = {area.name: area.compared for area in result.areas}
    assert said["contract"] == "1 routes, 1 responses, 2 fields of the answers of 1 endpoints"
    assert said["checks"] == f"{len(SMOKE)} checks"
    assert said["imports"].startswith("1 imports of backend") and "ready" in said["latencies"]
    ready = next(m for m in result.moves if m.metric == "ready")
    assert (ready.says, ready.unit, ready.blocks) == ("same", "session", (10, 10))


def test_errors_that_were_there_before_are_no_change(tmp_path):
    result = compared(*(run(tmp_path / name, sessions=1, said="the cat is gone") for name in "ab"))
    assert "errors" not in changes(result)
    (area,) = [a for a in result.areas if a.name == "errors"]
    assert area.compared == "1 fingerprint in both runs in the logs of backend and pusher"


def test_a_latency_that_moved(before, tmp_path):
    later = run(tmp_path / "now", seed=2, late=200.0)
    assert changes(compared(before, later)) == {"latencies": [(WORSE, "ready p50 slower")]}
    (change,) = compared(before, later).worse
    assert "10 and 10 sessions" in change.detail and "shift +20" in change.detail
    assert changes(compared(later, before)) == {"latencies": [(BETTER, "ready p50 quicker")]}


@pytest.mark.parametrize(("sessions", "unit"), [(10, "session"), (4, "utterance")])
def test_speech_that_is_understood_less_well(tmp_path, sessions, unit):
    wrong = tuple((f"{text.split()[0]} and something else", onset, end) for text, onset, end in SAID)
    before, now = run(tmp_path / "a", sessions=sessions), run(tmp_path / "b", sessions=sessions, heard=wrong)
    found = changes(compared(before, now))
    assert (WORSE, "word_error_rate higher") in found["words"]
    (move,) = [m for m in compared(before, now).moves if m.metric == "word_error_rate"]
    assert (
        move.unit == unit
        and move.before == 0.0
        and move.after > 50
        and f"{unit}s, p =" in str(compared(before, now).areas)
    )
    assert changes(compared(now, before))["words"] == [(BETTER, "word_error_rate lower")]


def test_few_sessions_say_nothing_of_latencies(before, tmp_path):
    result = compared(run(tmp_path / "a", sessions=1), run(tmp_path / "b", sessions=1, late=900.0))
    assert not result.regression
    (area,) = [a for a in result.areas if a.name == "latencies"]
    assert area.unknown == ["too few sessions: 1 of 8"] and not area.seen
    assert result.sentence.startswith("no regression since a in what was compared; not compared: latencies (too few")
    assert "no change" not in result.sentence


def test_an_area_of_which_something_was_not_compared_is_named(before, tmp_path):
    sentence = compared(before, run(tmp_path / "now", seed=2, body={"current_page": None})).sentence
    assert sentence.endswith(
        "; in part: API contract (1 field of POST /search: null, empty or left out in one of the runs)"
    )


def test_of_runs_of_which_nothing_was_read_nothing_is_called_the_same(tmp_path):
    result = compared(*(bare(tmp_path / name) for name in "ab"))
    said = {area.name for area in result.areas if area.seen}
    assert "import_errors" not in said and "latencies" not in said and "words" not in said
    assert "no change" not in result.sentence and "import errors (in the run before, no log of" in result.sentence


def test_everything_else_that_can_change(before, tmp_path):
    now = run(
        tmp_path / "now",
        said="the cat is gone",
        body={"page": 1},
        imports=("Place",),
        expectations=[*SMOKE[:-1], expect.p95("ready", below="1ms")],
    )
    result = compared(before, now)
    assert changes(result) == {
        "checks": [(OTHER, "p95_ready: new, fail"), (OTHER, "word_error_rate: no longer checked")],
        "contract": [
            (WORSE, "field removed: POST /search .current_page"),
            (OTHER, "field added: POST /search .page"),
        ],
        "errors": [(WORSE, "new: backend fthe cat is gone")],
        "imports": [(OTHER, "1 import of backend no longer exercised"), (OTHER, "1 import of backend newly exercised")],
    }
    assert result.regression and result.sentence.startswith("2 regressions since before: field removed")
    back = changes(compared(now, before))
    assert back["errors"] == [(BETTER, "gone: backend fthe cat is gone")]


def test_a_check_that_fails_now_and_a_watched_module_that_nobody_imports(before, tmp_path):
    with_failure = run(tmp_path / "now", imports=())
    with journal(tmp_path / "more") as j:
        j.write("check", name="script", status="fail", detail="a ValueError")
    lines = (with_failure / "journal.jsonl").read_bytes() + (tmp_path / "more/journal.jsonl").read_bytes()
    (with_failure / "journal.jsonl").write_bytes(lines)
    assert changes(compared(before, with_failure)) == {
        "checks": [(OTHER, "script: new, fail")],
        "imports": [
            (WORSE, "watched module no longer exercised: models.geolocation"),
            (OTHER, "1 import of backend no longer exercised"),
        ],
    }


def test_new_import_errors_and_a_check_that_no_longer_holds(before, tmp_path):
    now = run(tmp_path / "now")
    with journal(tmp_path / "more") as j:
        j.import_error()
    lines = (now / "journal.jsonl").read_bytes() + (tmp_path / "more/journal.jsonl").read_bytes()
    (now / "journal.jsonl").write_bytes(lines)
    found = changes(compared(before, now))
    assert found["checks"] == [(WORSE, "zero_import_errors: pass → fail")]
    assert found["import_errors"][0][0] == WORSE and "Geolocation" in found["import_errors"][0][1]


def test_runs_of_different_scenarios_are_compared_with_a_doubt(before, tmp_path):
    other = run(tmp_path / "now", scenario="podcast", options={"users": 3, "pace": "realtime"})
    assert compared(before, other).doubts == [
        "scenario: smoke → podcast",
        "users: 1 → 3",
        "chunks: 100 → default",
    ]


def test_another_machine_and_one_that_others_used_are_doubts(before, tmp_path):
    now = run(tmp_path / "now", environment={"python": "3.11.2", "system": "Linux 6.1 x86_64", "cores": 64})
    text = (now / "journal.jsonl").read_text().replace('"loop_lag_ms":1.5', '"loop_lag_ms":1.5,"foreign":0.5')
    (now / "journal.jsonl").write_text(text)
    assert compared(before, now).doubts == [
        "in this run other programs used up to 50% of the processor: latencies may have moved for that",
        "cores of the generator: 2 → 64",
    ]


def test_no_latency_is_compared_between_paces(before, tmp_path):
    quick = run(tmp_path / "now", late=500.0)
    text = (quick / "journal.jsonl").read_text().replace('"pace":"realtime"', '"pace":"20x"')
    (quick / "journal.jsonl").write_text(text)
    result = compared(before, quick)
    assert result.moves == [] and "latencies" not in changes(result)


def judged(path, **fields):
    return read_run(RunDirectory.open(path), **fields)


@pytest.mark.parametrize(("late", "verdict", "code"), [(0.0, "pass", 0), (200.0, "fail", 1)])
def test_a_run_with_a_baseline_judges_itself_from_its_own_journal(before, tmp_path, late, verdict, code):
    parts = list(digest(before).records())
    expectations = [*SMOKE, expect.no_regression()]
    now = run(tmp_path / "now", late=late, seed=2, baseline=parts, expectations=expectations)
    summary = judged(now)
    check = summary["checks"][-1]
    assert (check["name"], check["status"]) == ("regression", "fail" if late else "pass")
    assert (summary["verdict"], summary["exit_code"]) == (verdict, code)
    assert summary["comparison"]["regression"] is bool(late)
    assert summary["comparison"] == compared(before, now).to_dict()
    for form in ("markdown", "html"):
        text = render(form, summary)
        assert "Compared with another run" in text and "Mann and Whitney" in text
    assert "1 routes" in render("markdown", summary)


def test_a_target_that_is_not_there_is_no_regression_but_unreachable(before, tmp_path):
    with journal(tmp_path / "now") as j:
        j.run(expectations=[expect.connected(), expect.no_regression()])
        for part in digest(before).records():
            j.write("baseline", **part)
        j.failed(j.connecting(), "unreachable", "nothing listens on 127.0.0.1:10220")
        j.end()
    summary = judged(tmp_path / "now")
    assert summary["checks"][-1]["status"] == "fail" and summary["exit_code"] == 3


def test_nothing_is_called_the_same_that_was_not_there(tmp_path):
    with journal(tmp_path / "a") as j:
        j.run(expectations=[expect.connected()])
        j.end()
    result = compared(tmp_path / "a", tmp_path / "a").to_dict()
    marks = {m.text: m.status for block in comparison_blocks(result) if block.kind == "marks" for m in block.items}
    assert marks["API contract: not compared"] == "inconclusive"
    assert marks["Latencies: not compared"] == marks["Imports exercised: not compared"] == "inconclusive"


def test_of_checks_with_one_name_the_worst_counts(before, tmp_path):
    paths = []
    for name, statuses in (("a", ("pass", "fail", "pass")), ("b", ("pass", "pass", "pass"))):
        with journal(tmp_path / name) as j:
            j.run(expectations=[])
            for status in statuses:
                j.write("check", name="script", status=status, detail="")
            j.end()
        paths.append(tmp_path / name)
    assert changes(compared(*paths)) == {"checks": [(BETTER, "script: fail → pass")]}


def test_what_matters_may_be_said_by_the_script(before, tmp_path):
    wanted = [*SMOKE, expect.no_regression(at_least="300ms")]
    now = run(tmp_path / "now", late=200.0, baseline=list(digest(before).records()), expectations=wanted)
    summary = judged(now)
    assert summary["verdict"] == "pass" and summary["checks"][-1]["name"] == "regression"
    assert "too little to matter" in render("markdown", summary)
    with pytest.raises(ScenarioError, match="write a share"):
        expect.no_regression(share="5%")


def test_a_baseline_without_the_expectation_only_tells(before, tmp_path):
    now = run(tmp_path / "now", late=200.0, baseline=list(digest(before).records()))
    summary = judged(now)
    assert summary["verdict"] == "pass" and summary["comparison"]["regression"]
    assert "regression" not in [check["name"] for check in summary["checks"]]


def test_an_expectation_without_a_baseline_is_no_check(tmp_path):
    summary = judged(run(tmp_path / "now", expectations=[*SMOKE, expect.no_regression()]))
    assert summary["verdict"] == "pass" and summary["comparison"] is None
    assert "regression" not in [check["name"] for check in summary["checks"]]


def test_the_digest_in_the_journal_is_bounded_and_whole(before, tmp_path):
    large = run(tmp_path / "large", sessions=200, imports=[f"Name{k}" for k in range(450)])
    parts = list(digest(large).records())
    with journal(tmp_path / "copy") as j:
        for part in parts:
            j.write("baseline", **part)
    again = Digest()
    for record in read_journal(tmp_path / "copy"):
        again.take(record)
    # A detail may look like a credential ("wrong token: HTTP 403"); everything else is as it was.
    assert list(replace(again, checks=[]).records()) == list(replace(digest(large), checks=[]).records())
    assert [c["status"] for c in again.checks] == ["pass"] * len(SMOKE)
    assert (tmp_path / "copy/journal.jsonl").stat().st_size < 100_000


def test_hostile_words_stay_words(before, tmp_path):
    now = run(tmp_path / "now", said=HOSTILE, body={HOSTILE: 1, "x": HOSTILE}, baseline=list(digest(before).records()))
    summary = judged(now)
    markdown = render("markdown", summary)
    assert "<script>alert" not in render("html", summary) and "\x1b" not in markdown
    (row,) = [line for line in markdown.splitlines() if line.startswith("| ❌ | worse | Error lines")]
    assert "&lt;script&gt;" in row and "[x](" not in row
