"""Which failed check is named first, what scripts checked by themselves, and checks that there was nothing for."""

from e2e.report.terminal import plain_lines
from e2e.report.view import build_view, figures, repeated
from e2e.report.write import render
from e2e.verdict import expect
from e2e.verdict.causes import MAX_NAMES, by_cause, rank, told
from e2e.verdict.check import Check
from e2e.verdict.checks import RULES
from e2e.verdict.fold import Fold
from e2e.verdict.judge import judge
from e2e.verdict.scripted import MAX_CHECKS, ScriptChecks
from e2e.verdict.summary import summarise
from tests.verdict.journals import SMOKE, journal, judged


def failed(*names):
    return [Check(name, "fail", f"why {name}") for name in names]


def test_causes_are_told_before_what_follows_from_them():
    found = failed("p95_ready", "lifecycle", "all_chunks_sent", "mine", "close_code", "zero_import_errors", "script")
    names = [check.name for check in by_cause(found)]
    assert names == [
        *("script", "zero_import_errors", "close_code", "mine", "lifecycle", "all_chunks_sent", "p95_ready"),
    ]
    assert told(failed("lifecycle", "close_code")) == "close_code, why close_code; also lifecycle"
    assert told(failed("lifecycle")) == "lifecycle, why lifecycle"
    assert told(failed(*(f"c{n}" for n in range(MAX_NAMES + 3)))).endswith(f"c{MAX_NAMES} and 2 more")
    # A check of a script's own is not taken for one of ours that begins alike.
    assert rank("ready_for_tea") == rank("mine") > rank("ready")
    assert all(rank(name) != rank("mine") for name in RULES)


def test_the_page_lists_failed_checks_in_the_order_of_causes(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run([expect.lifecycle(), expect.close_code(1000)])
        j.boot()
        j.tape()
        session = j.connecting()
        j.open(session)
        j.ready(session)
        start = j.begin(session)
        j.finish(session, start, sent=40)
        j.closed(session, 1011, "server", chunks=40)
        j.failed(session, "closed", "listen e2e-test: closed with 1011")
        j.stop()
        j.end()
    _, verdict, summary = judged(tmp_path / "r")
    assert verdict.sentence.startswith(
        "2 of 2 checks failed: close_code, 1 of 1 session did not close with 1000: closed"
    )
    assert verdict.sentence.endswith("1011; also lifecycle.") and "closed: " not in verdict.sentence
    (marks,) = [block for block in build_view(summary).sections[0].blocks if block.kind == "marks"]
    assert [mark.text for mark in marks.items] == ["close_code", "lifecycle"]
    markdown = render("markdown", summary)
    assert 0 < markdown.index("close_code:") < markdown.index("lifecycle:")
    assert figures(summary)[0] == ("checks", "2 failed")


def test_a_late_generator_is_told_of_a_run_that_failed_anyway(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run([expect.close_code(1001)])
        j.tape()
        session = j.connecting()
        j.open(session)
        j.ready(session)
        j.finish(session, j.begin(session))
        j.closed(session, late_ms=400.0)
        j.end()
    _, verdict, _ = judged(tmp_path / "r")
    assert verdict.value == "fail" and verdict.sentence.endswith("the generator was late, so latencies mean nothing).")


def scripted(*records):
    checks = ScriptChecks()
    for record in records:
        checks.add({"name": "said_morning", "status": "pass", **record})
    return [(c.name, c.status, c.detail, c.evidence) for c in checks]


def test_checks_of_a_script_are_one_a_name():
    devices = [{"device": f"dev-{n}", "detail": f"heard {n}"} for n in range(30)]
    assert scripted(*devices) == [("said_morning", "pass", "30 of 30 devices", [])]
    for n in (3, 9):
        devices[n] |= {"status": "fail"}
    (found,) = scripted(*devices)
    assert found[1:3] == ("fail", "28 of 30 devices; failed: dev-3, dev-9")
    assert found[3] == ["dev-3: heard 3", "dev-9: heard 9"]
    (found,) = scripted(*({"device": f"dev-{n}", "status": "fail", "detail": "nothing"} for n in range(30)))
    assert found[2].endswith("dev-5 and 24 more: nothing") and found[3][-1] == "... and 10 more" and len(found[3]) == 21
    # Journals of before name no device, and one device may check the same several times.
    assert scripted({}, {"status": "fail"})[0][2:] == ("1 of 2 times", [])
    one = {"status": "fail", "detail": "why", "device": "dev-1", "evidence": ["a"]}
    assert scripted(one) == [("said_morning", "fail", "why", ["a"])]


def test_scripts_that_broke_are_one_a_text():
    broke = [
        {"name": "script", "status": "fail", "detail": f"ValueError: {n % 2}", "device": f"d{n}"} for n in range(5)
    ]
    assert [(name, detail) for name, _, detail, _ in scripted(*broke)] == [
        ("script", "ValueError: 0 (3 devices: d0, d2, d4)"),
        ("script", "ValueError: 1 (2 devices: d1, d3)"),
    ]


def test_names_without_end_stay_bounded_and_a_failure_among_them_counts():
    many = [{"name": f"n{n}", "status": "fail" if n > MAX_CHECKS else "pass"} for n in range(MAX_CHECKS + 9)]
    found = scripted(*many)
    assert len(found) == MAX_CHECKS + 1 and found[-1][:2] == ("(other checks)", "fail")


def test_a_baseline_that_was_not_found_is_listed_and_fails_nothing(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run([expect.services_healthy(), expect.no_regression()])
        j.write("baseline", part="none", why="no earlier pass of smoke on standin (2 passes differ in: users)")
        j.boot()
        j.stop()
        j.end()
    _, verdict, summary = judged(tmp_path / "r")
    assert (verdict.value, verdict.exit_code, verdict.comparison) == ("pass", 0, None)
    assert verdict.sentence == "All 1 checks hold; regression was not checked."
    line = "·    regression: not checked: no earlier pass of smoke on standin (2 passes differ in: users)"
    assert line in list(plain_lines(summary, "r"))
    assert figures(summary)[0] == ("checks", "1 pass, 1 not checked")
    assert 'skipped="1"' in render("junit", summary)
    for form in ("markdown", "html"):
        assert "not checked: no earlier pass" in render(form, summary)


def test_checks_that_were_not_reached_for_one_reason_are_one_line(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run(SMOKE)
        for name in ("backend", "pusher"):
            j.write("service", service=name, event="unhealthy", error="nobody listens on 127.0.0.1:1")
        j.end("error", "the services did not get ready")
    _, _, summary = judged(tmp_path / "r")
    lines = list(plain_lines(summary, "r"))
    (one,) = [line for line in lines if "close_code" in line]
    assert one.startswith("?    ") and " checks not reached: backend and pusher did not run (" in one
    assert sum(line.startswith("?") for line in lines) == 2  # of the logs, something can be done


def test_of_a_run_that_goes_on_what_logs_prove_is_decided_at_its_end(tmp_path):
    fold = Fold()
    fold.facts.running = True
    with journal(tmp_path / "r") as j:
        j.run([expect.zero_import_errors()])
        j.boot()
    from e2e.record.journal import read_journal

    for record in read_journal(tmp_path / "r" / "journal.jsonl"):
        fold.take(record)
    facts = fold.finish()
    verdict = judge(facts)
    summary = summarise(facts, verdict)
    assert verdict.checks[0].detail == "decided when the run ends"
    assert ("import errors", "none so far") in figures(summary)
    page = render("html", summary)
    assert "boot marker not seen" not in page and "not observed" not in page and "was not seen" not in page


def test_an_error_in_a_log_is_not_called_unread(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run([expect.zero_import_errors()])
        j.launch("backend")
        j.import_error(phase="boot")
        j.write("service", service="backend", event="exited", code=1)
        j.end("error", "backend died")
    _, verdict, _ = judged(tmp_path / "r")
    assert "seen by log (logs of 1 service read in part, no import probe" in verdict.checks[0].detail


def test_transcripts_are_counted_in_the_sessions_that_had_some(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run([expect.transcripts_received()])
        j.boot()
        j.tape()
        for n in range(3):
            session = j.connecting(f"s{n}", f"u{n}")
            j.open(session)
            j.ready(session)
            start = j.begin(session)
            if n:
                j.segment(session, "a", "good morning", 0.5, 2.0)
            j.finish(session, start)
            j.closed(session)
        j.stop()
        j.end()
    _, verdict, _ = judged(tmp_path / "r")
    assert verdict.checks[0].detail.endswith("; 2 transcript messages with words in 2 sessions")


def test_the_command_to_repeat_a_run_has_nothing_of_who_watched_it():
    said = [
        "e2e",
        "run",
        "smoke",
        "--quiet",
        "--web",
        "8080",
        "--standin",
        "--prometheus=:9464",
        "--otel",
        "--users",
        "3",
    ]
    assert repeated(said) == ["e2e", "run", "smoke", "--standin", "--users", "3"]
    assert repeated(["e2e", "run", "smoke", "--web", "--prometheus", ":9464"]) == ["e2e", "run", "smoke"]


def test_what_ended_the_run_is_not_told_beside_the_check_that_tells_it(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run([expect.services_healthy(), expect.zero_import_errors()])
        j.launch("backend")
        j.import_error(phase="boot")
        error = "backend: nothing answers at http://127.0.0.1:10220: refused"
        j.write("service", service="backend", event="unhealthy", error=error)
        j.write("end", reason="error", error=f"{error}; raise boot_timeout", exit_code=3)
    _, verdict, _ = judged(tmp_path / "r")
    assert verdict.exit_code == 1 and verdict.sentence.startswith("2 of 2 checks failed: zero_import_errors, ")
    assert verdict.checks[0].detail == "backend did not get healthy: " + error.removeprefix("backend: ")
