"""The pusher process by itself: its frames, its one answer, and what it does with what it cannot read."""

import struct
import time

import pytest
import websockets

from e2e.protocol import pusher as frames
from e2e.standin import models
from e2e.standin.store import Store
from tests.standin.conftest import apoll


def test_health(standin):
    import httpx

    assert httpx.get(standin.plan["pusher"].url + "/health").json() == {"status": "healthy"}


async def test_a_conversation_is_processed_and_answered(standin, uid):
    store = Store(standin.settings.db)
    document = models.stub("en", "omi", time.time())
    store.create(uid, document)
    store.put_segments(document["id"], [models.segment("s", "once upon a time", 0, 1, "test")])
    async with standin.trigger(uid) as socket:
        for frame in (
            frames.conversation(document["id"]),
            frames.audio(time.time(), bytes(32000)),
            frames.transcript([], document["id"]),
            frames.keep_alive(),
            frames.speaker_sample("p", document["id"], []),
            struct.pack("<I", 999) + b"never heard of",
            frames.process_conversation(document["id"]),
            frames.process_conversation("unknown"),
        ):
            await socket.send(frame)
        first, second = frames.decode(await socket.recv()), frames.decode(await socket.recv())
    assert (first.conversation_id, first.success, first.error) == (document["id"], True, None)
    assert (second.conversation_id, second.success, second.error) == ("unknown", False, "conversation_not_found")
    assert store.get(document["id"])["structured"]["title"] == "Once upon a time"
    assert store.get(document["id"])["status"] == "completed"
    store.close()
    await apoll(lambda: "Flushed final private cloud buffer: 32000 bytes" in standin.log("pusher"), "the last flush")


@pytest.mark.parametrize("frame", [b"\x65", "text", struct.pack("<I", 104) + b"no json", struct.pack("<I", 101) + b"x"])
async def test_a_broken_frame_is_logged_and_closed_later(standin, uid, frame):
    before = standin.log("pusher").count("ERROR:routers.pusher:Could not process audio: error ")
    async with standin.trigger(uid) as socket:
        await socket.send(frame)
        with pytest.raises(websockets.ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1011
    assert standin.log("pusher").count("ERROR:routers.pusher:Could not process audio: error ") == before + 1


async def test_an_empty_uid_is_accepted_and_dropped(standin):
    async with standin.trigger("") as socket:
        with pytest.raises(websockets.ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1006


async def test_a_frame_that_is_too_large_is_1009(standin, uid):
    async with standin.trigger(uid) as socket:
        with pytest.raises(websockets.ConnectionClosed):
            await socket.send(bytes((1 << 24) + 1))
            await socket.recv()
        assert socket.close_code == 1009


async def test_a_burst_reaches_the_pusher_in_pieces_that_it_takes(standin, uid):
    seconds = 9 * 60 + 50  # more than one frame may hold, and not whole minutes: the rest is what the log names
    async with standin.listen(uid, "sample_rate=16000&codec=pcm16&custom_stt=disabled") as client:
        await client.ready()
        for _ in range(seconds // 10):
            await client.socket.send(bytes(320_000))
        line = f"Flushed final private cloud buffer: {50 * 32_000} bytes"
    await apoll(lambda: line in standin.log("pusher"), line)
    assert not any("Connection closed" in one for one in standin.lines("backend", uid))
