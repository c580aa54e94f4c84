"""Latencies of a made-up session whose every instant is known, as figures, series and checks."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e.report.write import render as render_as
from e2e.verdict import expect
from e2e.verdict.fold import read_facts
from e2e.verdict.judge import judge
from e2e.verdict.sessions import TAIL_SECONDS
from e2e.verdict.summary import summarise
from tests.verdict.journals import check, journal, judged

NEAR = 0.03
"""Seconds: each record of the journal moves its clock by 10 ms."""


def status_message(j, session, status):
    data = {"type": "service_status", "status": status}
    j.write("message", sid=session["sid"], kind="service_status", data=data, bytes=50)


def ping(j, session):
    j.write("message", sid=session["sid"], kind="ping", data="ping", bytes=4)


def memory(j, session, kind, conversation):
    data = {"type": kind, "memory": {"id": conversation}}
    j.write("message", sid=session["sid"], kind=kind, data=data, bytes=90)


def ms(facts, metric):
    histogram = facts.latencies[metric]
    assert histogram.count == 1
    return histogram.max / 1000


def test_every_step_of_a_session(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run([expect.heartbeat_gap(), expect.heartbeat_gap(below="30s")])
        j.tape()
        session = j.connecting()
        j.at(1.0)
        j.write("session", **session, event="open", connect_ms=4.0, handshake_ms=20.0, status=101)
        for t, status in (
            *((1.1, "initiating"), (1.3, "in_progress_conversations_processing"), (1.7, "stt_initiating")),
            *((2.5, "ready"), (2.9, "ready")),
        ):
            j.at(t)
            status_message(j, session, status)
        j.write("session", **session, event="ready", ready_ms=1500.0)
        ping(j, session)
        j.at(15.0)
        ping(j, session)
        start = j.begin(session)
        j.at(20.0)
        memory(j, session, "memory_created", "never started")
        memory(j, session, "memory_processing_started", "c1")
        j.at(22.0)
        j.segment(session, "a", "good morning everyone", 0.5, 2.0)
        memory(j, session, "memory_created", "c1")
        j.finish(session, start)
        j.at(start + 12.0)
        j.segment(session, "b", "that's fine with me", 6.0, 8.0)
        j.at(start + 10.0 + TAIL_SECONDS + 1)
        j.segment(session, "c", "a word much later", 9.0, 9.5)
        j.closed(session)
        j.end()
    facts, verdict, summary = judged(tmp_path / "r")
    for metric, seconds in {
        "step_initiating": 0.1,
        "step_conversations": 0.2,
        "step_stt_initiating": 0.4,
        "step_ready": 0.8,
        "memory_created": 2.0,
        "heartbeat": 12.1,
        "heartbeat_offset": 2.1,
        "finalisation": 12.0 - 9.9,
        "first_segment": 22.0 - start,
        "first_segment_speech": 22.0 - start - 0.5,
    }.items():
        assert ms(facts, metric) == pytest.approx(seconds, abs=2 * NEAR), metric
    # The last ping came at 15 s, and the close at about start + 26.
    assert summary["heartbeat"]["longest_gap_s"] == pytest.approx(start + 26 - 15, abs=0.1)
    assert [c.status for c in verdict.checks] == ["fail", "pass"]


def test_lag_is_sampled_each_second_of_the_audio_and_not_behind_it(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run([expect.lag_slope()])
        j.tape()
        session = j.connecting()
        j.open(session)
        j.ready(session)
        start = j.begin(session)
        for second in range(3, 40):
            j.at(start + second + 0.5)
            j.segment(session, f"x{second}", "words", second - 2.0, second - 1.0)
        j.finish(session, start)
        j.closed(session)
        j.end()
    facts, verdict, summary = judged(tmp_path / "r")
    lag = facts.latencies["transcript_lag"]
    # 1, 2, 3 s before the first segment; from then on, at second k, the end of k - 1 has been heard up to k - 2.
    assert lag.count == 9
    assert [lag.percentile(p) for p in (1, 20, 50, 100)] == pytest.approx([1000, 2000, 2000, 3000], rel=1e-3)
    series = summary["series"]["latency_ms"]["transcript_lag"]
    assert series["step_s"] == 1.0 and sum(series["count"]) == 9
    assert series["p50"][:3] == pytest.approx([1000.0, 2000.0, 3000.0], abs=1)
    assert check(verdict, "lag_slope").status == "inconclusive" and summary["transcript_lag"]["slope"] is None


@pytest.mark.parametrize("behind, status", [(0.0, "pass"), (0.3, "fail")])
def test_a_service_that_falls_behind(tmp_path, behind, status):
    with journal(tmp_path / "r") as j:
        j.run([expect.lag_slope(below=0.05), expect.p95("transcript_lag", "3s")])
        j.tape(seconds=120.0)
        session = j.connecting()
        j.open(session)
        j.ready(session)
        start = j.begin(session, planned=1200)
        for second in range(2, 120):
            j.at(start + second)
            heard = second * (1 - behind) - 1.0
            j.segment(session, f"x{second}", "words", max(0.0, heard - 1), heard)
        j.finish(session, start, sent=1200, seconds=120.0)
        j.closed(session, chunks=1200, planned=1200)
        j.end()
    _, verdict, summary = judged(tmp_path / "r")
    assert summary["transcript_lag"]["slope"] == pytest.approx(behind, abs=0.02)
    assert [c.status for c in verdict.checks] == [status, status]


def test_a_device_that_comes_back(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run([])
        j.tape()
        first = j.connecting("s1", device=3)
        j.open(first)
        j.ready(first)
        start = j.begin(first)
        j.at(start + 4.0)
        j.finish(first, start, sent=40, seconds=4.0)
        j.closed(first, code=1006, by="lost", chunks=40)
        closed = j.time - j.journal.origin
        other = j.connecting("s2", "somebody", device=4)
        j.open(other)
        j.ready(other)
        j.at(closed + 2.0)
        refused = j.connecting("s3", device=3)
        j.failed(refused, "refused", "HTTP 500", 500)
        j.at(closed + 5.0)
        again = j.connecting("s4", device=3)
        j.open(again)
        j.ready(again)
        j.at(closed + 7.0)
        resumed = j.begin(again)
        j.end()
    facts, _, _ = judged(tmp_path / "r")
    assert ms(facts, "reconnect_downtime") == pytest.approx(5.1, abs=0.1)
    # 4 s of audio were sent; what was spoken from then to the new first byte is lost.
    assert ms(facts, "reconnect_audio_gap") == pytest.approx(resumed - start - 4.0, abs=0.01)


def test_the_end_of_a_segment_counts_from_the_play_that_was_heard(tmp_path):
    """A recogniser's padding beyond the end of one play must not be taken for the beginning of the next."""
    with journal(tmp_path / "r") as j:
        j.run([])
        j.tape()
        session = j.connecting()
        j.open(session)
        j.ready(session)
        start = j.begin(session)
        j.finish(session, start)
        j.at(start + 11.0)
        j.segment(session, "a", "that's fine with me", 6.0, 10.2)
        j.at(60.0)
        j.begin(session)
        j.end()
    facts, _, _ = judged(tmp_path / "r")
    assert ms(facts, "segment_emission") == pytest.approx(0.8, abs=NEAR)


@pytest.mark.parametrize("time", [1e308, -1e308, 1e20, 10**400, True, "1", None])
def test_senseless_times_are_no_segments(tmp_path, time):
    with journal(tmp_path / "r") as j:
        j.run([])
        j.tape()
        session = j.connecting()
        j.open(session)
        j.ready(session)
        start = j.begin(session)
        j.at(start + 2.0)
        if not isinstance(time, int) or abs(time) < 2**64:  # beyond, no JSON of ours holds it
            j.segment(session, "a", "words", 0.0, time)
        j.segment(session, "b", "words", 0.5, 1.5)
        j.finish(session, start)
        j.closed(session)
        j.end()
    _, _, summary = judged(tmp_path / "r")
    assert summary["latency_ms"]["segment_emission"]["count"] == 1


def test_long_series_stay_small(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run([])
        for minute in range(600):
            j.at(60.0 * minute)
            session = j.connecting(f"s{minute}", device=minute)
            j.write("session", **session, event="open", connect_ms=1.0, handshake_ms=3.0, status=101)
            j.write("session", **session, event="ready", ready_ms=40.0)
            j.closed(session, chunks=1, planned=1)
        j.end()
    _, _, summary = judged(tmp_path / "r")
    series = summary["series"]["latency_ms"]["handshake"]
    assert series["step_s"] == 128.0 and len(series["t"]) <= 320 and sum(series["count"]) == 600


def test_other_paces_claim_neither_lag_nor_curves(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run([expect.lag_slope(), expect.coverage(), expect.character_error_rate()], pace="20x")
        j.boot()
        j.tape()
        j.stream(pace="20x")
        j.end()
    _, verdict, summary = judged(tmp_path / "r")
    assert check(verdict, "lag_slope").status == "inconclusive" and "20x" in check(verdict, "lag_slope").detail
    assert check(verdict, "coverage").status == "pass" and check(verdict, "character_error_rate").status == "pass"
    assert summary["series"]["quality"]["by_time"] == [] and summary["transcript_lag"]["slope"] is None
    assert set(summary["series"]["latency_ms"]) == {"handshake", "ready"}


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
anything = st.recursive(plain, lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=4), x, max_size=3))
segments = st.lists(
    st.fixed_dictionaries(
        {"id": st.sampled_from(["a", "b", 3]) | anything, "text": st.sampled_from(["good morning", ""]) | anything},
        optional={"start": st.floats(-10, 20) | anything, "end": st.floats(-10, 20) | anything, "speaker": anything},
    )
    | anything,
    max_size=4,
)
messages = st.tuples(
    st.sampled_from(["transcript", "segments_deleted", "service_status", "memory_created", "ping", "pusher.201"]),
    segments | anything | st.fixed_dictionaries({"segment_ids": segments, "memory": anything, "status": anything}),
)


@given(st.lists(messages, max_size=12))
@settings(max_examples=60)
def test_nothing_that_a_service_says_stops_the_report(said):
    session = {"type": "session", "sid": "s", "kind": "listen", "uid": "u", "device": 0}
    play = {"tape": "t", "planned": 100, "pace": "realtime", "interval_ms": 100, "start": 1.0}
    utterance = {"speaker": "a", "text": "good morning", "onset": 1.0, "end": 2.0}
    tape = {"name": "t", "chunks": 100, "chunk_ms": 100, "reference": "good morning", "utterances": [utterance]}
    records = [
        {"t": 0.0, "type": "tape", **tape},
        {"t": 0.5, **session, "event": "connecting"},
        {"t": 0.6, **session, "event": "open"},
        {"t": 0.7, **session, "event": "ready", "ready_ms": 1},
        {"t": 1.0, "type": "stream", "sid": "s", "event": "begin", **play},
        *(
            {"t": 2.0 + k, "type": "message", "sid": "s", "kind": kind, "data": data}
            for k, (kind, data) in enumerate(said)
        ),
        {"t": 20.0, **session, "event": "closed", "code": 1000, "by": "client", "chunks_sent": 100},
    ]
    facts = read_facts(records)
    summary = summarise(facts, judge(facts))
    for render in ("markdown", "html", "json"):
        assert render_as(render, summary)
