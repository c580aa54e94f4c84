"""Runs that look green and are not: each must fail, or be left open, for what it did not show."""

import pytest

from e2e.verdict import expect
from e2e.verdict.services import ServiceLog, why_not_read
from tests.verdict.journals import SAID, check, journal, judged


def one(tmp_path, expectations, write, end=None, **run):
    with journal(tmp_path / "r") as j:
        j.run(expectations, **run)
        j.boot()
        j.tape()
        write(j)
        j.stop()
        j.write("end", **(end or {"reason": "complete", "error": None}))
    return judged(tmp_path / "r")


def opened(j, sid="s1", uid="u1"):
    """A session that the log says nothing of."""
    session = j.connecting(sid, uid)
    j.write("session", **session, event="open", connect_ms=1, handshake_ms=1, status=101)
    j.write("session", **session, event="ready", ready_ms=1)
    return session


def played(j, data=(), sid="s1", uid="u1"):
    session = opened(j, sid, uid)
    start = j.begin(session)
    for items in data:
        j.write("message", sid=sid, kind="transcript", data=items, bytes=9)
    j.finish(session, start)
    j.closed(session)
    return session


WORDS = {"id": "a", "text": "good morning", "start": 0, "end": 1}


@pytest.mark.parametrize(
    "data, status",
    [
        ([[]], "fail"),
        ([[{"id": "a", "text": "  ", "start": 0, "end": 1}]], "fail"),
        (["[3 more]"], "fail"),
        ([["[500 more]"]], "fail"),
        ([[WORDS, "[3 more]"]], "pass"),
        ([' [{"id": "a", "text": "hello", "start": 0, "end": 1}]'], "pass"),
    ],
)
def test_only_words_are_transcripts(tmp_path, data, status):
    wanted = [expect.transcripts_received(), expect.p95("first_segment", "1h")]
    _, verdict, summary = one(tmp_path, wanted, lambda j: played(j, data))
    assert verdict.checks[0].status == status
    assert verdict.checks[1].status == ("pass" if status == "pass" else "inconclusive")
    assert summary["counters"]["transcripts"] == (status == "pass")
    assert summary["counters"]["messages_by_type"]["transcript"] == 1


@pytest.mark.parametrize(
    "heard, stored, status",
    [
        (True, {"segment_ids": ["other", "seg1"]}, "pass"),
        (True, {"segment_ids": ["x"], "text": "Good morning, everyone! The train is later again: that's fine"}, "pass"),
        (True, {"segment_ids": ["x"], "text": "an older talk about the train and a good morning for me"}, "fail"),
        (True, {"segment_ids": None, "text": " ".join(t for t, _, _ in SAID)}, "pass"),
        (True, {"segment_ids": None, "text": "somebody else"}, "fail"),
        (False, {"segment_ids": ["x"], "text": "somebody else"}, "fail"),
    ],
)
def test_a_stored_conversation_must_be_of_this_session(tmp_path, heard, stored, status):
    def write(j):
        session = j.connecting()
        j.open(session)
        j.ready(session)
        start = j.begin(session)
        if heard:
            j.speech(session, start)
        j.finish(session, start)
        j.closed(session)
        j.stored(session, by="newest", **stored)

    _, verdict, summary = one(tmp_path, [expect.conversation_stored()], write)
    assert verdict.checks[0].status == status, verdict.checks[0].detail
    if status == "fail":
        assert "holds no transcript of this session" in verdict.checks[0].detail
        assert "newest" in summary["sessions"][0]["conversation_problem"]


@pytest.mark.parametrize("logged, ahead", [(True, 8.0), (False, 8.0), (True, 0.0)])
def test_a_resumed_conversation_passes_no_latency(tmp_path, logged, ahead):
    def write(j):
        session = opened(j)
        if logged:
            j.line("backend", "Resuming conversation c9", "conversation_resumed", "u1")
        start = j.begin(session)
        j.at(start + 3.0)
        j.segment(session, "a", "good morning", ahead, ahead + 2.0)
        j.finish(session, start)
        j.closed(session)

    _, verdict, summary = one(tmp_path, [expect.p95("segment_emission", "5s")], write)
    assert verdict.checks[0].status == "inconclusive" and "resumed" in verdict.checks[0].detail
    assert "segment_emission" not in summary["latency_ms"]
    assert summary["sessions"][0]["segments_ahead_s"] == pytest.approx(ahead + 2.0 - 3.0, abs=0.1)
    said = [line for line in summary["not_shown"] if "resumed conversation" in line]
    assert len(said) == 1 and ("about 7 s" in said[0]) == (ahead > 0)


def test_negative_emission_is_said_where_it_passes(tmp_path):
    def write(j):
        session = opened(j)
        start = j.begin(session)
        j.at(start + 1.5)
        j.segment(session, "a", "good morning", 0.0, 2.0)
        j.finish(session, start)
        j.closed(session)

    _, verdict, _ = one(tmp_path, [expect.p95("segment_emission", "5s")], write)
    assert verdict.checks[0].status == "pass" and "100% are negative" in verdict.checks[0].detail


GONE = "INFO:routers.transcribe:Client disconnected"


def test_another_close_code_in_the_log_fails(tmp_path):
    def write(j):
        session = j.stream(uid="u1")
        j.line("backend", GONE, "client_disconnected", "u1", detail={"code": 1006})
        return session

    _, verdict, summary = one(tmp_path, [expect.lifecycle(), expect.close_code()], write)
    assert check(verdict, "close_code").status == "pass"
    assert check(verdict, "lifecycle").status == "fail" and "1006" in check(verdict, "lifecycle").detail
    assert summary["lifecycle_own"]["client_disconnected"]["status"] == "fail"


def test_lines_without_a_user_prove_nothing_of_two(tmp_path):
    def write(j, users):
        sessions = [opened(j, f"s{n}", f"u{n}") for n in range(users)]
        j.line("backend", "Created new stub conversation: c1", "conversation_created", None)
        for session in sessions:
            j.closed(session, chunks=0, planned=0)

    wanted = [expect.lifecycle("conversation_created")]
    _, verdict, _ = one(tmp_path / "a", wanted, lambda j: write(j, 1))
    assert verdict.checks[0].status == "pass"
    _, verdict, summary = one(tmp_path / "b", wanted, lambda j: write(j, 2))
    assert verdict.checks[0].status == "inconclusive" and "name no user" in verdict.checks[0].detail
    assert summary["lifecycle_own"]["conversation_created"]["count"] == 0


def test_lines_before_the_session_are_not_its_own(tmp_path):
    def write(j):
        j.line("backend", "Created new stub conversation: c0 u1", "conversation_created", "u1", session="OLD")
        session = opened(j)
        j.line("backend", "_stream_handler ended u1 OLD", "handler_ended", "u1", session="OLD")
        j.line("backend", "_stream_handler u1 NEW", "handler_started", "u1", session="NEW")
        j.line("backend", f"{GONE} u1 OLD", "client_disconnected", "u1", session="OLD", detail={"code": 1006})
        j.closed(session, chunks=0, planned=0)

    for event in ("conversation_created", "handler_ended", "client_disconnected"):
        _, verdict, summary = one(tmp_path / event, [expect.lifecycle(event)], write)
        assert verdict.checks[0].status == "fail", event
        assert summary["lifecycle_own"].get(event, {"count": 0})["count"] == 0


def test_the_end_of_a_first_session_may_come_after_the_second_began(tmp_path):
    def write(j):
        for sid, late in (("s1", False), ("s2", True)):
            session = opened(j, sid)
            if late:
                j.line("backend", GONE, "client_disconnected", "u1", detail={"code": 1000})
            j.line("backend", "Created new stub conversation: c u1", "conversation_created", "u1")
            j.closed(session, chunks=0, planned=0)
        j.line("backend", GONE, "client_disconnected", "u1", detail={"code": 1000})

    _, verdict, _ = one(tmp_path, [expect.lifecycle("conversation_created", "client_disconnected")], write)
    assert verdict.checks[0].status == "pass", verdict.checks[0].detail


RIGHT = {"attempt": "right credentials", "detail": ""}


@pytest.mark.parametrize(
    "right, stream, status, words",
    [
        (None, False, "inconclusive", "may refuse everybody"),
        (None, True, "pass", "HTTP 403"),
        ({"refused": False, "form": "accepted"}, False, "pass", "HTTP 403"),
        ({"refused": True, "form": "HTTP 403"}, False, "inconclusive", "refused as well: HTTP 403"),
        ({"refused": False, "form": "timeout"}, False, "inconclusive", "no session"),
    ],
)
def test_a_path_that_refuses_everybody_proves_no_auth(tmp_path, right, stream, status, words):
    def write(j):
        j.write("auth_refused", attempt="no credentials", refused=True, form="HTTP 403", detail="")
        if right:
            j.write("auth_refused", **RIGHT, **right)
        if stream:
            j.stream()

    _, verdict, summary = one(tmp_path, [expect.auth_refused()], write)
    assert verdict.checks[0].status == status and words in verdict.checks[0].detail
    assert summary["auth_refused"][0]["shows"] == status


def test_a_service_error_is_exit_3_also_without_a_failed_check(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run()
        j.write("end", reason="error", error="backend: port 10220 is already taken", exit_code=3)
    _, verdict, _ = judged(tmp_path / "r")
    assert (verdict.value, verdict.exit_code) == ("fail", 3) and "already taken" in verdict.sentence


@pytest.mark.parametrize("words, code", [("SyntaxError: invalid syntax", 1), ("OSError: [Errno 28]", 1), ("", 3)])
@pytest.mark.parametrize("wanted", [[expect.services_healthy()], [expect.transcripts_received()]])
def test_dead_at_boot(tmp_path, words, code, wanted):
    with journal(tmp_path / "r") as j:
        j.run(wanted)
        j.launch("backend")
        if words:
            j.line("backend", words)
        error = f"backend ended at boot with code 1: {words}"
        j.write("service", service="backend", event="exited", code=1, error=error)
        j.write("end", reason="error", error="backend ended at boot", exit_code=3)
    _, verdict, _ = judged(tmp_path / "r")
    assert (verdict.value, verdict.exit_code) == ("fail", code) and words in verdict.sentence


def test_a_refused_session_is_quoted_where_nothing_failed(tmp_path):
    def write(j):
        j.failed(j.connecting(), "refused", "the service refused the credentials with HTTP 403", 403)

    _, verdict, _ = one(tmp_path, [expect.transcripts_received()], write)
    assert verdict.exit_code == 3 and "HTTP 403" in verdict.sentence


def second(j, streams, late=0, cpu=0.2, lag=1.0, n=1000, **fields):
    j.write("sends", n=n, late=late, streams=streams, lateness={"counts": {}, "sum": 0.0, "min": 0.0, "max": 0.0})
    j.write("generator", cpu=cpu, rss_mb=60.0, loop_lag_ms=lag, **fields)


def generator(tmp_path, seconds, **kinds):
    def write(j):
        session = opened(j)
        start = j.begin(session)
        for arguments in seconds:
            second(j, **arguments)
        j.finish(session, start)
        j.closed(session)

    return one(tmp_path, [expect.all_chunks_sent()], write)


FULL = {"streams": 900, "late": 20, "cpu": 0.99}
FINE = {"streams": 400, "n": 100_000}


@pytest.mark.parametrize(
    "seconds, resources, fine",
    [
        ([FINE, {**FINE, "streams": 700}, FULL, FULL, FULL], ["core saturated"], 700),
        ([FINE, {**FINE, "lag": 240.0, "streams": 800}], ["event loop stalled"], 400),
        (
            [{**FINE, "streams": 0}, {**FINE, "late": 90_000, "steal": 0.4}],
            ["other machines used up to 40% of the processor"],
            None,
        ),
        (
            [FINE, {**FINE, "late": 90_000, "steal": 0.05, "foreign": 0.45}, {**FINE, "steal": None, "foreign": None}],
            ["other programs used up to 45% of the processor"],
            400,
        ),
    ],
)
def test_an_invalid_run_says_what_was_short(tmp_path, seconds, resources, fine):
    _, verdict, summary = generator(tmp_path, seconds)
    assert (verdict.value, verdict.exit_code) == ("invalid", 5)
    assert summary["generator"]["valid"] is False and summary["generator"]["reasons"]
    assert summary["generator"]["resources"] == resources and summary["generator"]["streams_ok"] == fine
    assert resources[0] in verdict.sentence
    assert (f"up to {fine}" if fine else "none seen") in verdict.sentence


@pytest.mark.parametrize("seconds", [[FULL, FINE, FULL, FULL], [FINE, *[{**FULL, "late": 0}] * 9]])
def test_a_full_core_alone_is_no_fault(tmp_path, seconds):
    _, verdict, summary = generator(tmp_path, seconds)
    assert verdict.exit_code == 0 and summary["generator"]["valid"] is True


def test_a_generator_that_was_not_judged_is_not_valid(tmp_path):
    _, _, summary = one(tmp_path, [], lambda j: None)
    assert summary["generator"]["valid"] is None


@pytest.mark.parametrize("code", [1000, 1001])
@pytest.mark.parametrize("sent, problem", [(40, True), (100, False)])
def test_a_server_that_leaves_early_is_a_problem_with_any_code(tmp_path, code, sent, problem):
    def write(j):
        session = opened(j)
        start = j.begin(session)
        j.finish(session, start, sent=sent)
        j.closed(session, code, "server", chunks=sent)

    _, verdict, _ = one(tmp_path, [expect.no_session_failed(), expect.close_code(1000)], write)
    assert verdict.checks[0].status == ("fail" if problem else "pass")
    assert not problem or f"with {code} after 40 of 100 chunks" in verdict.checks[0].detail
    assert verdict.checks[1].status == ("pass" if code == 1000 else "fail")


def test_a_tolerated_error_of_a_route_is_no_tick(tmp_path):
    def write(j):
        row = {"service": "backend", "method": "GET", "path": "/x", "exercises": "m", "ms": 1.0, "error": None}
        j.write("endpoint", **row, status=500, expected=[200, 500])
        j.write("endpoint", **row, status=422, expected=[422])

    _, verdict, summary = one(tmp_path, [expect.endpoints_as_expected()], write)
    assert verdict.checks[0].status == "pass" and "1 of them with a tolerated error" in verdict.checks[0].detail
    assert [row["shows"] for row in summary["endpoints"]] == ["inconclusive", "pass"]


def test_noise_of_our_own_probes_is_only_counted(tmp_path):
    def write(j):
        text = "ERROR:    ASGI callable returned without sending handshake."
        j.write("error_line", service="backend", level="ERROR", text=text, n=3, noise=True)

    _, _, summary = one(tmp_path, [], write)
    assert summary["errors"] == {"count": 0, "noise": 1, "groups": [], "ungrouped": 0, "lines": []}


def test_many_sessions_keep_what_their_late_lines_say(tmp_path, monkeypatch):
    monkeypatch.setattr("e2e.verdict.fold_sessions.MAX_SESSIONS", 5)

    def write(j):
        for n in range(20):
            session = j.stream(sid=f"s{n}", uid=f"u{n}")
            code = 1006 if n == 7 else 1000
            j.line("backend", GONE, "client_disconnected", f"u{n}", detail={"code": code})
            if n == 9:
                j.stored(session, segment_ids=["x"], text="somebody else")

    facts, verdict, summary = one(tmp_path, [expect.lifecycle(), expect.conversation_stored()], write)
    assert facts.folded == 13 and summary["counters"]["sessions_connected"] == 20
    assert verdict.checks[0].status == "fail" and "s7" in verdict.checks[0].detail
    assert verdict.checks[1].status == "fail" and verdict.checks[1].detail.startswith("1 of 20 conversations")


@pytest.mark.parametrize(
    ("read", "says"),
    [
        ({"failures": 2, "gap_seconds": 2.98}, "had no reader 2 times, for 3.0 s"),
        ({"unreadable": 1}, "1 of "),
    ],
)
def test_a_log_that_was_not_read_whole_cannot_prove_absence(tmp_path, read, says):
    with journal(tmp_path / "r") as j:
        j.run([expect.zero_import_errors()])
        j.boot()
        j.tape()
        j.gone(j.stream())
        j.stop(**read)
        j.end()
    _, verdict, _ = judged(tmp_path / "r")
    found = check(verdict, "zero_import_errors")
    assert (found.status, verdict.exit_code) == ("inconclusive", 4) and says in found.detail


def test_any_lines_are_no_log_of_a_service():
    log = ServiceLog("pusher", source="file", opened=0.0, closed=9.0, lines=3, bytes=90)
    assert "none that only pusher says" in why_not_read(log, None, "pusher")
    log.proof = "INFO:routers.pusher:_websocket_util_trigger e2e-test"
    assert why_not_read(log, None, "pusher") is None


def test_errors_are_counted_by_service_and_fingerprint_so_that_two_runs_can_be_held_against_each_other(tmp_path):
    def write(*numbers, new=False):
        def lines(j):
            for number in numbers:
                fields = {"pattern": "received <n>", "fingerprint": "aa01", "exception": None, "noise": False}
                j.write(
                    "error_line", service="backend", level="ERROR", text=f"ERROR:x:received {number}", n=1, **fields
                )
            if new:
                fields = {"pattern": "boom", "fingerprint": "bb02", "exception": "KeyError: 1", "noise": False}
                j.write("error_line", service="pusher", level="CRITICAL", text="CRITICAL:x:boom", n=2, **fields)

        return lines

    _, _, before = one(tmp_path / "before", [], write(1011, 1006))
    _, _, after = one(tmp_path / "after", [], write(1006, 1011, 1000, new=True))
    counts = [{(g["service"], g["fingerprint"]): g["count"] for g in s["errors"]["groups"]} for s in (before, after)]
    assert counts == [{("backend", "aa01"): 2}, {("backend", "aa01"): 3, ("pusher", "bb02"): 1}]
    example = after["errors"]["groups"][1]
    assert (example["example"], example["level"], example["exception"]) == (
        "CRITICAL:x:boom",
        "CRITICAL",
        "KeyError: 1",
    )


def test_error_lines_of_an_endless_number_of_kinds_are_bounded(tmp_path):
    def write(j):
        for n in range(300):
            text = f"ERROR:x:kind {n}"
            j.write("error_line", service="backend", level="ERROR", text=text, n=n, noise=False)

    _, _, summary = one(tmp_path, [], write)
    errors = summary["errors"]
    assert len(errors["groups"]) == 100 and errors["ungrouped"] == 200 and errors["count"] == 300
