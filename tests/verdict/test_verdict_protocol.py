"""Findings of the protocol, from the journal to the check and `run.json`."""

import pytest

from e2e.protocol.findings import CODES
from e2e.verdict import expect
from tests.verdict.journals import check, journal, judged, smoke

ONLY = (expect.protocol(),)


@pytest.fixture
def run(tmp_path):
    """Build a run in which one session streams; `extra(j, session)` is called before it closes."""

    def build(extra=None, target=None, ending=True, name="r"):
        with journal(tmp_path / name) as j:
            j.run(ONLY, target=target)
            j.tape()
            session = j.connecting()
            j.open(session)
            j.ready(session)
            start = j.begin(session)
            j.speech(session, start)
            j.finish(session, start)
            if extra is not None:
                extra(j, session)
            j.closed(session)
            if ending:
                j.end()
        return judged(tmp_path / name)

    return build


def message(j, session, kind, data, **fields):
    j.write("message", sid=session["sid"], kind=kind, data=data, bytes=10, **fields)


def codes(summary):
    return [(row["code"], row["count"]) for row in summary["findings"]]


def test_a_clean_run_has_no_finding(tmp_path):
    _, verdict, summary = judged(smoke(tmp_path / "r"))
    assert check(verdict, "protocol").status == "pass"
    assert check(verdict, "protocol").detail == "no violation in 2 sessions"  # the probe of the pusher is one
    assert summary["findings"] == [] and summary["protocol"]["unknown"] == {}


def test_an_error_fails_the_check_and_its_code_is_in_the_evidence(run):
    def late(j, session):
        for _ in range(5):
            message(j, session, "segments_deleted", {"type": "segments_deleted", "segment_ids": ["never"]})
        j.segment(session, "seg0", "good", 3.0, 2.0)

    _, verdict, summary = run(late)
    protocol = check(verdict, "protocol")
    assert protocol.status == "fail" and "L-020" in protocol.detail
    assert any(line.startswith("L-023 deletion of a segment never seen (s1 at ") for line in protocol.evidence)
    assert any("5 times" in line for line in protocol.evidence)
    assert codes(summary) == [("L-020", 1), ("L-023", 5)]
    row = summary["findings"][0]
    assert row["title"] == CODES["L-020"].title and row["severity"] == "error"
    assert (row["sid"], row["sids"], row["sessions"]) == ("s1", ["s1"], 1) and row["t"] > 0
    assert "segments_deleted" in row["evidence"][0] and '"start":3.0,"end":2.0' in row["evidence"][-1]


def test_a_warning_is_told_and_fails_nothing(run):
    data = {"type": "conversation_session", "conversation_id": "c"}
    target = {"name": "t", "profile": "2026-03"}
    _, verdict, summary = run(lambda j, s: message(j, s, "conversation_session", data), target=target)
    protocol = check(verdict, "protocol")
    assert protocol.status == "pass" and "1 warning" in protocol.detail and "L-060" in protocol.evidence[0]
    assert summary["findings"][0]["severity"] == "warning"
    assert summary["protocol"]["profile"] == "2026-03"


def test_the_version_is_found_out_where_the_target_does_not_name_it(run):
    data = {"type": "conversation_session", "conversation_id": "c"}
    _, verdict, summary = run(lambda j, s: message(j, s, "conversation_session", data), target={"name": "t"})
    assert check(verdict, "protocol").status == "pass" and summary["findings"] == []
    assert summary["protocol"]["profile"] == "auto" and summary["protocol"]["seen"] == ["current"]


def test_what_is_not_known_is_listed_and_not_judged(run):
    def odd(j, session):
        told = {"type": "proactive_message", "text": "hi"}
        message(j, session, "unknown", told, problem="unknown type")
        message(j, session, "unknown", told, problem="unknown type")
        message(j, session, "unknown", "0102", problem="binary frame")
        message(j, session, "last_memory", {"type": "last_memory", "memory_id": "m", "colour": 1})
        item = {"id": "seg9", "text": "x", "start": 8.0, "end": 9.0, "mood": "good"}
        message(j, session, "transcript", [item])

    _, verdict, summary = run(odd)
    assert check(verdict, "protocol").status == "pass"
    expected = {"proactive_message": 2, "(binary frame)": 1, "last_memory.colour": 1, "transcript.mood": 1}
    assert summary["protocol"]["unknown"] == expected


def test_a_message_that_the_decoder_refused_is_a_finding(run):
    def refused(j, session):
        message(j, session, "unknown", {"type": "last_memory"}, problem="Object missing required field `memory_id`")
        message(j, session, "unknown", "pong", problem="JSON is malformed: invalid character (byte 0)")

    _, _, summary = run(refused)
    assert codes(summary) == [("L-030", 1), ("L-032", 1)]
    assert "missing required field" in summary["findings"][0]["evidence"][-1]


def test_a_resumed_conversation_may_speak_of_what_the_session_before_saw(run):
    def resumed(j, session):
        message(j, session, "segments_deleted", {"type": "segments_deleted", "segment_ids": ["of-the-session-before"]})
        message(j, session, "memory_created", {"type": "memory_created", "memory": {"id": "m0"}})
        line = "INFO:routers.transcribe:Resuming conversation c1. Will timeout in 60s e2e-test x"
        j.line("backend", line, "conversation_resumed", "e2e-test")

    _, verdict, summary = run(resumed)
    assert check(verdict, "protocol").status == "pass" and summary["findings"] == []


def test_nothing_seen_is_nothing_proven(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run(ONLY)
        session = j.connecting()
        j.failed(session, "refused", "HTTP 403", 403)
        j.end()
    assert check(judged(tmp_path / "r")[1], "protocol").status == "inconclusive"


def test_a_run_that_was_cut_short_proves_no_absence(run):
    assert check(run(ending=False)[1], "protocol").status == "inconclusive"


def test_times_count_only_where_the_generator_did_not_stall_itself(run):
    def gap(lag):
        def extra(j, session):
            j.begin(session)
            j.at(j.time - j.journal.origin + 30)
            message(j, session, "ping", "ping")
            j.write("generator", cpu=0.02, rss_mb=60.0, loop_lag_ms=lag, open_sessions=1)

        return extra

    _, verdict, summary = run(gap(1.5), name="quick")
    assert codes(summary) == [("L-002", 1)] and check(verdict, "protocol").status == "fail"
    _, verdict, summary = run(gap(25_000), name="stalled")
    assert codes(summary) == [("L-002", 1)] and check(verdict, "protocol").status == "inconclusive"


def test_many_sessions_and_findings_are_counted_and_few_are_told(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run(ONLY)
        for n in range(40):
            session = j.connecting(f"s{n}", f"u{n}", device=n)
            j.open(session)
            for _ in range(20):
                message(j, session, "unknown", f"odd {n}", problem="JSON is malformed")
                message(j, session, "unknown", {"type": f"new_{n}_{_}"}, problem="unknown type")
            j.ready(session)
            j.closed(session, chunks=0, planned=0)
        j.end()
    facts, _, summary = judged(tmp_path / "r")
    (row,) = summary["findings"]
    assert (row["code"], row["count"], row["sessions"]) == ("L-032", 800, 40)
    assert len(row["sids"]) == 5 and len(row["evidence"]) <= 5
    assert len(summary["protocol"]["unknown"]) <= 101 and sum(summary["protocol"]["unknown"].values()) == 800
    assert not facts.findings._tables  # the state of a session goes with it


def test_a_pusher_that_answers_what_nobody_asked(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run(ONLY)
        session = j.connecting("p1", "u", kind="pusher")
        j.write("session", **session, event="open", connect_ms=1.0, handshake_ms=2.0, status=101)
        message(j, session, "pusher.201", {"conversation_id": "c9", "success": True})
        bad = {"success": True}
        message(j, session, "pusher.201", bad, problem="Object missing required field `conversation_id`")
        j.write("sent", sid="p1", kind="pusher.104", data={"conversation_id": "c1", "language": "en"})
        message(j, session, "pusher.201", {"conversation_id": "c1", "success": True})
        message(j, session, "pusher.201", {"conversation_id": "c1", "success": True})
        j.closed(session, chunks=0, planned=0)
        j.end()
    facts, _, summary = judged(tmp_path / "r")
    assert codes(summary) == [("P-003", 1), ("P-004", 1), ("P-030", 1)]
    assert facts.sessions["p1"].processed == 3  # an answer that names no conversation processes none
