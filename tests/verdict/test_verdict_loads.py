"""Sessions that the load ended, and arrivals that found no room: neither is a failure, and nothing else is excused."""

import pytest

from e2e.verdict import expect, fold_sessions
from tests.verdict.journals import check, journal, judged, status

WANTED = (
    expect.connected(),
    expect.ready(),
    expect.all_chunks_sent(),
    expect.transcripts_received(),
    expect.conversation_stored(),
    expect.lifecycle(),
    expect.close_code(1000),
    expect.no_session_failed(),
)


def loaded(tmp_path, write, expectations=WANTED):
    """A run of one whole session, and what `write` adds to it."""
    with journal(tmp_path / "r") as j:
        j.run(expectations)
        j.boot()
        j.tape()
        j.gone(j.stream())
        write(j)
        j.stop()
        j.end()
    return judged(tmp_path / "r")


def opening(j, sid="s2", kind="listen"):
    session = j.connecting(sid, f"u-{sid}", kind, device=1)
    j.write("session", **session, event="open", connect_ms=1, handshake_ms=1, status=101)
    return session


def cut(j, sid="s2", **closed):
    """Ended by the load in the middle of its tape."""
    session = j.connecting(sid, f"u-{sid}", device=1)
    j.open(session)
    j.ready(session)
    start = j.begin(session)
    j.left(session)
    j.finish(session, start, sent=40, seconds=4.0)
    j.closed(session, **{"chunks": 40, **closed})
    j.gone(session)
    return session


def test_what_the_load_ended_owes_nothing(tmp_path):
    _, verdict, summary = loaded(tmp_path, cut)
    assert set(status(verdict).values()) == {"pass"}, verdict.checks
    words = "140 of 200 chunks sent, 1 session ended by the load with 60 unsent"
    assert check(verdict, "all_chunks_sent").detail == words
    assert summary["counters"]["chunks_planned"] == 200 and summary["counters"]["sessions_ended_by_load"] == 1
    assert "1 session ended by the load" in check(verdict, "conversation_stored").detail


def test_only_a_device_ended_before_its_session_is_excused(tmp_path):
    def write(j):
        session = j.connecting("s2", "u2", device=1)
        j.open(session)
        j.ready(session)
        start = j.begin(session)
        j.left({"device": 2})
        j.finish(session, start, sent=40)
        j.closed(session, chunks=40)
        j.left(session)

    _, verdict, summary = loaded(tmp_path, write)
    assert status(verdict)["all_chunks_sent"] == "fail" and status(verdict)["transcripts_received"] == "fail"
    assert "sessions_ended_by_load" not in summary["counters"]


@pytest.mark.parametrize("code, by", [(1011, "server"), (1006, "lost")])
def test_a_bad_end_stays_one_also_when_the_load_ended_it(tmp_path, code, by):
    _, verdict, _ = loaded(tmp_path, lambda j: cut(j, code=code, by=by))
    found = status(verdict)
    assert found["no_session_failed"] == found["close_code"] == "fail" and found["all_chunks_sent"] == "pass"


def dropped_connecting(j):
    j.left(j.connecting("s2", "u2", device=1))


def dropped_open(j, kind="listen"):
    session = opening(j, kind=kind)
    j.left(session)
    j.closed(session, code=1006, by="lost", chunks=0, planned=0)


def dropped_pusher(j):
    dropped_open(j, "pusher")


def closed_unready(j):
    session = opening(j)
    j.left(session, "stage")
    j.closed(session, chunks=0, planned=0)


@pytest.mark.parametrize("write", [dropped_connecting, dropped_open, dropped_pusher, closed_unready])
def test_a_session_may_be_ended_on_its_way(tmp_path, write):
    _, verdict, summary = loaded(tmp_path, write)
    assert set(status(verdict).values()) == {"pass"}, verdict.checks
    assert summary["counters"]["sessions_failed"] == 0 and summary["counters"]["sessions_ended_by_load"] == 1


def test_a_connection_lost_before_the_load_ended_it_failed(tmp_path):
    def write(j):
        session = opening(j)
        j.closed(session, code=1006, by="lost", chunks=0, planned=0)
        j.left(session)

    _, verdict, _ = loaded(tmp_path, write)
    assert status(verdict)["ready"] == status(verdict)["no_session_failed"] == "fail"


def test_where_the_load_ended_all_nothing_was_shown(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run(WANTED)
        j.boot()
        dropped_connecting(j)
        j.stop()
        j.end()
    _, verdict, _ = judged(tmp_path / "r")
    assert status(verdict)["connected"] == status(verdict)["ready"] == "inconclusive"


def test_a_silent_service_is_not_excused_by_the_load(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run(WANTED)
        j.boot()
        j.tape()
        cut(j)
        j.stop()
        j.end()
    _, verdict, _ = judged(tmp_path / "r")
    assert status(verdict)["transcripts_received"] == "fail" and status(verdict)["lifecycle"] == "fail"


def test_sessions_ended_by_the_load_are_folded_too(tmp_path, monkeypatch):
    monkeypatch.setattr(fold_sessions, "MAX_SESSIONS", 2)

    def write(j):
        for k in range(6):
            cut(j, f"c{k}")
        for k in range(3):
            j.gone(j.stream(sid=f"w{k}", uid=f"u-w{k}"))

    read, verdict, summary = loaded(tmp_path, write)
    assert read.folded == 8 and read.folded_left == 6 and len(read.sessions) == 2
    assert set(status(verdict).values()) == {"pass"}, verdict.checks
    assert summary["counters"]["sessions_ended_by_load"] == 6


def test_dropped_arrivals_are_counted_and_no_failure(tmp_path):
    def write(j):
        j.write("arrivals", started=3, dropped=0)
        j.write("arrivals", started=9, dropped=4)

    _, verdict, summary = loaded(tmp_path, write)
    assert verdict.value == "pass"
    assert (summary["counters"]["arrivals_started"], summary["counters"]["dropped_arrivals"]) == (9, 4)
    _, _, closed = loaded(tmp_path / "closed", lambda j: None)
    assert "dropped_arrivals" not in closed["counters"]


def test_the_most_of_the_generator(tmp_path):
    def write(j):
        idle = {"cpu": 0.1, "rss_mb": 60.0, "loop_lag_ms": 1.0}
        j.write("generator", **idle, open_files=90, planned=7, active=5, steal=0.9, foreign=0.9)
        j.write("generator", **idle, open_files=None, planned=3, active=6, steal=None, foreign=None)

    _, _, summary = loaded(tmp_path, write)
    generator = summary["generator"]
    assert [generator[f"{n}_max"] for n in ("open_files", "planned", "active")] == [90, 7, 6]
    # Nothing was sent then, so it harmed nothing.
    assert generator["steal_max"] is None and generator["foreign_max"] is None
