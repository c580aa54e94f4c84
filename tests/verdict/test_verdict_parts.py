import pytest

from e2e.errors import ScenarioError
from e2e.verdict import expect
from e2e.verdict.checks import RULES, evaluate
from e2e.verdict.expect import Expectation, seconds
from e2e.verdict.fold import read_facts
from e2e.verdict.transcript import Tape, Transcript, normalise
from e2e.verdict.words import WordErrors
from tests.verdict.journals import SMOKE, check, journal, judged


@pytest.mark.parametrize("text, value", [("5s", 5), ("250ms", 0.25), ("2m", 120), ("1h", 3600), (3, 3), (0.5, 0.5)])
def test_durations(text, value):
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "5 days", "-1s", "0s", 0, -3, float("nan"), float("inf"), True, None, "5s5s"])
def test_bad_durations(text):
    with pytest.raises(ScenarioError, match="is not a duration"):
        expect.p95("first_segment", below=text)


def test_bad_expectations_are_told_where_they_are_written():
    with pytest.raises(ScenarioError, match="did you mean 'first_segment'"):
        expect.p50("first_segmnt", below="5s")
    for bad in (lambda: expect.close_code("x"), lambda: expect.close_code(99), lambda: expect.transcripts_received(0)):
        with pytest.raises(ScenarioError):
            bad()
    with pytest.raises(ScenarioError, match="share above 0"):
        expect.word_error_rate(below=0)


@pytest.mark.parametrize("expectation", [*SMOKE, expect.p99("ready", "1s"), expect.conversation_processed()])
def test_expectations_survive_the_journal(expectation):
    assert Expectation.from_dict(expectation.to_dict()) == expectation
    assert expectation.check in RULES


@pytest.mark.parametrize("expectation", [Expectation(name) for name in RULES] + [Expectation("of a later version")])
def test_every_rule_says_something_of_an_empty_journal(expectation):
    result = evaluate(read_facts([]), expectation)
    assert result.status == "inconclusive" and result.detail


def segment(id, text, start=0.0, end=1.0):
    return {"id": id, "text": text, "start": start, "end": end}


def test_transcript_keeps_the_last_text_orders_by_start_and_honours_deletion():
    transcript = Transcript()
    assert len(transcript.fold([segment("b", "world", 2, 3), segment("a", "hel", -4.8e-07, 1)])) == 2
    assert transcript.fold([segment("a", "hello")]) == []
    transcript.fold([segment("c", "gone", 5, 6)])
    transcript.delete({"type": "segments_deleted", "segment_ids": ["c", "unknown", {}]})
    assert transcript.text() == "hello world"
    assert (transcript.revisions, transcript.deleted) == (1, 1)


@pytest.mark.parametrize(
    "data", [None, "ping", {}, [None, 3, {"id": "x"}, {"id": 1, "text": 2}, segment("a", "b", "0")]]
)
def test_transcript_leaves_what_is_no_segment(data):
    assert Transcript().fold(data) == []


def test_word_errors_are_pooled():
    words = WordErrors()
    words.measure("Don't stop, please!", "dont stop")
    words.measure("one two three four five six seven", "one two three four five six seven")
    words.measure("", "ghost words")
    words.measure(None, "anything")
    words.measure("never heard", "")
    assert (words.reference, words.deletions, words.unmeasured) == (12, 3, 1)
    assert words.rate == 3 / 12
    assert normalise("  Twenty-one, O’Clock_now ") == "twenty one oclock now"


def test_reference_of_a_part_and_of_a_loop():
    said = [{"text": "one", "onset": 0, "end": 1.0}, {"text": "two", "onset": 1.5, "end": 3.0}]
    tape = Tape.from_record({"name": "t", "chunk_ms": 100, "chunks": 40, "reference": "one two", "utterances": said})
    assert [tape.said(n) for n in (40, 30, 29, 5, 0)] == ["one two", "one two", "one", "", ""]
    assert tape.said(50) == "one two one"
    assert Tape.from_record({"name": "t", "chunks": 40, "reference": None}).said(40) is None


def run_with(tmp_path, expectations, write):
    with journal(tmp_path / "r") as j:
        j.run(expectations)
        j.boot()
        write(j)
        j.stop()
        j.end()
    return judged(tmp_path / "r")


def test_endpoints_and_auth(tmp_path):
    def write(j):
        row = {"service": "backend", "method": "GET", "path": "/x", "exercises": "m", "ms": 1.0}
        j.write("endpoint", **row, status=500, expected=[200], error=None)
        j.write("endpoint", **row, status=200, expected=[200], error=None)
        j.write("auth_refused", attempt="no credentials", refused=False, form="accepted", detail="")
        j.write("auth_refused", attempt="wrong token", refused=False, form="unreachable", detail="refused")

    _, verdict, _ = run_with(tmp_path, [expect.endpoints_as_expected(), expect.auth_refused()], write)
    assert check(verdict, "endpoints_as_expected").detail == "1 of 2 endpoints did not answer as expected"
    assert check(verdict, "endpoints_as_expected").evidence == ["GET /x: 500, expected 200"]
    assert check(verdict, "auth_refused").status == "fail" and verdict.exit_code == 1


def test_nobody_who_answers_is_no_acceptance(tmp_path):
    def write(j):
        j.write("auth_refused", attempt="no credentials", refused=False, form="unreachable", detail="refused")
        row = {"service": "backend", "method": "GET", "path": "/x", "exercises": "m", "ms": 1.0}
        j.write("endpoint", **row, status=None, expected=[200], error="ConnectError")

    _, verdict, _ = run_with(tmp_path, [expect.endpoints_as_expected(), expect.auth_refused()], write)
    assert check(verdict, "auth_refused").status == "inconclusive" and verdict.exit_code == 3


def test_lifecycle_for_each_user(tmp_path):
    def write(j):
        j.tape()
        j.stream(sid="s1", uid="u1")
        second = j.connecting("s2", "u2")
        j.write("session", **second, event="open", connect_ms=1, handshake_ms=1, status=101)
        j.write("session", **second, event="ready", ready_ms=1)
        j.closed(second, chunks=0, planned=0)

    wanted = [expect.lifecycle("conversation_created", optional=("speaker_id_loaded",))]
    _, verdict, _ = run_with(tmp_path / "a", wanted, write)
    assert verdict.checks[0].status == "fail" and verdict.checks[0].detail.endswith("log of backend (u2)")

    def write(j):
        session = j.connecting("s1", "u1")
        j.write("session", **session, event="open", connect_ms=1, handshake_ms=1, status=101)
        j.write("session", **session, event="ready", ready_ms=1)
        j.line("backend", "Resuming conversation c9", "conversation_resumed", "u1")
        j.closed(session, chunks=0, planned=0)

    _, verdict, _ = run_with(tmp_path / "b", wanted, write)
    assert verdict.checks[0].status == "pass" and "optional: speaker_id_loaded" in verdict.checks[0].detail

    wanted = [expect.lifecycle("conversation_created")]
    _, verdict, _ = run_with(
        tmp_path / "c", wanted, lambda j: (j.open(j.connecting("s0", "guest")), j.stream(uid="u1"))
    )
    assert verdict.checks[0].status == "pass"


def test_lifecycle_of_strangers_proves_nothing(tmp_path):
    def write(j):
        session = j.connecting(uid="u1")
        j.write("session", **session, event="open", connect_ms=1, handshake_ms=1, status=101)
        j.write("session", **session, event="ready", ready_ms=1)
        j.line("backend", "Created new stub conversation: c1 stranger", "conversation_created", "stranger")

    _, verdict, _ = run_with(tmp_path, [expect.lifecycle("conversation_created")], write)
    assert verdict.checks[0].status == "inconclusive" and "other users" in verdict.checks[0].detail


def test_stored_conversation_without_a_transcript_fails(tmp_path):
    def write(j):
        session = j.stream()
        j.stored(session, segments=0)

    _, verdict, _ = run_with(tmp_path, [expect.conversation_stored()], write)
    assert verdict.checks[0].status == "fail" and "holds no transcript" in verdict.checks[0].detail


def test_second_play_counts_emission_from_its_own_start(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run([])
        j.tape()
        session = j.connecting()
        j.open(session)
        j.ready(session)
        start = j.begin(session)
        j.finish(session, start)
        j.at(60.0)
        again = j.begin(session)
        j.at(again + 3.0)
        # 12 s of audio is 2 s into the second play, which began after a long pause.
        j.segment(session, "x", "good morning", 10.5, 12.0)
        j.end()
    facts, _, _ = judged(tmp_path / "r")
    assert facts.latencies["segment_emission"].max == pytest.approx(1010, abs=1)


def test_what_comes_once_is_quoted_among_what_repeats(tmp_path):
    def write(j):
        j.tape()
        session = j.stream()
        for _ in range(3000):
            j.line("backend", "INFO:x:trigger_realtime_integrations e2e-test", "integrations_triggered", "e2e-test")
        j.gone(session)
        j.write("phase", phase="stop", state="begin")
        j.line("backend", "INFO:     Shutting down")

    _, _, summary = run_with(tmp_path, [], write)
    texts = [line["text"] for line in summary["excerpt"]["lines"]]
    assert len(texts) == 40 and any("Client disconnected" in t for t in texts) and summary["excerpt"]["left_out"] > 2900
    assert not any("Shutting down" in t for t in texts)
    assert [line["t"] for line in summary["excerpt"]["lines"]] == sorted(x["t"] for x in summary["excerpt"]["lines"])
    events = [e["event"] for e in summary["lifecycle"]]
    assert "client_disconnected" in events and len(events) < 100
    assert summary["lifecycle_counts"]["integrations_triggered"] == 3003
