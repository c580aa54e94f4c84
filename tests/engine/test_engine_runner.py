"""Whole runs against a small server: what happens is in the journal, and one failure stays one failure."""

import asyncio
import re
from pathlib import Path

import pytest

from e2e import Drain, Load, SessionError, expect, scenario, steps
from e2e.errors import UsageError
from e2e.observe.spec import ServiceSpec
from e2e.record.rundir import RunDirectory
from e2e.report.write import read_run
from tests.engine.conftest import KEY, eventually


@scenario(title="plays a few chunks", expect=[expect.connected(), expect.close_code(1000)])
async def few(device, chunks: int = 10):
    async with device.listen() as session:
        await session.ready()
        await session.play(chunks=chunks)
        await session.until(lambda: session.transcript, 5)
    await device.conversation(session)


def variant(function, **fields):
    return scenario(**{"title": "a variant", "drain": Drain(at_most=0.3)} | fields)(function)


def closes(records):
    """How each session ended that was ever open."""
    opened = {r["sid"] for r in records.of("session", event="open")}
    return {r["uid"]: (r["code"], r["by"]) for r in records.of("session", event="closed") if r["sid"] in opened}


def line_of(text: str) -> int:
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    return next(n for n, line in enumerate(lines, 1) if text in line)


async def test_a_run_leaves_its_phases_in_order_and_ends_complete(bench):
    whole = variant(few.function, before=(steps.endpoint_table, steps.refused_auth, steps.pusher_probe))
    records = await bench.run(whole)
    assert records[0]["type"] == "run" and records[-1]["type"] == "end"
    assert records[-1]["reason"] == "complete" and records[-1]["error"] is None
    names = ("boot", "services", "stream", "drain", "stop")
    assert records.phases() == [f"{name} {state}" for name in names for state in ("begin", "end")]
    assert [r["t"] for r in records.of("phase")] == sorted(r["t"] for r in records.of("phase"))


async def test_a_run_journals_what_the_services_were_asked_and_answered(bench, omi):
    whole = variant(few.function, before=(steps.endpoint_table, steps.refused_auth, steps.pusher_probe))
    records = await bench.run(whole)
    assert [(r["path"], r["status"]) for r in records.of("endpoint")] == [("/v1/health", 200), ("/nowhere", 404)]
    assert [r["count"] for r in records.of("routes")] == [1]
    assert [(r["attempt"], r["form"]) for r in records.of("auth_refused")] == [
        ("no credentials", "HTTP 403"),
        ("wrong token", "HTTP 403"),
    ]
    probe, stream = records.of("session", event="closed")
    assert (probe["kind"], probe["uid"], probe["code"]) == ("pusher", "dev-probe", 1000)
    assert (stream["kind"], stream["uid"], stream["code"], stream["by"]) == ("listen", "dev", 1000, "client")
    assert (stream["chunks_planned"], stream["chunks_sent"], stream["bytes_sent"]) == (10, 10, 32000)
    assert omi.chunks == {"pusher": 3, "dev": 10}
    assert [(r["conversation"], r["found"], r["text"]) for r in records.of("conversation")] == [
        ("c1", True, "good morning")
    ]
    assert [(r["uid"], r["seen"]) for r in records.of("drain")] == [("dev", True)]
    assert sum(r["n"] for r in records.of("sends")) == 10 + 3  # chunks of the device, frames of the probe


async def test_the_first_record_says_how_to_repeat_the_run(bench):
    records = await bench.run(few, users=2, chunks=3, seed=7, settings={"chunks": "4"}, command=("e2e", "run", "few"))
    opening = records[0]
    assert (opening["schema"], opening["scenario"], opening["command"]) == (1, "few", ["e2e", "run", "few"])
    assert opening["options"]["users"] == 2 and opening["options"]["pace"] == "max"
    assert opening["options"]["seed"] == 7 and opening["options"]["settings"] == {"chunks": "4"}
    assert opening["target"]["backend"] == bench.omi.url
    assert [e["check"] for e in opening["expectations"]] == ["connected", "close_code"]


async def test_one_device_fails_alone_while_the_others_go_on(bench, omi):
    omi.behaviour = {"dev-2": "refuse", "dev-3": "close", "dev-4": "vanish"}
    records = await bench.run(variant(few.function, load=Load.users(5)), chunks=200)
    failed = {r["uid"]: r["reason"] for r in records.of("session", event="failed")}
    assert failed == {"dev-2": "refused", "dev-3": "closed", "dev-4": "closed"}
    assert closes(records) == {
        "dev-1": (1000, "client"),
        "dev-3": (1011, "server"),
        "dev-4": (1006, "lost"),
        "dev-5": (1000, "client"),
    }
    assert omi.chunks["dev-1"] == omi.chunks["dev-5"] == 200
    assert records[-1]["reason"] == "complete"


async def test_a_session_that_never_gets_ready_is_a_failure_with_its_reason(bench, omi):
    omi.behaviour, bench.config["ready_timeout"] = {"dev": "mute"}, 0.2
    records = await bench.run(few)
    (failed,) = records.of("session", event="failed")
    assert failed["reason"] == "not_ready" and "0.2 s" in failed["error"]
    assert closes(records) == {"dev": (1000, "client")}
    assert not omi.chunks


async def test_a_script_that_raises_is_a_failed_check_with_file_and_line(bench):
    @scenario(title="divides by zero for one device", load=Load.users(2))
    async def broken(device):
        async with device.listen() as session:
            await session.ready()
            if device.index == 1:
                device.random.choice([])  # raises inside the library; the line of the script is what helps

    records = await bench.run(broken)
    (check,) = records.of("check")
    assert (check["name"], check["status"]) == ("script", "fail")
    assert check["detail"].startswith("IndexError: ")
    assert f"{__file__}:{line_of('device.random.choice([])')}" in check["detail"]
    assert closes(records) == {"dev-1": (1000, "client"), "dev-2": (1000, "client")}


async def test_a_script_that_exits_is_a_failed_check_too(bench):
    @scenario(title="leaves in its own way")
    async def leaves(device):
        raise SystemExit(0)

    records = await bench.run(leaves)
    assert [(c["name"], c["status"]) for c in records.of("check")] == [("script", "fail")]
    assert records[-1]["reason"] == "complete"


async def test_steps_before_the_load_fail_alone(bench):
    async def unable(target):
        raise SessionError("nobody there", "unreachable")

    async def wrong(target):
        raise ValueError("a defect of the step")

    records = await bench.run(variant(few.function, before=(unable, wrong, steps.endpoint_table)))
    assert ["ValueError: a defect of the step" in c["detail"] for c in records.of("check", name="script")] == [True]
    assert len(records.of("endpoint")) == 2
    assert closes(records) == {"dev": (1000, "client")}


async def test_a_misuse_by_the_script_ends_the_run_and_is_raised(bench, omi):
    @scenario(title="asks for what does not exist", load=Load.users(2))
    async def misuse(device):
        if device.index == 1:
            device.listen(codek="pcm16")
        async with device.listen() as session:
            await session.until(lambda: False, 60)

    with pytest.raises(UsageError, match=r"test_engine_runner\.py:\d+: .*'codek'; did you mean 'codec'"):
        await bench.run(misuse)
    records = bench.records()
    assert records[-1]["type"] == "end" and records[-1]["reason"] == "error" and "codek" in records[-1]["error"]
    await eventually(lambda: omi.open == 0, "all sessions closed")


async def test_devices_begin_spread_over_the_ramp(bench):
    records = await bench.run(variant(few.function, load=Load.users(3, ramp="600ms")))
    (began,) = [r["t"] for r in records.of("phase", phase="stream", state="begin")]
    first, second, third = [r["intended"] - began for r in records.of("session", event="connecting")]
    # An event loop's timer may be early by its resolution, never by more.
    assert first < second and second > 0.19 and third > 0.39


async def test_connections_are_opened_no_quicker_than_the_target_allows(bench):
    bench.config["connect_rate"] = 3.0
    records = await bench.run(variant(few.function, load=Load.users(5)))
    opened = sorted(r["t"] for r in records.of("session", event="open"))
    assert opened[3] - opened[0] > 0.9
    # A device that waits for its turn sees that as a slow handshake: it is not hidden.
    assert max(r["handshake_ms"] for r in records.of("session", event="open")) > 900


@pytest.mark.parametrize("speed", (1.0, None))
async def test_an_interrupted_run_closes_its_sessions_politely_and_says_so(bench, omi, speed):
    run = asyncio.create_task(bench.run(variant(few.function, load=Load.users(2)), chunks=100_000, speed=speed))
    await eventually(lambda: min(omi.chunks["dev-1"], omi.chunks["dev-2"]) > 3, "both devices stream")
    bench.running.interrupt()
    records = await run
    assert closes(records) == {"dev-1": (1000, "client"), "dev-2": (1000, "client")}
    assert records[-1]["type"] == "end" and records[-1]["reason"] == "interrupted"
    assert records.phases()[-2:] == ["stop begin", "stop end"]
    ends = records.of("stream", event="end")
    assert len(ends) == 2 and all(0 < r["sent"] < 100_000 for r in ends)
    summary = read_run(RunDirectory(bench.path))
    assert summary["exit_code"] == 130 and summary["counters"]["chunks_sent"] > 0


async def forever(target):
    await asyncio.Event().wait()


async def stuck_device(device):
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("phase", "stuck"),
    (
        ("services", variant(few.function, before=(forever,))),
        ("stream", variant(stuck_device)),
        ("drain", variant(few.function, drain=Drain("handler_ended", 60.0))),
    ),
)
async def test_a_run_can_be_interrupted_in_each_of_its_phases(bench, phase, stuck):
    run = asyncio.create_task(bench.run(stuck))
    await eventually(lambda: bench.path and bench.records().of("phase", phase=phase), phase)
    bench.running.interrupt()
    records = await run
    assert records[-1]["reason"] == "interrupted"
    assert records.phases()[-3:] == [f"{phase} end", "stop begin", "stop end"]


async def test_credentials_are_nowhere_in_the_run_directory(bench, omi):
    """The small Omi logs the Authorization header and sends the key back in a message."""
    records = await bench.run(variant(few.function, before=(steps.endpoint_table, steps.refused_auth)))
    assert KEY in omi.log.read_text()
    written = [path for path in bench.path.rglob("*") if path.is_file()]
    assert {path.name for path in written} >= {"journal.jsonl", "backend.log"}
    assert [path.name for path in written if KEY.encode() in path.read_bytes()] == []
    assert "[redacted]" in str(records.of("message", kind="service_status"))


async def test_nothing_is_streamed_when_a_service_is_not_there(bench, unused_tcp_port):
    bench.config["backend"] = ServiceSpec("backend", f"http://127.0.0.1:{unused_tcp_port}", health="/v1/health")
    records = await bench.run(few)
    assert records.phases() == ["boot begin", "boot end", "stop begin", "stop end"]
    assert records[-1]["reason"] == "error" and "backend" in records[-1]["error"]
    assert not records.of("session")
    assert read_run(RunDirectory(bench.path))["exit_code"] == 3


async def test_a_scenario_without_load_has_no_stream(bench):
    records = await bench.run(variant(few.function, load=Load.none(), before=(steps.endpoint_table,)))
    assert records.phases() == ["boot begin", "boot end", "services begin", "services end", "stop begin", "stop end"]


async def test_checks_and_notes_of_a_script_reach_the_verdict(bench):
    @scenario(title="has an opinion", expect=[])
    async def opinion(device):
        device.check("greeting", False, "it did not say hello")
        device.note("seen on a rainy day")

    await bench.run(opinion)
    summary = read_run(RunDirectory(bench.path))
    assert [(c["name"], c["status"]) for c in summary["checks"]] == [("greeting", "fail")]
    assert summary["exit_code"] == 1
    assert re.search("rainy day", str(summary))


async def test_parameters_of_a_session_and_who_wins(bench, omi):
    bench.config["listen"] = {"language": "fr", "source": "omi"}

    @scenario(title="asks for a codec")
    async def asks(device):
        async with device.listen(codec="linear16", language="de") as session:
            await session.ready()

    await bench.run(asks)
    await bench.run(asks, codec="pcm16", settings={"listen.language": "it", "listen.sample_rate": "8000"})
    first, second = omi.queries
    assert (first["codec"], first["language"], first["source"]) == (["linear16"], ["de"], ["omi"])
    assert (second["codec"], second["language"], second["sample_rate"]) == (["pcm16"], ["it"], ["8000"])


async def test_devices_draw_the_same_random_numbers_with_the_same_seed(bench):
    drawn: list[tuple[int, float]] = []

    @scenario(title="draws", load=Load.users(2))
    async def draws(device):
        drawn.append((device.index, device.random.random()))

    for seed in (1, 1, 2):
        await bench.run(draws, seed=seed)
    first, second, third = sorted(drawn[:2]), sorted(drawn[2:4]), sorted(drawn[4:])
    assert first == second != third
    assert first[0][1] != first[1][1]
