"""What a run waits for in the logs, through a real journal and a clock that only moves when told."""

import asyncio

import pytest

from e2e import Drain
from e2e.engine.watch import LogWatch
from e2e.record.journal import Journal, read_journal


class Bench:
    def __init__(self, path) -> None:
        self.now = 50.0
        self.journal = Journal(path / "journal.jsonl", lambda: self.now)
        self.watch = LogWatch(self.journal)

    def log(self, state="open", service="backend"):
        self.journal.write("log_source", service=service, source="file", state=state, where="x.log")

    def listened(self, *uids, kind="listen", event="open"):
        for uid in uids:
            self.journal.write("session", sid=f"s-{uid}", kind=kind, uid=uid, event=event)

    def line(self, event, uid, conversation=None):
        fields = {"session": None, "conversation": conversation, "detail": {}, "n": 1}
        self.journal.write("lifecycle", service="backend", event=event, uid=uid, **fields)

    def drain(self, drain=Drain()):  # noqa: B008 - immutable
        return asyncio.create_task(self.watch.drain(drain, lambda: self.now))

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


async def test_a_line_that_does_not_come_is_said_after_the_longest_wait(bench):
    bench.log()
    bench.listened("a", "b")
    waiting = bench.drain(Drain("handler_ended", 75.0, required=False))
    await asyncio.sleep(0)
    bench.now += 80.0
    bench.line("handler_ended", "a")  # wakes the drain, whose time is up
    await waiting
    rows = bench.records("drain")
    assert bench.drained() == {"a": True, "b": False}
    assert all(r["awaited"] == "handler_ended" and not r["required"] and r["waited_s"] == 80.0 for r in rows)


async def test_the_time_is_up_without_any_line_too(bench):
    bench.log()
    bench.listened("a")
    clock = asyncio.get_running_loop().time
    await bench.watch.drain(Drain(at_most=0.05), clock)
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


def test_the_conversation_that_the_log_named_last(bench):
    assert bench.watch.conversation_of("a") is None
    bench.line("conversation_created", "a", "c1")
    bench.line("conversation_created", "b", "c2")
    bench.line("conversation_resumed", "a", "c3")
    bench.line("conversation_processed", "a", "c4")
    bench.line("conversation_created", "a", None)
    assert (bench.watch.conversation_of("a"), bench.watch.conversation_of("b")) == ("c3", "c2")


def test_a_closed_watch_follows_no_more(bench):
    watch = LogWatch(bench.journal)
    watch.close()
    bench.line("conversation_created", "a", "c1")
    assert watch.conversation_of("a") is None
