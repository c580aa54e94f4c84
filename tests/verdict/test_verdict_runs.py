"""Whole runs, as journals: what the verdict says of each, and with which exit code."""

import pytest

from e2e.verdict import expect
from tests.verdict.journals import SAID, SMOKE, check, journal, judged, smoke, status


def test_smoke_passes(tmp_path):
    _facts, verdict, summary = judged(smoke(tmp_path / "r"))
    assert (verdict.value, verdict.exit_code) == ("pass", 0)
    assert set(status(verdict).values()) == {"pass"} and len(verdict.checks) == len(SMOKE)
    counters = summary["counters"]
    assert (counters["sessions"], counters["sessions_ready"], counters["sessions_failed"]) == (1, 1, 0)
    assert (counters["chunks_planned"], counters["chunks_sent"], counters["bytes_sent"]) == (100, 100, 320_000)
    assert counters["messages_by_type"] == {"ping": 1, "service_status": 4, "transcript": 6}
    assert counters["close_codes"] == {"1000": 1} and counters["probe_sessions"] == 1
    assert summary["imports"]["observed"] and summary["imports"]["errors"] == []
    assert summary["transcript"]["wer"] == 0 and "late again" in summary["transcript"]["text"]
    # Sent at S, spoken at 2.0 s, sighted 0.8 s later; the probe's handshake is not among the stream's.
    assert summary["latency_ms"]["first_segment"]["p50"] == pytest.approx(2810, abs=5)
    assert summary["latency_ms"]["first_segment_speech"]["p50"] == pytest.approx(2310, abs=5)
    assert summary["latency_ms"]["segment_emission"]["count"] == 3
    assert summary["latency_ms"]["handshake"]["count"] == 1
    assert summary["latency_ms"]["send_lateness"]["count"] == 102
    assert any("Handler ends" in line for line in summary["not_shown"])


def test_import_error_at_boot(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run()
        j.launch("pusher")
        j.healthy("pusher")
        j.launch("backend")
        j.import_error(phase="boot", kind="ModuleNotFoundError", module="geopy", name=None, file="main.py", line=3)
        j.write("service", service="backend", event="exited", code=1)
        j.stop(boot_marker=None)
        j.end("error", "backend ended with exit code 1 before it answered")
    _, verdict, summary = judged(tmp_path / "r")
    assert (verdict.value, verdict.exit_code) == ("fail", 1)
    imports = check(verdict, "zero_import_errors")
    assert imports.status == "fail" and "geopy" in imports.detail and "main.py:3" in imports.detail
    healthy = check(verdict, "services_healthy")
    assert healthy.status == "fail" and "geopy" in healthy.detail and not healthy.unreachable
    assert check(verdict, "transcripts_received").status == "inconclusive"
    assert "not reached" in check(verdict, "connected").detail
    assert summary["imports"]["errors"][0]["module"] == "geopy"


def test_import_error_while_streaming_fails_a_green_stream(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run()
        j.boot()
        j.steps()
        j.tape()
        session = j.stream()
        for _ in range(500):
            j.import_error(service="pusher")
        j.gone(session)
        j.stop()
        j.end()
    _facts, verdict, summary = judged(tmp_path / "r")
    assert (verdict.value, verdict.exit_code) == ("fail", 1)
    assert [c.name for c in verdict.of("fail")] == ["zero_import_errors"]
    detail = check(verdict, "zero_import_errors").detail
    assert "Geolocation from models.geolocation" in detail and "routers/transcribe.py:412" in detail
    assert len(summary["imports"]["errors"]) == 1 and summary["imports"]["errors"][0]["count"] == 500


def test_without_logs_nothing_is_claimed_of_them(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run()
        for name in ("pusher", "backend"):
            j.write("log_source", service=name, source="none", state="missing", where=None)
            j.write("service", service=name, event="healthy", health={"status": 200})
        j.write("note", text="not waited for `client_disconnected`: no log of the backend is read")
        j.lines = {}
        session = j.connecting()
        j.tape()
        j.write("session", **session, event="open", connect_ms=1.0, handshake_ms=3.0, status=101)
        j.write("message", sid=session["sid"], kind="ping", data="ping", bytes=4)
        j.ready(session)
        start = j.begin(session)
        for n, (text, onset, end) in enumerate(SAID):
            j.segment(session, str(n), text, onset, end)
        j.finish(session, start)
        j.closed(session)
        j.end()
    _, verdict, summary = judged(tmp_path / "r")
    assert (verdict.value, verdict.exit_code) == ("inconclusive", 4)
    for name in ("zero_import_errors", "lifecycle", "drained"):
        assert check(verdict, name).status == "inconclusive", name
        assert "backend was read; give its log" in check(verdict, name).detail, name
    assert summary["imports"]["observed"] is False
    assert "pusher" in check(verdict, "zero_import_errors").detail


@pytest.mark.parametrize("lines, marker, words", [(0, None, "no line"), (40, None, "booted was not seen")])
def test_a_log_that_proves_nothing(tmp_path, lines, marker, words):
    with journal(tmp_path / "r") as j:
        j.run(
            [expect.zero_import_errors()], services=["backend"], target={"name": "x", "backend": "http://127.0.0.1:1"}
        )
        j.launch("backend")
        source = {"source": "process", "where": "standard output"}
        j.write("log_source", service="backend", state="closed", lines=lines, bytes=9, boot_marker=marker, **source)
        j.end()
    _, verdict, _ = judged(tmp_path / "r")
    assert verdict.exit_code == 4 and words in verdict.checks[0].detail


def failing_session(path, reason, error, http=None, opened=False, imports=False):
    with journal(path) as j:
        j.run()
        j.boot()
        session = j.connecting()
        if opened:
            j.open(session)
        if imports:
            j.import_error()
        j.failed(session, reason, error, http)
        if opened:
            j.closed(session, chunks=0, planned=0)
        j.stop()
        j.end()
    return judged(path)


@pytest.mark.parametrize(
    "reason, error, http, opened",
    [
        ("unreachable", "nothing listens on 127.0.0.1:10220", None, False),
        ("refused", "the service refused the credentials with HTTP 403", 403, False),
        ("not_ready", "no `ready` within 30 s", None, True),
    ],
)
def test_target_not_there_or_never_ready(tmp_path, reason, error, http, opened):
    _, verdict, _ = failing_session(tmp_path / "a", reason, error, http, opened)
    assert (verdict.value, verdict.exit_code) == ("fail", 3)
    assert error in verdict.sentence
    assert all(c.unreachable for c in verdict.of("fail")) and verdict.of("fail")
    for name in ("transcripts_received", "all_chunks_sent", "close_code", "lifecycle", "p95_first_segment"):
        assert check(verdict, name).status == "inconclusive" and "not reached" in check(verdict, name).detail, name
    # The same with a cause that was seen is a failure of the service, not an absent target.
    _, verdict, _ = failing_session(tmp_path / "b", reason, error, http, opened, imports=True)
    assert (verdict.value, verdict.exit_code) == ("fail", 1)


def test_nothing_but_an_unreachable_target_is_exit_3_whatever_was_expected(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run([expect.transcripts_received()])
        j.write("service", service="backend", event="unhealthy", error="connection refused")
        j.end("error", "backend did not answer")
    _, verdict, _ = judged(tmp_path / "r")
    assert (verdict.value, verdict.exit_code) == ("fail", 3) and "backend did not answer" in verdict.sentence


@pytest.mark.parametrize("code, by, reason", [(1011, "server", "Pusher connection failed"), (1006, "lost", "")])
def test_closed_or_lost_in_mid_stream(tmp_path, code, by, reason):
    with journal(tmp_path / "r") as j:
        j.run()
        j.boot()
        j.steps()
        j.tape()
        session = j.connecting()
        j.open(session)
        j.ready(session)
        start = j.begin(session)
        j.segment(session, "a", SAID[0][0], 0.5, 2.0)
        j.closed(session, code, by, chunks=40, reason=reason)
        # As the session writes it: its failure and the end of its stream come after the close.
        j.failed(session, "closed", f"listen e2e-test: closed with {code} after 40 of 100 chunks")
        j.finish(session, start, sent=40, seconds=4.0)
        j.stop()
        j.end()
    _, verdict, summary = judged(tmp_path / "r")
    assert (verdict.value, verdict.exit_code) == ("fail", 1)
    assert check(verdict, "connected").status == check(verdict, "ready").status == "pass"
    for name in ("all_chunks_sent", "close_code", "no_session_failed"):
        assert check(verdict, name).status == "fail", name
    assert "40 of 100" in check(verdict, "all_chunks_sent").detail
    assert str(code) in check(verdict, "close_code").detail
    assert summary["counters"]["sessions_failed"] == 1
    # 4.0 s of audio hold only the first utterance to its end.
    assert summary["transcript"]["reference"] == SAID[0][0] and summary["transcript"]["wer"] == 0


def partial(j):
    j.run()
    j.boot()
    j.tape()
    session = j.connecting()
    j.open(session)
    j.ready(session)
    start = j.begin(session)
    j.segment(session, "a", SAID[0][0], 0.5, 2.0)
    return session, start


def test_interrupted(tmp_path):
    with journal(tmp_path / "r") as j:
        session, start = partial(j)
        j.finish(session, start, sent=30, seconds=3.0)
        j.closed(session, chunks=30)
        j.stop()
        j.end("interrupted")
    _, verdict, summary = judged(tmp_path / "r")
    assert (verdict.value, verdict.exit_code) == ("inconclusive", 130)
    assert not verdict.of("fail")
    assert "interrupted" in verdict.sentence and "interrupted" in check(verdict, "all_chunks_sent").detail
    assert summary["counters"]["chunks_sent"] == 30


def test_interrupted_keeps_what_failed(tmp_path):
    with journal(tmp_path / "r") as j:
        session, _ = partial(j)
        j.import_error()
        j.closed(session, chunks=30)
        j.end("interrupted")
    _, verdict, _ = judged(tmp_path / "r")
    assert (verdict.value, verdict.exit_code) == ("fail", 130)


def test_killed_run_with_half_a_line(tmp_path):
    path = smoke(tmp_path / "r")
    lines = (path / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (path / "journal.jsonl").write_bytes(b"".join(lines[:-1]) + lines[-1][:9])
    _, verdict, _summary = judged(path)
    assert (verdict.value, verdict.exit_code) == ("inconclusive", 4)
    assert "did not end by itself" in verdict.sentence


@pytest.mark.parametrize("cut", range(1, 75, 3))
def test_killed_anywhere_never_passes_and_never_breaks(tmp_path, cut):
    path = smoke(tmp_path / "r")
    lines = (path / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (path / "journal.jsonl").write_bytes(b"".join(lines[: min(cut, len(lines) - 1)]))
    _, verdict, _summary = judged(path)
    assert (verdict.value, verdict.exit_code) == ("inconclusive", 4)
    assert not verdict.of("fail")


def test_killed_while_streaming_counts_what_the_pacer_said(tmp_path):
    with journal(tmp_path / "r") as j:
        partial(j)
        for _ in range(3):
            j.write(
                "sends", n=10, late=0, streams=1, lateness={"counts": {"400": 10}, "sum": 4.0, "min": 0.4, "max": 0.4}
            )
    _, verdict, summary = judged(tmp_path / "r")
    assert summary["counters"]["chunks_sent"] == 30
    assert summary["latency_ms"]["send_lateness"]["count"] == 30
    assert verdict.exit_code == 4


def test_silence_fails_transcripts_received(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run([expect.transcripts_received(), expect.all_chunks_sent()])
        j.boot()
        j.tape(said=(), name="silence")
        session = j.connecting()
        j.open(session)
        j.ready(session)
        start = j.begin(session, tape="silence")
        j.finish(session, start)
        j.closed(session)
        j.stop()
        j.end()
    _, verdict, summary = judged(tmp_path / "r")
    assert (verdict.value, verdict.exit_code) == ("fail", 1)
    assert status(verdict) == {"transcripts_received": "fail", "all_chunks_sent": "pass"}
    assert summary["transcript"]["reference"] == "" and summary["transcript"]["wer"] is None


@pytest.mark.parametrize("pace", ["20x", "max"])
def test_other_paces_claim_no_latency(tmp_path, pace):
    _, verdict, summary = judged(smoke(tmp_path / "r", pace=pace))
    assert set(summary["latency_ms"]) == {"connect", "handshake", "ready"}
    assert check(verdict, "p95_first_segment").status == "inconclusive"
    assert pace in check(verdict, "p95_first_segment").detail
    assert pace in summary["latency_note"] and any(pace in line for line in summary["not_shown"])
    assert check(verdict, "word_error_rate").status == "pass"


def test_a_late_generator_makes_the_run_invalid(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run()
        j.boot()
        j.steps()
        j.tape()
        j.gone(j.stream(late_ms=80.0))
        j.stop()
        j.end()
    _, verdict, summary = judged(tmp_path / "r")
    assert (verdict.value, verdict.exit_code) == ("invalid", 5)
    assert check(verdict, "p95_first_segment").status == "inconclusive"
    assert set(summary["latency_ms"]) == {"send_lateness"} and not summary["generator"]["valid"]


def test_a_service_that_dies_after_boot_fails(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run([expect.services_healthy()])
        j.boot()
        j.line("backend", "Segmentation fault")
        j.write("service", service="backend", event="exited", code=-11)
        j.end()
    _, verdict, _ = judged(tmp_path / "r")
    assert verdict.exit_code == 1 and "Segmentation fault" in verdict.checks[0].detail


def test_nothing_expected_proves_nothing(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run([])
        j.end()
    _, verdict, _ = judged(tmp_path / "r")
    assert (verdict.value, verdict.exit_code) == ("inconclusive", 4)


def test_checks_of_the_script_count(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run([])
        j.write("check", name="script", status="fail", detail="AssertionError: 3 (at mine.py:9)")
        j.end()
    _, verdict, _ = judged(tmp_path / "r")
    assert verdict.exit_code == 1 and "mine.py:9" in verdict.sentence


def test_many_sessions_are_bounded_and_one_bad_one_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr("e2e.verdict.fold_sessions.MAX_SESSIONS", 5)
    with journal(tmp_path / "r") as j:
        j.run([expect.close_code(1000), expect.connected(), expect.transcripts_received(), expect.all_chunks_sent()])
        j.boot()
        j.tape()
        for n in range(30):
            session = j.connecting(f"s{n}", f"u{n}")
            j.open(session)
            j.ready(session)
            start = j.begin(session)
            j.segment(session, "a", "good morning", 0.5, 2.0)
            j.finish(session, start)
            j.closed(session, *((1011, "server") if n == 20 else ()))
        j.stop()
        j.end()
    facts, verdict, summary = judged(tmp_path / "r")
    assert len(facts.sessions) <= 6 and facts.folded == 30 - len(facts.sessions)
    assert summary["counters"]["sessions"] == 30 and summary["counters"]["chunks_sent"] == 3000
    bad = check(verdict, "close_code")
    assert bad.status == "fail" and bad.detail.startswith("1 of 30 sessions") and "s20" in bad.evidence[0]
    assert check(verdict, "connected").detail == "30 of 30 sessions connected"
    assert check(verdict, "transcripts_received").status == check(verdict, "all_chunks_sent").status == "pass"
    assert any("counted, not listed" in note for note in summary["notes"])


def test_pusher_conversations(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run([expect.conversation_processed(), expect.pusher_probed()], services=["pusher"])
        session = j.connecting(kind="pusher")
        j.write("session", **session, event="open", connect_ms=1.0, handshake_ms=2.0, status=101)
        j.write("sent", sid="s1", kind="pusher.104", data={"conversation_id": "c1", "language": "en"})
        j.at(2.0)
        answer = {"conversation_id": "c1", "success": True}
        j.write("message", sid="s1", kind="pusher.201", data=answer, bytes=40)
        j.closed(session, chunks=5, planned=5)
        j.end()
    _, verdict, summary = judged(tmp_path / "r")
    assert set(status(verdict).values()) == {"pass"} and verdict.exit_code == 0
    assert summary["latency_ms"]["pusher_processing"]["p50"] == pytest.approx(1950, abs=60)
    assert summary["counters"]["sessions"] == summary["counters"]["sessions_ready"] == 1


def test_missing_handler_end_is_a_note(tmp_path):
    with journal(tmp_path / "r") as j:
        session = j.played()
        late = {"awaited": "handler_ended", "seen": False, "waited_s": 75.0, "required": False}
        j.write("drain", uid=session["uid"], **late)
        j.stop()
        j.end()
    _, verdict, summary = judged(tmp_path / "r")
    assert verdict.exit_code == 0
    assert any("handler_ended" in note for note in summary["notes"])
    assert not any("Handler ends" in line for line in summary["not_shown"])


def test_thousands_of_ends_that_were_seen_do_not_hide_those_that_were_not(tmp_path):
    with journal(tmp_path / "r") as j:
        j.played()
        for n in range(3000):
            end = {"awaited": "client_disconnected", "seen": n < 2500, "waited_s": 1.0, "required": True}
            j.write("drain", uid=f"u{n}", **end)
        j.stop()
        j.end()
    _, verdict, _ = judged(tmp_path / "r")
    (check,) = [c for c in verdict.checks if c.name == "drained"]
    assert check.status == "fail" and check.detail.startswith("2501 of 3001 awaited ends seen")
