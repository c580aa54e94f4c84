"""What is done to a load by hand: the clock is the event loop's, and passes as quickly as nobody has anything to do."""

import asyncio
import selectors
from itertools import pairwise

import pytest

from e2e.engine import crowd
from e2e.engine.crowd import Counts, Crowd
from e2e.engine.load import Load
from e2e.record.journal import Journal, read_journal
from e2e.verdict.fold import read_facts
from e2e.verdict.judge import judge
from e2e.verdict.summary import summarise
from tests.engine.conftest import Records, eventually
from tests.engine.test_engine_crowd import closed_politely, loaded, plays_on


class _Hurry(selectors.DefaultSelector):
    """Instead of waiting for a timer, it makes it that late."""

    now = 0.0
    turn = None

    def select(self, timeout=None):
        if self.turn is not None:
            self.turn()
        assert timeout is not None, "everyone waits, and nobody will ever wake them"
        self.now += max(0.0, timeout)
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.hurry = _Hurry()
        super().__init__(self.hurry)

    def time(self) -> float:
        return self.hurry.now


class Stage:
    """Runs a load whose devices live for `lives` seconds; `hand(stage)` is who interferes.

    `began` and `ended` hold (seconds, device), `left` the devices that were ended before they were through.
    """

    def __init__(self, load: Load, hand, tmp_path, lives: float = 1000.0, seed: int = 0) -> None:
        self.began, self.ended, self.left = [], [], []
        self.lives = lives
        self.path = tmp_path / f"{len(list(tmp_path.iterdir()))}.jsonl"
        with asyncio.Runner(loop_factory=_Loop) as runner:
            loop = runner.get_loop()
            with Journal(self.path, loop.time) as journal:
                runner.run(self._run(load, hand, journal, seed))
            self.length = loop.time()
        self.records = Records(read_journal(self.path))

    async def _run(self, load, hand, journal, seed):
        self.loop = asyncio.get_running_loop()
        self.counts = Counts()
        self.crowd = Crowd(load, self._play, journal, self.loop.time, self.counts, seed)
        helper = asyncio.create_task(hand(self))
        await self.crowd.run()
        await helper

    async def _play(self, device: int) -> None:
        self.began.append((round(self.loop.time(), 1), device))
        try:
            await asyncio.sleep(self.lives)
        except asyncio.CancelledError:
            await asyncio.sleep(0.5)  # says good-bye
            self.left.append(device)
            raise
        finally:
            self.ended.append((round(self.loop.time(), 1), device))

    def at_work(self, t: float) -> int:
        return sum(at <= t for at, _ in self.began) - sum(at <= t for at, _ in self.ended)

    def controls(self) -> list[tuple[str, int]]:
        return [(record["what"], record["users"]) for record in self.records.of("control")]


def test_while_the_ramp_is_paused_nobody_begins_and_then_it_goes_on_where_it_was(tmp_path):
    async def hand(stage):
        await asyncio.sleep(3.5)
        assert stage.crowd.may_pause and not stage.crowd.paused
        stage.crowd.pause("key p")
        stage.crowd.pause("key p")
        await asyncio.sleep(10)
        assert stage.crowd.paused
        stage.crowd.resume("key p")

    stage = Stage(Load.users(10, ramp="10s"), hand, tmp_path, lives=30)
    assert [at for at, _ in stage.began] == [0, 1, 2, 3, 14, 15, 16, 17, 18, 19]
    assert [device for _, device in stage.began] == list(range(10))
    assert stage.controls() == [("pause", 4), ("resume", 4)]
    assert not stage.left and stage.length == pytest.approx(49, abs=0.1)


def test_a_pause_holds_a_soak_where_it_is_and_its_end_comes_as_much_later(tmp_path):
    async def hand(stage):
        await asyncio.sleep(20)
        stage.crowd.pause("key p")
        before = len(stage.began)
        await asyncio.sleep(100)
        assert len(stage.began) == before and not [at for at, _ in stage.ended if 21 < at < 120]
        stage.crowd.resume("key p")

    stage = Stage(Load.soak(20, duration="60s", churn="10s"), hand, tmp_path)
    assert len([at for at, _ in stage.began if at > 120]) > 20
    devices = [device for _, device in stage.began]
    assert len(set(devices)) == len(devices)
    assert stage.length == pytest.approx(160.5, abs=0.1)


def test_a_device_whose_script_ends_during_a_pause_is_followed_when_it_is_over(tmp_path):
    async def hand(stage):
        await asyncio.sleep(1)
        stage.crowd.pause("key p")
        await asyncio.sleep(20)
        stage.crowd.resume("key p")

    stage = Stage(Load.stages((0, 3), ("10s", 3)), hand, tmp_path, lives=5)
    assert [at for at, _ in stage.began] == [0, 0, 0, 21, 21, 21, 26, 26, 26]


def test_more_and_fewer_users(tmp_path):
    async def hand(stage):
        await asyncio.sleep(1)
        stage.crowd.add(2, "key +")
        await asyncio.sleep(1)
        stage.crowd.add(-3, "key -")
        await asyncio.sleep(1)
        stage.crowd.add(-99, "key -")
        stage.crowd.add(-1, "key -")
        stage.crowd.add(1, "key +")

    stage = Stage(Load.users(5), hand, tmp_path, lives=30)
    assert stage.began == [(0, n) for n in range(5)] + [(1, 5), (1, 6), (3, 7)]
    assert stage.left == [4, 5, 6, 1, 2, 3]  # the newest go, and one stays
    assert stage.controls() == [("users", 7), ("users", 4), ("users", 1), ("users", 2)]
    assert [r["change"] for r in stage.records.of("control")] == [2, -3, -3, 1]
    assert {r["why"] for r in stage.records.of("device")} == {"fewer users"}


def test_users_that_come_while_nobody_may_begin_wait_for_it(tmp_path):
    async def hand(stage):
        await asyncio.sleep(0.5)
        stage.crowd.pause("key p")
        stage.crowd.add(3, "key +")
        stage.crowd.add(-1, "key -")
        await asyncio.sleep(9.5)
        stage.crowd.resume("key p")

    stage = Stage(Load.users(2, ramp="2s"), hand, tmp_path, lives=3)
    assert [at for at, _ in stage.began] == [0, 10, 10, 10.5]


def test_what_is_added_to_a_soak_lives_as_the_others_and_no_number_comes_twice(tmp_path):
    async def hand(stage):
        await asyncio.sleep(10)
        stage.crowd.add(5, "key +")

    stage = Stage(Load.soak(10, duration="60s", churn="5s"), hand, tmp_path)
    assert stage.at_work(9.9) >= 10 and stage.at_work(59.9) >= 15
    devices = [device for _, device in stage.began]
    assert len(set(devices)) == len(devices) > 50


@pytest.mark.parametrize("paused", (False, True))
@pytest.mark.parametrize(
    "load",
    (
        Load.users(50, ramp="10s"),
        Load.soak(50, duration="1h", churn=None),
        Load.stages((0, 50), ("10s", 50), ("1h", 50)),
        Load.arrivals(5, "1h"),
    ),
    ids=lambda load: load.model,
)
def test_finishing_ends_each_device_politely_and_the_run_is_no_interrupted_one(tmp_path, load, paused):
    async def hand(stage):
        await asyncio.sleep(20.05)
        if paused:
            stage.crowd.pause("key p")
            await asyncio.sleep(5)
        stage.at_end = stage.counts.active
        stage.crowd.finish("key q")
        stage.crowd.finish("key q")
        stage.crowd.add(1, "key +")
        stage.crowd.pause("key p")
        stage.crowd.resume("key p")

    stage = Stage(load, hand, tmp_path)
    assert stage.crowd.finished and not stage.crowd.may_add and not stage.crowd.may_pause
    assert len(stage.left) == stage.at_end >= 50
    assert [r["why"] for r in stage.records.of("device")] == ["finished by hand"] * stage.at_end
    assert stage.controls()[-1] == ("finish", stage.at_end)
    assert stage.length < 27 and (stage.counts.planned, stage.counts.dropped) == (0, 0)


def test_finishing_does_not_wait_for_users_that_were_to_come(tmp_path):
    async def hand(stage):
        await asyncio.sleep(1.5)
        stage.crowd.pause("key p")
        stage.crowd.add(3, "key +")
        stage.crowd.finish("key q")

    stage = Stage(Load.users(5, ramp="10s"), hand, tmp_path)
    assert len(stage.began) == 1 and stage.length == pytest.approx(2, abs=0.1)


def test_many_at_once_are_a_herd_neither_when_they_begin_nor_when_they_end(tmp_path):
    turns = []

    async def hand(stage):
        await asyncio.sleep(1)
        stage.loop.hurry.turn = lambda: turns.append((stage.counts.started, stage.counts.active))
        stage.crowd.add(200, "key +")
        await asyncio.sleep(1)
        stage.crowd.finish("key q")

    stage = Stage(Load.users(1), hand, tmp_path)
    assert len(stage.left) == 201 and turns[0][0] < 20
    changes = [(abs(b[0] - a[0]), abs(b[1] - a[1])) for a, b in pairwise(turns)]
    assert max(max(change) for change in changes) == crowd.BATCH


def test_nothing_is_done_to_a_load_that_it_makes_no_sense_for(tmp_path):
    async def add(stage):
        await asyncio.sleep(1)
        assert not stage.crowd.may_add
        stage.crowd.add(2, "key +")

    stage = Stage(Load.arrivals(1, "4s"), add, tmp_path, lives=1)
    assert len(stage.began) == 4 and not stage.controls()

    async def pause(stage):
        await asyncio.sleep(1)
        assert not stage.crowd.may_pause and stage.crowd.may_add
        stage.crowd.pause("key p")

    stage = Stage(Load.users(2), pause, tmp_path, lives=3)
    assert not stage.controls()


async def test_a_run_that_is_finished_is_judged_and_says_who_ended_it(bench, omi):
    run = asyncio.create_task(bench.run(loaded(Load.users(3), plays_on), speed=1.0))
    await eventually(lambda: sum(n > 3 for n in omi.chunks.values()) == 3, "all devices stream")
    bench.running.crowd.finish("key q")
    records = await run
    assert records[-1]["reason"] == "finished" and closed_politely(records)
    facts = read_facts(iter(records))
    summary = summarise(facts, judge(facts))
    assert summary["ended"] == "finished" and summary["exit_code"] in (0, 4)
    assert not [check for check in summary["checks"] if check["status"] == "fail"]
    assert any("finished at" in note for note in summary["notes"])
    assert [record["by"] for record in summary["controls"]] == ["key q"]
    assert "finished by hand" in summary["sentence"]


async def test_more_users_than_the_machine_can_carry_are_not_begun(bench, omi, monkeypatch):
    monkeypatch.setattr("e2e.engine.runner.most_devices", lambda limits: 3)
    run = asyncio.create_task(bench.run(loaded(Load.users(1), plays_on), speed=1.0))
    await eventually(lambda: omi.chunks.get("dev"), "the device streams")
    bench.running.add_devices(50, "key +")
    await eventually(lambda: len(omi.chunks) == 3, "two more stream")
    assert set(omi.chunks) == {"dev", "dev-2", "dev-3"}
    bench.running.crowd.finish("key q")
    records = await run
    assert [r["change"] for r in records.of("control", what="users")] == [2]
