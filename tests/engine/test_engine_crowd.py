"""Loads at work against a small server: devices begin, end politely, begin again, or find no room."""

import asyncio
import time
from itertools import pairwise

import pytest

from e2e import Drain, Load, scenario
from e2e.engine import crowd
from e2e.engine.crowd import Counts
from e2e.engine.gate import Gate
from e2e.errors import ConfigError
from e2e.record.journal import Journal
from tests.engine.conftest import eventually


async def plays(device, chunks: int = 20):
    async with device.listen() as session:
        await session.ready()
        await session.play(chunks=chunks)


async def plays_on(device):
    async with device.listen() as session:
        await session.ready()
        await session.play(chunks=100_000)


def loaded(load: Load, function=plays):
    return scenario(title="a load", load=load, drain=Drain(at_most=0.3))(function)


def uids(records, **fields) -> list[str]:
    return [r["uid"] for r in records.of("session", **fields)]


def closed_politely(records) -> bool:
    """Whether every session that got as far as `ready` was closed by its device, as it should be."""
    ready = {r["sid"] for r in records.of("session", event="ready")}
    ends = [r for r in records.of("session", event="closed") if r["sid"] in ready]
    return bool(ends) and {(r["code"], r["by"]) for r in ends} == {(1000, "client")}


@pytest.fixture(autouse=True)
def quick_lives(monkeypatch):
    monkeypatch.setattr(crowd, "AGAIN_SECONDS", 0.1)


async def test_while_a_stage_lasts_a_device_that_has_ended_is_followed_by_a_new_one(bench, omi):
    records = await bench.run(loaded(Load.stages((0, 2), ("1500ms", 2))))
    played = uids(records, event="closed")
    # Lives of place 0 are the users 1, 3, 5 ..., of place 1 the users 2, 4, 6 ...
    assert {"dev-1", "dev-2", "dev-3", "dev-4"} <= set(played) and len(set(played)) == len(played)
    assert omi.most_open <= 4  # two at work, and two that say good-bye
    assert closed_politely(records)
    assert records[-1]["reason"] == "complete"


async def test_when_the_target_falls_the_newest_devices_end_politely(bench, omi):
    records = await bench.run(loaded(Load.stages((0, 3), ("500ms", 3), ("300ms", 0)), plays_on), speed=1.0)
    assert closed_politely(records)
    assert [(r["device"], r["event"], r["why"]) for r in records.of("device")] == [
        (2, "ended", "stage"),
        (1, "ended", "stage"),
        (0, "ended", "load over"),
    ]
    assert not records.of("session", event="failed") and not records.of("check")
    ends = {r["uid"]: r["t"] for r in records.of("session", event="closed")}
    assert ends["dev-3"] < ends["dev-2"] < ends["dev-1"]


async def test_a_soak_replaces_each_device_when_its_life_is_over(bench):
    records = await bench.run(loaded(Load.soak(2, duration="1500ms", churn="200ms"), plays_on), speed=1.0)
    whys = [r["why"] for r in records.of("device")]
    assert whys.count("life over") >= 4 and set(whys) == {"life over", "load over"}
    assert closed_politely(records)
    began = [r["device"] for r in records.of("session", event="connecting")]
    assert len(set(began)) == len(began) > 4


async def test_arrivals_that_find_no_room_are_dropped_and_counted(bench, omi):
    async def stays(device):
        async with device.listen() as session:
            await session.ready()
            await device.sleep(2.5)

    records = await bench.run(loaded(Load.arrivals(20, "1200ms", at_most=3), stays))
    last = records.of("arrivals")[-1]
    assert last["started"] + last["dropped"] == 24
    assert last["started"] == 3 == omi.most_open
    assert [r["dropped"] for r in records.of("arrivals")] == sorted(r["dropped"] for r in records.of("arrivals"))
    assert closed_politely(records)
    assert not records.of("device")  # each ended by itself
    (first, *_) = [r for r in records.of("generator") if r["planned"]]
    assert first["planned"] == first["active"] == 3


async def test_arrivals_do_not_wait_for_those_who_are_at_work(bench, omi):
    records = await bench.run(loaded(Load.arrivals(20, "500ms")), chunks=300)
    last = records.of("arrivals")[-1]
    assert (last["started"], last["dropped"]) == (10, 0)
    assert len(set(uids(records, event="open"))) == 10
    assert sum(omi.chunks.values()) == 3000


async def test_a_run_with_the_same_seed_makes_the_same_choices(bench):
    async def chooses(device):
        await device.think("30ms", "30ms")
        device.note(f"{device.index} chose {device.random.random()}")

    load = Load.arrivals(100, "200ms", jitter=True)

    async def choices(seed: int) -> set[str]:
        return {
            r["text"] for r in (await bench.run(loaded(load, chooses), seed=seed)).of("note") if "chose" in r["text"]
        }

    first, second, other = [await choices(seed) for seed in (7, 7, 8)]
    assert first == second and len(first) > 5
    assert not first & other


async def test_devices_that_fail_at_once_disturb_no_others_and_end_in_no_storm(bench, omi):
    omi.behaviour = {f"dev-{n}": "refuse" for n in range(2, 200, 2)}  # all lives of the second place
    records = await bench.run(loaded(Load.stages((0, 2), ("1s", 2))), chunks=50)
    refused = uids(records, event="failed")
    assert refused and set(refused) <= set(omi.behaviour)
    assert len(refused) <= 11  # one every tenth of a second
    assert not set(uids(records, event="open")) & set(omi.behaviour)
    assert closed_politely(records)


async def test_an_interrupted_load_ends_all_devices_politely_and_begins_no_more(bench, omi):
    run = asyncio.create_task(bench.run(loaded(Load.soak(5, duration="1h", churn="1s"), plays_on), speed=1.0))
    await eventually(lambda: len(omi.chunks) >= 5, "all devices stream")
    bench.running.interrupt()
    records = await run
    assert records[-1]["reason"] == "interrupted" and closed_politely(records)
    assert not omi.open


async def test_a_script_that_cannot_be_right_ends_the_whole_load(bench):
    async def asks_for_nonsense(device):
        if device.index == 1:
            raise ConfigError("no such thing")
        await device.sleep(60)

    began = time.monotonic()
    with pytest.raises(ConfigError, match="no such thing"):
        await bench.run(loaded(Load.soak(2, duration="60s"), asks_for_nonsense))
    assert time.monotonic() - began < 30


async def test_devices_that_never_begin_to_stream_end_with_the_load(bench, omi):
    omi.behaviour = {"dev-1": "mute"}
    records = await bench.run(loaded(Load.stages((0, 1), ("300ms", 1))))
    (end,) = records.of("session", event="closed")
    assert records.of("device", why="load over") and (end["code"], end["by"]) == (1000, "client")


async def test_a_thousand_begin_at_once_and_the_loop_goes_on():
    begun = []

    async def play(number: int) -> None:
        begun.append(number)
        await asyncio.sleep(0.2)

    turns = []

    async def someone_else() -> None:
        while True:
            turns.append(len(begun))
            await asyncio.sleep(0)

    other = asyncio.create_task(someone_else())
    counts = crowd.Counts()
    await crowd.Crowd(Load.users(1000), play, None, time.monotonic, counts).run()
    other.cancel()
    assert begun == list(range(1000)) and (counts.started, counts.planned, counts.active) == (1000, 0, 0)
    assert max(b - a for a, b in pairwise(turns)) <= 2 * crowd.BATCH


async def test_a_gate_lets_in_at_its_rate_in_the_order_of_coming():
    gate, passed = Gate(200), []

    async def enter(number: int) -> None:
        async with gate:
            passed.append((time.monotonic(), number))

    began = time.monotonic()
    await asyncio.gather(*(enter(n) for n in range(60)))
    assert [n for _, n in passed] == list(range(60))
    assert passed[-1][0] - began > 0.25  # 60 at 200 a second
    # Not all at once: a herd is spread.
    assert sum(at - began < 0.1 for at, _ in passed) < 30


async def test_a_gate_is_not_blocked_by_one_who_gives_up():
    gate = Gate(20)
    waiting = [asyncio.create_task(gate.__aenter__()) for _ in range(5)]
    await asyncio.sleep(0.01)
    waiting[1].cancel()
    waiting[3].cancel()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [isinstance(r, asyncio.CancelledError) for r in results] == [False, True, False, True, False]


async def test_a_device_that_says_good_bye_is_not_cut_short_when_the_run_is_interrupted(tmp_path):
    farewells = []

    async def play(device: int) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.2)
            farewells.append(device)

    with Journal(tmp_path / "journal.jsonl", time.monotonic) as journal:
        counts = Counts()
        load = Load.stages((0, 1), ("50ms", 1), ("10ms", 0), ("60s", 0))
        running = asyncio.create_task(crowd.Crowd(load, play, journal, time.monotonic, counts).run())
        await eventually(lambda: counts.started == 1 and counts.active == 0, "the device leaves")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert len(farewells) == 1
