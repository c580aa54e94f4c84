"""Each planted fault shows as it would for real."""

from tests.standin.conftest import apoll


def test_a_broken_import_kills_the_backend_at_boot(start_standin):
    rig = start_standin(faults=("import=boot",)).start("backend", wait=False)
    assert rig.processes["backend"].wait(20) != 0
    log = rig.log("backend")
    assert "Traceback (most recent call last):" in log
    assert "ImportError: cannot import name 'Geolocation' from 'e2e.standin.models' (" in log


async def test_never_ready(start_standin, uid):
    rig = start_standin(faults=("session=never-ready",)).start()
    async with rig.listen(uid) as client:
        await client.play(bytes(10 * 3200))
        await apoll(lambda: client.messages.count("ping") > 3, "heartbeats")
        assert client.statuses[-1] == "stt_initiating"


async def test_closed_in_mid_stream(start_standin, uid):
    rig = start_standin(faults=("session=close-1011",)).start()
    async with rig.listen(uid) as client:
        await client.ready()
        await client.play(bytes(31 * 3200))
        assert await client.closed() == (1011, "planted by session=close-1011")


async def test_vanished_in_mid_stream(start_standin, uid):
    rig = start_standin(faults=("session=vanish",)).start()
    async with rig.listen(uid) as client:
        await client.ready()
        await client.play(bytes(31 * 3200))
        assert (await client.closed())[0] == 1006


async def test_a_silent_pusher(start_standin, uid, babble):
    rig = start_standin(faults=("pusher=silent",), timers=0.02).start()
    async with rig.listen(uid) as client:
        await client.play(babble)
        await apoll(lambda: client.updates, "a transcript")
        for _ in range(100):
            await client.socket.send(b"\x8a\x00")
            if client.of("memory_processing_started"):
                break
            await client.quiet(0.1)
        await client.quiet(0.5)
        assert client.of("memory_processing_started") and not client.of("memory_created")


async def test_an_import_that_fails_while_streaming_is_one_line_or_none(start_standin, uid):
    for fault, said in (("import=stream", 1), ("import=swallowed", 0)):
        rig = start_standin(faults=(fault,)).start()
        async with rig.listen(f"{uid}-{said}") as client:
            await client.ready()
            await client.play(bytes(10 * 3200))
            await client.quiet(0.5)
        assert rig.log("backend").count("cannot import name") == said
        assert "Traceback" not in rig.log("backend")


def test_two_modules_that_import_each_other_kill_the_backend(start_standin):
    rig = start_standin(faults=("import=circular",)).start("backend", wait=False)
    assert rig.processes["backend"].wait(20) != 0
    assert "from partially initialized module 'e2e.standin.circle' (most likely due to a circular" in rig.log("backend")
