"""What a run waits for in the logs, through a real journal and a clock that only moves when told."""

import asyncio

import pytest

from e2e import Drain
from e2e.engine.watch import MAX_USERS, LogWatch
from e2e.record.journal import Journal, read_journal


class Bench:
    def __init__(self, path, drain=Drain()) -> None:  # noqa: B008 - immutable
        self.now = 50.0
        self.journal = Journal(path / "journal.jsonl", lambda: self.now)
        self.watch = LogWatch(self.journal, drain)

    def log(self, state="open", service="backend"):
        self.journal.write("log_source", service=service, source="file", state=state, where="x.log")

    def listened(self, *uids, kind="listen", event="open", **fields):
        for uid in uids:
            self.journal.write("session", sid=f"s-{uid}", kind=kind, uid=uid, event=event, **fields)

    def line(self, event, uid, conversation=None):
        fields = {"session": None, "conversation": conversation, "detail": {}, "n": 1}
        self.journal.write("lifecycle", service="backend", event=event, uid=uid, **fields)

    def drain(self):
        return asyncio.create_task(self.watch.drain(lambda: self.now))

    def drained(self):
        return {r["uid"]: r["seen"] for r in self.records("drain")}

    def records(self, type):
        self.journal.flush()
        return [r for r in read_journal(self.journal.path) if r["type"] == type]


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    yield bench
    bench.watch.close()
    bench.journal.close()


async def test_lines_that_came_before_the_drain_count(bench):
    bench.log()
    bench.listened("a", "b")
    bench.line("client_disconnected", "b")
    bench.line("client_disconnected", "a")
    await bench.drain()
    rows = bench.records("drain")
    assert [(r["uid"], r["seen"], r["waited_s"]) for r in rows] == [("a", True, 0.0), ("b", True, 0.0)]
    assert all(r["awaited"] == "client_disconnected" and r["required"] for r in rows)


async def test_the_drain_waits_for_each_uid_and_no_longer(bench):
    bench.log()
    bench.listened("a", "b")
    assert bench.watch.owed == 2
    waiting = bench.drain()
    await asyncio.sleep(0)
    bench.line("client_disconnected", "a")
    bench.line("handler_ended", "b")  # another event
    bench.line("client_disconnected", "c")  # another user
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done() and bench.drained() == {"a": True}
    bench.now += 2.5
    bench.line("client_disconnected", "b")
    await waiting
    assert bench.drained() == {"a": True, "b": True}
    assert bench.records("drain")[-1]["waited_s"] == 2.5


async def test_a_line_that_does_not_come_is_said_after_the_longest_wait(tmp_path):
    bench = Bench(tmp_path, Drain("handler_ended", 75.0, required=False))
    bench.log()
    bench.listened("a", "b")
    waiting = bench.drain()
    await asyncio.sleep(0)
    bench.now += 80.0
    bench.line("handler_ended", "a")  # wakes the drain, whose time is up
    await waiting
    rows = bench.records("drain")
    assert bench.drained() == {"a": True, "b": False}
    assert all(r["awaited"] == "handler_ended" and not r["required"] and r["waited_s"] == 80.0 for r in rows)


async def test_the_time_is_up_without_any_line_too(tmp_path):
    bench = Bench(tmp_path, Drain(at_most=0.05))
    bench.log()
    bench.listened("a")
    clock = asyncio.get_running_loop().time
    await bench.watch.drain(clock)
    assert bench.drained() == {"a": False}


async def test_only_sessions_that_the_backend_took_are_waited_for(bench):
    bench.log()
    bench.listened("refused", event="failed")
    bench.listened("alone", kind="pusher")
    await bench.drain()
    assert bench.drained() == {} and bench.records("note") == []


@pytest.mark.parametrize("states", ((), ("open", "closed"), ("open", "failed"), ("missing",)))
async def test_a_log_that_is_not_read_is_not_waited_for(bench, states):
    for state in states:
        bench.log(state)
    bench.log(service="pusher")
    bench.listened("a")
    await bench.drain()
    assert bench.drained() == {}
    (note,) = bench.records("note")
    assert "no log of the backend is read" in note["text"]


async def test_users_who_come_and_go_are_told_of_at_once_and_forgotten(bench):
    bench.log()
    for number in range(MAX_USERS + 100):
        uid = f"u{number}"
        bench.listened(uid, event="connecting")
        bench.line("handler_started", uid)
        bench.listened(uid)
        bench.line("conversation_created", uid, f"c{number}")
        if number % 2:
            bench.line("client_disconnected", uid)
        bench.listened(uid, event="closed", by="client")
        bench.line("client_disconnected", uid)
        bench.line("client_disconnected", f"stranger {number}")
    watch = bench.watch
    assert not any((watch._owed, watch._seen, watch._handlers, watch._open))
    assert len(watch._conversations) == MAX_USERS and watch.conversation_of(uid) == f"c{number}"
    await bench.drain()
    rows = bench.records("drain")
    assert len(rows) == MAX_USERS + 100 and all(row["seen"] and row["waited_s"] == 0 for row in rows)


async def test_users_are_forgotten_where_no_log_is_read_and_those_who_never_got_in(bench):
    for number in range(MAX_USERS + 100):
        bench.listened(f"u{number}", event="connecting")
        if number % 3:
            bench.listened(f"u{number}")
            bench.listened(f"u{number}", event="closed", by="client")
    watch = bench.watch
    assert not any((watch._owed, watch._seen, watch._open)) and len(watch._handlers) <= MAX_USERS
    await bench.drain()
    assert bench.drained() == {} and len(bench.records("note")) == 1


async def test_users_whose_log_is_no_longer_read_are_not_said_to_be_missing(bench):
    bench.log()
    bench.listened("a")
    bench.log("closed")
    await bench.drain()
    assert bench.drained() == {} and len(bench.records("note")) == 1


async def test_a_user_who_comes_back_is_owed_the_line_of_the_new_session(bench):
    bench.log()
    bench.listened("a", event="connecting")
    bench.listened("a")
    bench.listened("a", event="closed", by="client")
    bench.listened("a", event="connecting")
    bench.journal.write("lifecycle", service="backend", event="handler_started", uid="a", session="NEW", n=1)
    bench.listened("a")
    bench.journal.write("lifecycle", service="backend", event="client_disconnected", uid="a", session="OLD", n=1)
    bench.listened("a", event="closed", by="client")
    assert bench.drained() == {}
    bench.journal.write("lifecycle", service="backend", event="client_disconnected", uid="a", session="NEW", n=1)
    assert bench.drained() == {"a": True}


async def test_a_session_that_the_server_ended_is_owed_nothing(bench):
    bench.log()
    bench.listened("a")
    bench.listened("a", event="closed", by="server")
    await bench.drain()
    assert bench.drained() == {}


def test_the_conversation_that_the_log_named_last(bench):
    assert bench.watch.conversation_of("a") is None
    bench.line("conversation_created", "a", "c1")
    bench.line("conversation_created", "b", "c2")
    bench.line("conversation_resumed", "a", "c3")
    bench.line("conversation_processed", "a", "c4")
    bench.line("conversation_created", "a", None)
    assert (bench.watch.conversation_of("a"), bench.watch.conversation_of("b")) == ("c3", "c2")


def test_a_closed_watch_follows_no_more(bench):
    watch = LogWatch(bench.journal, Drain())
    watch.close()
    bench.line("conversation_created", "a", "c1")
    assert watch.conversation_of("a") is None
