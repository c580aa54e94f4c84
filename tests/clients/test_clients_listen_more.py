"""What a listen session can do beside audio: a browser's first message, suggestions, speakers, photos, waiting."""

import asyncio
import contextlib
import json
import time

import pytest

from e2e.clients import listen as listen_module
from e2e.clients.listen import ListenSession
from e2e.clients.photo import sample_image
from e2e.errors import SessionError
from e2e.protocol.listen import ListenParams
from tests.clients.conftest import websocket_server
from tests.clients.test_clients_sessions import greet, listening, segment


async def test_a_browser_says_its_token_first_and_the_journal_never(bench):
    first = []

    async def backend(socket):
        first.append(
            (socket.request.path, socket.request.headers.get("Authorization"), json.loads(await socket.recv()))
        )
        await socket.send('{"type":"auth_response","success":true}')
        await greet(socket)
        await socket.wait_closed()

    async with websocket_server(backend) as origin:
        session = ListenSession(bench.link, "s1", origin, ListenParams(), {}, uid="u", web_token="very-secret-token")
        async with session:
            await session.ready()
    ((path, header, message),) = first
    assert path.startswith("/v4/web/listen?language=en") and header is None
    assert message == {"type": "auth", "token": "very-secret-token"}
    bench.journal.flush()
    assert "very-secret-token" not in bench.journal.path.read_text()
    assert [r["data"] for r in bench.records("sent", kind="auth")] == [None]


async def test_a_browser_that_is_refused_is_told_why(bench):
    async def backend(socket):
        await socket.recv()
        await socket.close(1008, "Auth error")

    async with websocket_server(backend) as origin:
        with pytest.raises(SessionError, match="1008 'Auth error'"):
            async with ListenSession(bench.link, "s1", origin, ListenParams(), {}, uid="u", web_token="x") as session:
                await session.ready()


async def test_suggestions_speakers_and_photos_leave_as_the_protocol_says(bench):
    got = []

    async def backend(socket):
        await greet(socket)
        async for text in socket:
            message = json.loads(text)
            got.append(message)
            if message["type"] == "image_chunk" and message["index"] == message["total"] - 1:
                temp = {"type": "photo_processing", "temp_id": message["id"], "photo_id": "p1"}
                await socket.send(json.dumps(temp))
                await socket.send(
                    '{"type":"photo_described","photo_id":"p9","description":"another","discarded":false}'
                )
                await socket.send('{"type":"photo_described","photo_id":"p1","description":"a fade","discarded":false}')

    async with websocket_server(backend) as origin, listening(bench, origin) as session:
        await session.ready()
        ids = session.suggest([{"text": "a", "start": 0, "end": 1}, {"id": "mine", "text": "b", "start": 1, "end": 2}])
        session.assign_speaker(ids, "p", name="Ada", speaker_id=2)
        sent = session.send_photo(sample_image(), chunk_chars=50)
        photo = await session.photo_described(sent, timeout=5)
        assert await session.photo_described(session.send_photo(b"x", 8), timeout=5) is not None
    assert (photo.photo_id, photo.description, photo.discarded) == ("p1", "a fade", False)
    suggested, assigned, *pieces = got
    assert [s["id"] for s in suggested["segments"]] == ids and ids[1] == "mine"
    assert assigned["segment_ids"] == ids and assigned["person_name"] == "Ada" and assigned["speaker_id"] == 2
    assert {p["type"] for p in pieces} == {"image_chunk"}
    (record, _) = bench.records("sent", kind="photo")
    assert record["data"]["chunks"] == len(pieces) - 1 and record["data"]["bytes"] == len(sample_image())
    assert [r["kind"] for r in bench.records("sent")][:2] == ["suggested_transcript", "speaker_assigned"]


def told(kind, id="c1"):
    return json.dumps({"type": kind, "memory": {"id": id, "status": "completed"}, "messages": []})


async def test_waiting_answers_pings_until_the_memory_is_created(bench):
    keep_alives = []

    async def backend(socket):
        await greet(socket)
        await socket.send(segment("hello"))
        while not keep_alives:
            await socket.send("ping")
            with contextlib.suppress(TimeoutError):
                keep_alives.append(await asyncio.wait_for(socket.recv(), 0.2))
        await socket.send(told("memory_processing_started"))
        await asyncio.sleep(0.1)
        await socket.send(told("memory_created"))
        await socket.wait_closed()

    async with websocket_server(backend) as origin, listening(bench, origin) as session:
        await session.ready()
        await session.until(lambda: session.segments, 5)
        assert not session.conversation_is_processed
        assert await session.processed() == "c1"
        assert session.conversation_is_processed
    assert keep_alives == [b"\x8a\x00"]
    (wait,) = bench.records("wait")
    assert wait["seen"] and wait["heard"] and wait["awaited"] == "memory_created"
    assert wait["at_most_s"] == 180.0  # two minutes, and a margin


async def test_waiting_is_bounded_and_nothing_is_waited_for_where_nothing_was_said(bench, monkeypatch):
    monkeypatch.setattr(listen_module, "LEAST_MARGIN_SECONDS", 0.1)
    object.__setattr__(bench.link, "timers", 0.001)
    spoken = asyncio.Event()

    async def backend(socket):
        await greet(socket)
        await spoken.wait()
        await socket.send(segment("hello"))
        await socket.wait_closed()

    async with websocket_server(backend) as origin, listening(bench, origin) as session:
        await session.ready()
        assert await session.processed() is None
        spoken.set()
        await session.until(lambda: session.segments, 5)
        began = time.monotonic()
        assert await session.processed() is None
        assert time.monotonic() - began < 5
    silent, unseen = bench.records("wait")
    assert not silent["heard"] and silent["waited_s"] < 0.1
    assert unseen["heard"] and not unseen["seen"]


async def test_a_session_of_a_run_that_waits_does_so_as_it_ends(bench):
    object.__setattr__(bench.link, "wait_conversation", True)

    async def backend(socket):
        await greet(socket)
        await socket.send(segment("hello"))
        await asyncio.sleep(0.2)
        await socket.send(told("memory_processing_started"))
        await socket.send(told("memory_created"))
        await socket.wait_closed()

    async with websocket_server(backend) as origin, listening(bench, origin) as session:
        await session.ready()
        await session.until(lambda: session.segments, 5)
    assert session.memory_id == "c1"
    assert bench.records("session", event="closed")[0]["code"] == 1000


async def test_a_close_while_waiting_fails_the_session(bench):
    async def backend(socket):
        await greet(socket)
        await socket.send(segment("hello"))
        await socket.close(1011, "gone")

    async with websocket_server(backend) as origin:
        with pytest.raises(SessionError, match="1011 'gone'"):
            async with listening(bench, origin) as session:
                await session.ready()
                await session.until(lambda: session.segments, 5)
                await session.processed()
    assert bench.records("wait")[0]["seen"] is False
