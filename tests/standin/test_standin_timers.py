"""What happens by itself: conversations that are over, idle clients, a pusher that is away, a shutdown."""

import psutil
import pytest

from tests.standin.conftest import Rig, apoll


@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """Fifty times quicker than real."""
    rig = Rig(tmp_path_factory.mktemp("hasty"), recogniser="vad", timers=0.02).start()
    yield rig
    rig.stop()


async def test_a_silent_conversation_is_processed_and_a_new_one_begins(hasty, uid, babble):
    async with hasty.listen(uid, "sample_rate=16000&codec=pcm16&conversation_timeout=1") as client:
        await client.play(babble)
        await apoll(lambda: client.updates, "a transcript")
        for _ in range(200):
            await client.socket.send(b"\x8a\x00")
            if client.of("memory_created"):
                break
            await client.quiet(0.1)
        kinds = [m["type"] for m in client.messages if isinstance(m, dict)]
        assert kinds.index("memory_processing_started") < kinds.index("memory_created")
        (created,) = [m["memory"] for m in client.of("memory_created")]
        await apoll(lambda: len(hasty.http("GET", "/v1/conversations", uid).json()) == 2, "the next stub")
    assert created["status"] == "completed"
    words = " ".join(item["text"] for item in created["transcript_segments"])
    assert created["structured"]["title"] and words.startswith(created["structured"]["title"].lower())
    assert f"Conversation {created['id']} timeout reached (120s). Processing... {uid}" in hasty.log("backend")
    assert f"Sent process_conversation request to pusher: {created['id']}" in hasty.log("backend")
    assert f"Conversation processed by pusher: {created['id']}" in hasty.log("backend")
    assert f"Pusher received process_conversation request: {created['id']} {uid}" in hasty.log("pusher")
    integrations = hasty.http("GET", "/v1/integrations/conversations", uid).json()["conversations"]
    assert [item["id"] for item in integrations] == [created["id"]]
    async with hasty.listen(uid) as client:
        await client.ready()
        assert client.of("last_memory") == [{"type": "last_memory", "memory_id": created["id"]}]


async def test_a_client_that_says_nothing_is_closed(hasty, uid):
    async with hasty.listen(uid) as client:
        await client.ready()
        assert (await client.closed())[0] == 1001
    assert f"Session timeout due to inactivity (90s) {uid}" in hasty.log("backend")
    assert "Client disconnected" not in "".join(hasty.lines("backend", uid))


@pytest.fixture
def alone(start_standin):
    return start_standin().start("backend")


async def test_without_a_pusher_no_session_gets_ready(alone, uid):
    async with alone.listen(uid) as client:
        assert await client.closed() == (1011, "Pusher connection failed")
        assert "ready" not in client.statuses
        assert "stt_initiating" in client.statuses
    attempts = [line for line in alone.lines("backend", uid) if "Failed to connect to pusher" in line]
    assert len(attempts) == 5


async def test_a_pusher_that_dies_is_not_noticed_by_the_client(start_standin, uid, babble):
    rig = start_standin().start()
    async with rig.listen(uid) as client:
        await client.ready()
        rig.processes["pusher"].kill()
        await apoll(lambda: "Pusher transcripts Connection closed" in rig.log("backend"), "the loss in the log")
        await client.play(babble)
        await apoll(lambda: client.updates, "a transcript without a pusher")
        rig.processes["pusher"].wait()
        rig.start("pusher")
        await apoll(lambda: rig.log("pusher").count(f"_websocket_util_trigger {uid}") == 2, "the reconnect")
    assert client.socket.close_code == 1000
    assert rig.log("pusher").count("Pusher received conversation_id") == 1


async def test_a_shutdown_closes_1012(start_standin, uid):
    rig = start_standin().start()
    async with rig.listen(uid) as client:
        await client.ready()
        rig.processes["backend"].terminate()
        assert (await client.closed())[0] == 1012
    rig.processes["backend"].wait(10)
    assert "ERROR" not in rig.log("backend") and "Traceback" not in rig.log("backend")


async def test_decoders_end_with_a_backend_that_is_killed(start_standin):
    rig = start_standin(recogniser="sphinx").start("backend")
    decoders = psutil.Process(rig.processes["backend"].pid).children()
    assert decoders
    rig.processes["backend"].kill()
    await apoll(lambda: not any(_runs(one) for one in decoders), "the end of the decoders")


def _runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
