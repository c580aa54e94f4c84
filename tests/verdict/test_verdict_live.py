"""The live figures: at the end of a run they are those of its report, and meanwhile they are right and bounded."""

import pytest

from e2e.record.histogram import Histogram
from e2e.record.journal import read_journal
from e2e.verdict import live
from e2e.verdict.live import KINDS, LiveFigures
from tests.verdict.journals import journal, judged, smoke


def figures_of(path) -> LiveFigures:
    figures = LiveFigures()
    for record in read_journal(path):
        if record["type"] in KINDS:
            figures.take(record)
    return figures


@pytest.fixture
def followed(tmp_path):
    """A journal that figures follow as it is written."""
    figures = LiveFigures()
    with journal(tmp_path) as j:
        j.journal.subscribe(figures.take, *KINDS)
        yield j, figures


def test_at_the_end_they_are_those_of_the_report(tmp_path):
    with journal(tmp_path) as j:
        j.run()
        j.boot()
        j.tape()
        first = j.stream()
        j.gone(first)
        j.import_error()
        j.line("backend", "ERROR:routers.x:it broke")
        j.write("error_line", service="backend", level="ERROR", text="it broke", n=9, noise=False, fingerprint="f")
        j.write("error_line", service="backend", level="ERROR", text="as always", n=10, noise=True, fingerprint="g")
        second = j.connecting("s2", "e2e-2", device=1)
        j.open(second)
        j.failed(second, "closed", "gone")
        j.closed(second, code=1011, by="server", chunks=0, planned=0)
        third = j.connecting("s3", "e2e-3", device=2)
        j.failed(third, "refused", "HTTP 403", status=403)
        fourth = j.connecting("s4", "e2e-4", device=3)
        j.open(fourth)
        j.segment(fourth, "early", "too early", 0.0, 1.0)
        j.closed(fourth, chunks=0, planned=0)
        j.stop()
        j.end()
    facts, _, run = judged(tmp_path)
    figures = figures_of(tmp_path)
    assert dict(figures.messages) == dict(facts.messages) and figures.message_count == sum(facts.messages.values())
    for metric, histogram in facts.latencies.items():
        if metric not in ("send_lateness", "reconnect_downtime", "reconnect_audio_gap"):
            assert figures.latencies[metric].summary() == histogram.summary(), metric
    assert figures.generator.lateness.summary() == run["generator"]["send_lateness_ms"]
    assert (
        [(g.code, g.count) for g in figures.findings.ordered()]
        == [(f["code"], f["count"]) for f in run["findings"]]
        != []
    )
    counters = run["counters"]
    assert figures.sessions == {"connecting": 4, "open": 3, "ready": 1, "failed": 2, "closed": 3}
    assert figures.failures == {"closed": 1, "refused": 1} and figures.last_failure["error"] == "HTTP 403"
    assert figures.close_codes == counters["close_codes"] == {"1000": 2, "1011": 1}
    assert figures.chunks_sent == counters["chunks_sent"] == figures.chunks_planned == 100
    assert figures.imports.total == run["imports"]["lines"] == 1 and figures.errors.first.total == 1
    assert [text for _, _, text in figures.last_errors] == ["ImportError: models.geolocation.Geolocation", "it broke"]
    assert {name: s.status for name, s in figures.services.items()} == {"backend": "healthy", "pusher": "healthy"}
    assert figures.open_sessions == figures.streams == 0 and not figures._live and not figures._streams


def test_a_service_alone_is_not_the_stream(followed):
    j, figures = followed
    j.run()
    j.tape()
    j.write("session", sid="p1", kind="pusher", uid="u", event="connecting", url="ws://x", probe=True)
    play = {"tape": "podcast", "planned": 30, "pace": "realtime", "interval_ms": 1000.0}
    j.write("stream", sid="p1", event="begin", start=0.5, **play)
    j.write("message", sid="p1", kind="pusher.201", data={}, bytes=9)
    j.write("session", sid="p1", kind="pusher", uid="u", event="closed", code=1006)
    assert not any((figures.sessions, figures.chunks_planned, figures.latencies, figures.messages, figures.close_codes))
    j.begin(j.connecting())
    # The pacer counts both, and tells of them together.
    j.write("sends", n=2, late=0, streams=1, lateness=Histogram().to_dict())
    assert figures.chunks_sent == 0
    j.write("sends", n=8, late=0, streams=1, lateness=Histogram().to_dict())
    assert figures.chunks_sent == 7


def test_of_many_sessions_the_first_are_followed_whole_and_the_others_up_to_their_first_words(followed, monkeypatch):
    monkeypatch.setattr(live, "FOLLOWED", 2)
    j, figures = followed
    j.run()
    j.tape()
    sessions = [j.connecting(f"s{n}", f"u{n}", device=n) for n in range(5)]
    for session in sessions:
        j.open(session)
        j.ready(session)
    starts = [j.begin(session) for session in sessions]
    for session, start in zip(sessions, starts, strict=True):
        j.speech(session, start)
    assert figures.latencies["ready"].count == figures.latencies["first_segment"].count == 5
    assert set(figures._live) == {"s0", "s1"} and figures.followed == 2
    assert figures.messages["transcript"] == 30
    j.closed(sessions[0])
    again = j.connecting("s9", "u9", device=9)
    j.open(again)
    assert figures.followed == 2
    assert figures.latencies["segment_emission"].count == 3  # of the one that has ended
    for session in sessions[1:]:
        j.closed(session)
    assert set(figures._live) == {"s9"}


def test_a_session_of_hours_keeps_only_its_last_segments(followed):
    j, figures = followed
    j.run()
    j.tape(seconds=4000.0)
    session = j.connecting()
    j.open(session)
    j.ready(session)
    start = j.begin(session, planned=40_000)
    for n in range(1000):
        j.at(start + 4 * n + 3.0)
        j.segment(session, f"g{n}", "a word", 4.0 * n, 4.0 * n + 2)
    transcript = figures._live["s1"].transcript
    assert len(transcript.segments) < 120
    emission = figures.latencies["segment_emission"]
    assert emission.count > 900 and emission.summary()["p50"] == pytest.approx(1000, abs=15)


def test_rates_are_of_the_last_seconds_and_held_against_what_was_planned_then(followed):
    j, figures = followed
    j.run()
    j.tape()
    sessions = [j.connecting(f"s{n}", f"u{n}", device=n) for n in range(4)]
    for session in sessions:
        j.begin(session)
    for second in range(1, 6):
        j.at(second)
        j.write("sends", n=30, late=0, streams=4, lateness=Histogram().extend([0.5 * second] * 30).to_dict())
        j.write("generator", cpu=0.1, rss_mb=50.0, loop_lag_ms=1.0, open_sessions=4, planned=4, active=4)
    assert figures.rate == pytest.approx(30, rel=0.02) and figures.rate_planned == pytest.approx(40)
    assert figures.streams == 4 and figures.planned == 4
    j.at(30)
    j.write("sends", n=1, late=1, streams=4, lateness=Histogram().extend([80.0]).to_dict())
    assert figures.recent_lateness().summary()["p50"] == 80.0  # those of the first seconds are past
    assert figures.generator.lateness.count == 151 and figures.generator.late == 1


def test_a_frame_of_the_pusher_is_a_second_of_chunks(followed):
    j, figures = followed
    j.run()
    j.tape()
    session = j.connecting(kind="pusher")
    play = {"tape": "podcast", "planned": 100, "pace": "realtime", "interval_ms": 1000.0}
    j.write("stream", sid=session["sid"], event="begin", start=j.time - j.journal.origin, **play)
    assert figures._chunks_a_second == pytest.approx(10)
    j.write("sends", n=3, late=0, streams=1, lateness=Histogram().extend([0.1] * 3).to_dict())
    assert figures.chunks_sent == 30


def load_of(j, model="users", **load):
    at = {"text": "", "at_once": 4, "seconds": None, "settled": 0.0} | load
    j.run(options={"users": 4, "pace": "realtime", "load": {"model": model, **at}})
    j.tape()
    j.write("phase", phase="stream", state="begin")


def test_time_left_of_users_is_that_of_the_last_to_play(followed):
    j, figures = followed
    load_of(j, settled=20.0)
    assert figures.seconds_left is None  # nobody knows yet how long a device plays
    first = j.connecting()
    j.begin(first)
    assert figures.seconds_left == pytest.approx(30, abs=0.2)
    j.at(25)
    last = j.connecting("s4", "u4")
    j.begin(last)
    assert figures.seconds_left == pytest.approx(10, abs=0.2)
    j.write("phase", phase="drain", state="begin")
    assert figures.seconds_left is None


def test_time_left_of_a_load_with_a_length_stands_still_while_it_is_paused(followed):
    j, figures = followed
    load_of(j, "soak", seconds=60.0, settled=0.0)
    j.at(10)
    j.write("generator", planned=4, active=4)
    assert figures.seconds_left == pytest.approx(50, abs=0.1) and figures.stream_share == pytest.approx(1 / 6, abs=0.01)
    j.write("control", what="pause", by="key p", users=4)
    j.at(30)
    j.write("generator", planned=4, active=4)
    assert figures.seconds_left is None and figures.stream_share == pytest.approx(1 / 6, abs=0.01)
    j.write("control", what="resume", by="key p", users=4)
    assert figures.seconds_left == pytest.approx(50, abs=0.1) and figures.controls == 2


def test_as_fast_as_it_goes_time_left_is_by_what_is_left(followed):
    j, figures = followed
    load_of(j)
    session = j.connecting()
    j.begin(session, planned=1000, pace="max")
    for second in range(1, 4):
        j.at(second)
        j.write("sends", n=100, late=0, streams=1, lateness=Histogram().to_dict())
        j.write("generator", planned=1, active=1)
    assert figures.seconds_left == pytest.approx(7, rel=0.05) and figures.rate_planned == 0


def test_a_journal_of_a_whole_run_breaks_nothing(tmp_path):
    figures = figures_of(smoke(tmp_path))
    assert figures.phase == "boot" and figures.t > 10  # it has no phases


def test_a_record_that_nobody_expects_does_no_harm_to_the_run(followed):
    j, _ = followed
    j.run()
    j.write("sends", n="many")
    j.write("session", sid="s1", event="connecting")
    assert any("a follower of the journal failed" in r.get("text", "") for r in read_all(j))


def read_all(j):
    j.journal.flush()
    return list(read_journal(j.path))
