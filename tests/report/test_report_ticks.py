"""A tick stands only for what was seen of this run's own sessions."""

import pytest

from e2e.record.rundir import RunDirectory
from e2e.report.write import read_run, render
from e2e.verdict import expect
from tests.verdict.journals import journal, smoke

ROW = {"service": "backend", "method": "GET", "exercises": "models.user", "ms": 1.0, "error": None}

LIFECYCLE = (expect.lifecycle(),)


def report(path, write, expectations=LIFECYCLE):
    with journal(path) as j:
        j.run(expectations)
        j.boot()
        j.tape()
        write(j)
        j.stop()
        j.end()
    return render("markdown", read_run(RunDirectory(path)))


def listened(j, sid="s1", uid="u1"):
    session = j.connecting(sid, uid)
    j.write("session", **session, event="open", connect_ms=1, handshake_ms=1, status=101)
    j.write("session", **session, event="ready", ready_ms=1)
    return session


def test_what_a_stranger_did_is_not_ticked(tmp_path):
    def write(j):
        session = listened(j)
        j.open({**session, "sid": "s1", "uid": "stranger"})
        j.line("backend", "finalize_processing_conversations", "processing_finalized", "stranger")
        j.closed(session, chunks=0, planned=0)

    text = report(tmp_path / "r", write)
    assert "❓ conversation stub created" in text and "✅ conversation stub created" not in text
    exercised = text.partition("## Imports exercised")[2].partition("## Latencies")[0]
    assert "conversation model and store" not in exercised and "processing of finished" not in exercised


def test_a_disconnect_with_another_code_is_not_ticked(tmp_path):
    def write(j):
        j.stream()
        line = "Client disconnected: code=1006"
        j.line("backend", line, "client_disconnected", "e2e-test", detail={"code": 1006})

    text = report(tmp_path / "r", write)
    assert "❌ the service saw the client disconnect" in text and "✅ the service saw" not in text
    assert "✅ life-cycle manager started" in text


def test_a_conversation_of_somebody_else_is_not_ticked(tmp_path):
    def write(j):
        j.stored(j.stream(), segment_ids=["x"], text="an older one")

    assert "❌ conversation found in the store" in report(tmp_path / "r", write)


def test_a_tolerated_error_is_no_proof_of_an_import(tmp_path):
    def write(j):
        j.write("endpoint", **ROW, path="/permission", status=500, expected=[200, 500])
        j.write("endpoint", **ROW, path="/list", status=200, expected=[200])

    text = report(tmp_path / "r", write)
    assert "| ❓ | GET /permission | 500 | 200 or 500 (tolerated) |" in text
    assert "| ❓ | models.user |  | GET /permission: 500 (tolerated) | route |" in text
    assert "| ✅ | models.user |  | GET /list: 200 | route |" in text


@pytest.mark.parametrize("form, refused, marks", [("accepted", False, "✅✅"), ("HTTP 403", True, "❓❓")])
def test_refusals_count_where_the_right_credentials_are_taken(tmp_path, form, refused, marks):
    def write(j):
        j.write("auth_refused", attempt="no credentials", refused=True, form="HTTP 403", detail="")
        j.write("auth_refused", attempt="right credentials", refused=refused, form=form, detail="")

    text = report(tmp_path / "r", write)
    assert f"| {marks[0]} | WS /v4/listen, no credentials | HTTP 403 | refused |" in text
    assert f"| {marks[1]} | WS /v4/listen, right credentials | {form} | accepted |" in text


def test_connected_is_counted_over_all_sessions(tmp_path):
    def write(j):
        for n in range(60):
            j.failed(j.connecting(f"s{n}", f"u{n}"), "refused", "HTTP 403")
        j.closed(listened(j, "good"), chunks=0, planned=0)

    text = report(tmp_path / "r", write)
    assert "❌ connected: 1 of 61 sessions" in text and "❌ ready: 1 of 61 sessions" in text


def test_a_problem_after_the_connect_is_not_told_under_its_tick(tmp_path):
    def write(j):
        session = listened(j)
        j.failed(session, "closed", "it went away")
        j.closed(session, 1011, "server", chunks=0, planned=0)

    line = next(x for x in report(tmp_path / "r", write).splitlines() if "connected: 1 of 1" in x)
    assert line == "- ✅ connected: 1 of 1 session"


@pytest.mark.parametrize("pace", ["realtime", "max"])
def test_the_factor_is_told_off_real_time_only(tmp_path, pace):
    text = render("markdown", read_run(RunDirectory(smoke(tmp_path / "r", pace=pace))))
    assert "streamed in" in text and ("times real time" in text) == (pace != "realtime")


def test_a_service_that_never_answered_did_not_run_already(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run()
        j.write("end", reason="error", error="port taken", exit_code=3)
    text = render("markdown", read_run(RunDirectory(tmp_path / "r")))
    assert "started by this run: not known" in text and "it ran already" not in text


def test_an_invalid_run_names_the_resource_and_what_would_do(tmp_path):
    def write(j):
        session = listened(j)
        start = j.begin(session)
        for streams, late, cpu in ((5, 0, 0.5), (7, 0, 0.6), (9, 50, 1.0), (9, 50, 1.0), (9, 50, 1.0)):
            histogram = {"counts": {"400": 100}, "sum": 40.0, "min": 0.4, "max": 0.4}
            j.write("sends", n=100, late=late, streams=streams, lateness=histogram)
            j.write("generator", cpu=cpu, rss_mb=60.0, loop_lag_ms=1.0)
        j.finish(session, start)
        j.closed(session)

    text = report(tmp_path / "r", write, (expect.all_chunks_sent(),))
    assert "generator: core saturated: " in text and "streams that it sent on time: up to 7" in text
