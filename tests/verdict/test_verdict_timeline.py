"""One timeline: whose line is whose, what is folded, and what is told of the time between."""

from functools import partial
from itertools import pairwise

import pytest

from e2e.record.journal import read_journal
from e2e.verdict.entries import MAX_ENTRIES
from e2e.verdict.fold import read_facts
from e2e.verdict.timeline import MAX_CLEAN, MAX_FAILED, find_sessions, read_timelines, worth_telling
from tests.verdict.journals import journal, smoke


def told(path, *sids):
    """Timelines by sid."""
    wanted = {}
    for sid in sids:
        wanted |= find_sessions(read_journal(path), sid).wanted
    return {t["sid"]: t for t in read_timelines(partial(read_journal, path), wanted)}


def seen(timeline, where="log"):
    return [e for e in timeline["entries"] if e["where"].endswith(where)]


# -- whose line is whose ----------------------------------------------------------------------------------------
#
# A journal as steps: (t, action, ...). `in` and `out` are the connect call and the close of a session, `backend` and
# `pusher` a line with the ids that it names. Then whose each line is, by its text; `?`: it may be another's.

JOINS = {
    "a session id beats the uid of two devices": (
        [
            (1, "in", "a", "u"),
            (2, "backend", "A begins", "handler_started", {"uid": "u", "session": "SA"}),
            (3, "in", "b", "u"),
            (4, "backend", "B begins", "handler_started", {"uid": "u", "session": "SB"}),
            (5, "backend", "of A", "speaker_id_loaded", {"uid": "u", "session": "SA"}),
            (6, "backend", "of B", "speaker_id_loaded", {"uid": "u", "session": "SB"}),
            (7, "backend", "of one", "integrations_triggered", {"uid": "u"}),
        ],
        {"a": ["A begins", "of A", "of one?"], "b": ["B begins", "of B", "of one?"]},
    ),
    "a conversation beats the uid": (
        [
            (1, "in", "a", "u"),
            (2, "backend", "A begins", "conversation_created", {"uid": "u", "session": "SA", "conversation": "CA"}),
            (3, "in", "b", "u"),
            (4, "backend", "B begins", "conversation_created", {"uid": "u", "session": "SB", "conversation": "CB"}),
            (5, "pusher", "of A", "pusher_conversation", {"uid": "u", "conversation": "CA"}),
            (6, "pusher", "of B", "pusher_process_request", {"uid": "u", "conversation": "CB"}),
            (7, "pusher", "of one", "trigger_started", {"uid": "u"}),
        ],
        {"a": ["A begins", "of A", "of one?"], "b": ["B begins", "of B", "of one?"]},
    ),
    "a session id beats a conversation that two share": (
        [
            (1, "in", "a", "u"),
            (2, "backend", "A", "conversation_created", {"uid": "u", "session": "SA", "conversation": "C"}),
            (3, "in", "b", "u"),
            (4, "backend", "B", "conversation_resumed", {"uid": "u", "session": "SB", "conversation": "C"}),
            (5, "pusher", "of C", "pusher_conversation", {"uid": "u", "conversation": "C"}),
        ],
        {"a": ["A", "of C?"], "b": ["B", "of C?"]},
    ),
    "a reconnect: the life that holds the line": (
        [
            (1, "in", "a", "u"),
            (2, "backend", "first", "listen_started", {"uid": "u"}),
            (5, "out", "a"),
            (9, "in", "b", "u"),
            (10, "backend", "second", "listen_started", {"uid": "u"}),
            (11, "backend", "late end", "handler_ended", {"uid": "u"}),
            (12, "out", "b"),
            (12.1, "backend", "just after", "integrations_triggered", {"uid": "u"}),
        ],
        {"a": ["first", "late end"], "b": ["second", "just after"]},
    ),
    "both connect at once: nobody can tell": (
        [
            (1, "in", "a", "u"),
            (1, "in", "b", "u"),
            (2, "backend", "S1 begins", "handler_started", {"uid": "u", "session": "S1"}),
            (2, "backend", "S2 begins", "handler_started", {"uid": "u", "session": "S2"}),
        ],
        {"a": ["S1 begins?", "S2 begins?"], "b": ["S1 begins?", "S2 begins?"]},
    ),
    "both at once, and one client was told its conversation": (
        [
            (1, "in", "a", "u"),
            (1, "in", "b", "u"),
            (2, "backend", "S1", "conversation_created", {"uid": "u", "session": "S1", "conversation": "C1"}),
            (2, "backend", "S2", "conversation_created", {"uid": "u", "session": "S2", "conversation": "C2"}),
            (3, "told", "b", "C1"),
        ],
        {"a": ["S2"], "b": ["S1"]},
    ),
    "both at once, and they end apart": (
        [
            (1, "in", "a", "u"),
            (1, "in", "b", "u"),
            (2, "backend", "S1", "handler_started", {"uid": "u", "session": "S1"}),
            (2, "backend", "S2", "handler_started", {"uid": "u", "session": "S2"}),
            (20, "out", "b"),
            (20.1, "backend", "S1 left", "client_disconnected", {"uid": "u", "session": "S1"}),
        ],
        {"a": ["S2"], "b": ["S1", "S1 left"]},
    ),
    "users whose names begin alike": (
        [
            (1, "in", "a", "e2e-test"),
            (1, "in", "b", "e2e-test-1"),
            (2, "backend", "of strangers: e2e-test-12, e2e-test.x, my-e2e-test, e2e-test@x", None, {}),
            (2, "backend", "Translation error: down e2e-test-1", None, {}),
            (3, "pusher", "Could not save e2e-test: full", None, {}),
            (4, "in", "c", "auth0|e2e-test"),
            (5, "pusher", "Could not save of [auth0|e2e-test].", None, {}),
            (6, "in", "d", "a: e2e-test"),
            (7, "pusher", "Odd a: e2e-test!", None, {}),
        ],
        {
            "a": ["Could not save e2e-test: full"],
            "b": ["Translation error: down e2e-test-1"],
            "c": ["Could not save of [auth0|e2e-test]."],
            "d": ["Odd a: e2e-test!"],
        },
    ),
    "a short uid is only a name at the end of a line": (
        [
            (1, "in", "a", "123"),
            (2, "backend", "123 rows in 123 ms, 123.", None, {}),
            (3, "backend", "Translation error 123", None, {}),
            (4, "backend", "Translation error 123 e0b1", None, {}),
        ],
        {"a": ["Translation error 123", "Translation error 123 e0b1"]},
    ),
    "a line that no catalogue knows names the session": (
        [
            (1, "in", "a", "user-number-one"),
            (1, "in", "b", "user-number-two"),
            (2, "backend", "A", "handler_started", {"uid": "user-number-one", "session": "0123456789ab"}),
            (3, "backend", "STT [0123456789ab] reconnects", None, {}),
        ],
        {"a": ["A", "STT [0123456789ab] reconnects"], "b": []},
    ),
    "the frame of a line names the user": (
        [
            (1, "in", "a", "user-number-one"),
            (1, "in", "b", "user-number-two"),
            (2, "backend", "cloud line", None, {"uid": "user-number-two"}),
        ],
        {"a": [], "b": ["cloud line"]},
    ),
    "no id: only where there is one session": (
        [
            (1, "in", "a", "u"),
            (2, "pusher", "alone", "pusher_disconnected", {}),
            (3, "in", "b", "v"),
            (4, "pusher", "one of two", "pusher_disconnected", {}),
        ],
        {"a": ["alone?"], "b": []},
    ),
    "what is over is over, and strangers are nobody's": (
        [
            (1, "in", "a", "u"),
            (2, "backend", "stranger", "listen_started", {"uid": "v"}),
            (3, "out", "a"),
            (60, "backend", "drain", "handler_ended", {"uid": "u"}),
            (200, "backend", "much later", "listen_started", {"uid": "u"}),
        ],
        {"a": ["drain"]},
    ),
    "the backend does not speak of who talks to the pusher": (
        [
            (1, "in", "a", "u", "pusher"),
            (2, "backend", "HTTP", "integrations_triggered", {"uid": "u"}),
            (3, "pusher", "link", "trigger_started", {"uid": "u"}),
        ],
        {"a": ["link"]},
    ),
}


@pytest.mark.parametrize("name", JOINS)
def test_whose_line_it_is(tmp_path, name):
    steps, expected = JOINS[name]
    sessions = {}
    with journal(tmp_path / "r") as j:
        j.run()
        for t, action, *rest in steps:
            j.at(t)
            if action == "in":
                sessions[rest[0]] = j.connecting(rest[0], *rest[1:])
            elif action == "out":
                j.closed(sessions[rest[0]])
            elif action == "told":
                data = {"type": "conversation_session", "conversation_id": rest[1]}
                j.write("message", sid=rest[0], kind="conversation_session", data=data, bytes=9)
            else:
                text, event, ids = rest
                if event:
                    j.line(action, text, event, **ids)
                else:
                    j.lines[action] += 1
                    j.write("log", service=action, n=j.lines[action], level="INFO", text=text, **ids)
    timelines = told(tmp_path / "r", *expected)
    found = {
        sid: [f"{e['detail']}{'?' if e.get('ambiguous') else ''}" for e in seen(timeline)]
        for sid, timeline in timelines.items()
    }
    assert found == expected


def test_an_ambiguous_line_names_the_others(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run()
        for sid in ("a", "b"):
            j.connecting(sid, "u")
        j.line("backend", "x", "integrations_triggered", "u")
    (line,) = seen(told(tmp_path / "r", "a")["a"])
    assert line["ambiguous"] == "or of b"


# -- what is told -----------------------------------------------------------------------------------------------


def test_a_session_from_end_to_end(tmp_path):
    timeline = told(smoke(tmp_path / "r"), "s1")["s1"]
    entries = timeline["entries"]
    assert [e["t"] for e in entries] == sorted(e["t"] for e in entries)
    assert entries[0]["since_ms"] is None and entries[0]["what"] == "connects"
    for before, entry in pairwise(entries):
        assert entry["since_ms"] == pytest.approx((entry["t"] - before["t"]) * 1000, abs=0.01)
    wheres = [e["where"] for e in entries]
    assert {"client", "server", "backend log"} == set(wheres)
    whats = [e["what"] for e in entries]
    for what in ("101: open", "ping", "first chunk due", "chunk 11 of 100 due", "first transcript", "closed 1000"):
        assert what in whats, what
    assert whats.index("first chunk due") < whats.index("chunk 11 of 100 due") < whats.index("last chunk sent: 100")
    first = next(e for e in entries if e["what"] == "first transcript")
    assert first["detail"].startswith("0.8") and "after its audio; “good”" in first["detail"]
    steps = {(s["from"], s["to"]): s["ms"] for s in timeline["steps"]}
    assert steps["audio until second 2.00 due", "first transcript"] == pytest.approx(800, abs=50)
    assert steps["last chunk sent", "closed"] > 0
    assert steps["closed", "backend logs Client disconnected"] > 0


def test_no_lag_is_told_of_a_conversation_that_was_resumed(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run()
        j.tape()
        session = j.connecting()
        j.line("backend", "Resuming conversation c1", "conversation_resumed", "e2e-test", conversation="c1")
        start = j.begin(session)
        j.at(start + 2)
        j.segment(session, "a", "hello", 0.5, 1.0)
        other = j.connecting("s2", "u2")
        start = j.begin(other)
        j.at(start + 2)
        j.segment(other, "a", "hello", 90.5, 91.0)
    for timeline in told(tmp_path / "r", "s1", "s2").values():
        assert "after its audio" not in str(timeline) and not any("audio until" in s["from"] for s in timeline["steps"])


def test_a_pusher_session_is_told_with_its_request(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run()
        session = j.connecting("p", "user-of-pusher", "pusher")
        j.write("sent", sid="p", kind="pusher.104", data={"conversation_id": "c-one", "language": "en"})
        text = "INFO:routers.pusher:Pusher received process_conversation request: c-one user-of-pusher"
        j.line("pusher", text, "pusher_process_request", "user-of-pusher", conversation="c-one")
        j.at(3)
        j.write("message", sid="p", kind="pusher.201", data={"conversation_id": "c-one", "error": "no"}, bytes=9)
        j.closed(session, chunks=0, planned=0)
    timeline = told(tmp_path / "r", "p")["p"]
    steps = {(s["from"], s["to"]): s["ms"] for s in timeline["steps"]}
    between = steps["104 sent", "pusher logs received process_conversation"]
    rest = steps["pusher logs received process_conversation", "201 received"]
    assert between == pytest.approx(10) and between + rest == pytest.approx(steps["104 sent", "201 received"])
    assert [e["what"] for e in timeline["entries"] if e.get("bad")] == ["201"]


def test_an_import_error_is_told_of_the_session_that_its_line_names(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run()
        j.connecting("a", "user-number-one")
        j.connecting("b", "user-number-two")
        j.import_error(uid="user-number-two")
    timelines = told(tmp_path / "r", "a", "b")
    assert seen(timelines["a"]) == []
    (error,) = seen(timelines["b"])
    assert error["bad"] and error["what"] == "import error"


def stream(path, seconds, said_every=0.6):
    """One session that hears and logs something all the time, every ten seconds a ping."""
    with journal(path) as j:
        j.run()
        j.tape(seconds=seconds)
        session = j.connecting()
        j.open(session)
        j.ready(session)
        start, planned = j.begin(session, planned=round(seconds * 10)), round(seconds * 10)
        pinged = 0
        for k in range(1, round(seconds / said_every)):
            j.at(start + k * said_every)
            j.segment(session, f"seg{k // 9}", f"word {k}", k - 1.0, (k - 1.0) * said_every)
            j.line("backend", "INFO:x:trigger_realtime_integrations e2e-test", "integrations_triggered", "e2e-test")
            if k * said_every // 10 > pinged:
                pinged += 1
                j.write("message", sid="s1", kind="ping", data="ping", bytes=4)
                j.line("backend", f"INFO:x:queue of e2e-test holds {k}")
        j.finish(session, start, planned, seconds)
        j.segment(session, "late", "the end", seconds - 1, seconds)
        j.closed(session, chunks=planned, planned=planned)
        j.gone(session)
        j.end()
    return path


@pytest.mark.parametrize(("seconds", "lines"), ((300, (40, 62)), (7200, (40, 62))))
def test_minutes_and_hours_are_read_in_one_look(tmp_path, seconds, lines):
    timeline = told(stream(tmp_path / "r", seconds, 0.6 if seconds < 1000 else 5), "s1")["s1"]
    entries = timeline["entries"]
    assert lines[0] <= len(entries) <= lines[1] and not timeline["left_out"]
    heard = [e for e in entries if "transcript" in e["what"]]
    assert sum(e.get("count", 1) for e in heard) == sum(
        1 for r in read_journal(tmp_path / "r") if r.get("kind") == "transcript"
    )
    (pings,) = [e for e in entries if "pings in" in e["what"]]
    assert pings["count"] >= seconds / 10 - 2
    assert [e["what"] for e in entries][-3:-1] == ["transcript", "closed 1000"]


def test_a_session_that_says_ever_new_things_stays_bounded(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run()
        session = j.connecting()
        for k in range(3000):
            kind = "".join(chr(97 + int(c)) for c in str(k))
            j.write("message", sid="s1", kind=f"kind_{kind}", data={"k": k}, bytes=9)
        j.closed(session)
    timeline = told(tmp_path / "r", "s1")["s1"]
    assert len(timeline["entries"]) <= MAX_ENTRIES and timeline["left_out"] > 0
    assert timeline["entries"][0]["what"] == "connects" and timeline["entries"][-1]["what"] == "closed 1000"


def test_the_journal_of_a_killed_run(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run()
        j.tape(seconds=60)
        session = j.connecting()
        j.open(session)
        start = j.begin(session, planned=600)
        j.at(start + 14)
        j.segment(session, "a", "hello", 1.0, 2.0)
    path = tmp_path / "r" / "journal.jsonl"
    path.write_bytes(path.read_bytes() + b'{"t": 99, "ty')
    timeline = told(tmp_path / "r", "s1")["s1"]
    assert timeline["ended"] is None
    due = [e["what"] for e in timeline["entries"] if e["what"].endswith("due")]
    assert due == ["first chunk due", "chunk 101 of 600 due"], "nothing is told of after its last record"


# -- which sessions ---------------------------------------------------------------------------------------------


def test_failed_sessions_come_first_and_the_choice_is_bounded(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run()
        for k in range(20):
            session = j.connecting(f"s{k}", f"u{k}", device=k)
            if k % 2:
                j.failed(session, "refused", "HTTP 403", 403)
            else:
                j.open(session)
                j.closed(session)
        j.end()
    chosen = worth_telling(read_facts(read_journal(tmp_path / "r")))
    assert list(chosen) == [*(f"s{2 * k + 1}" for k in range(MAX_FAILED)), *(f"s{2 * k}" for k in range(MAX_CLEAN))]


def test_sessions_are_found_by_id_and_by_user(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run()
        for sid, uid in (("s1", "u"), ("s2", "v"), ("s3", "u")):
            j.connecting(sid, uid)
    records = lambda: read_journal(tmp_path / "r")  # noqa: E731
    assert find_sessions(records(), "u").wanted == {"s1": "u", "s3": "u"}
    assert find_sessions(records(), "s2").wanted == {"s2": "v"}
    nobody = find_sessions(records(), "w")
    assert not nobody.total and list(nobody.some) == ["s1", "s2", "s3"]
