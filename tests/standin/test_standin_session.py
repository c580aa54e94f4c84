"""A listen session from its first frame to its last log line."""

import json

from websockets.asyncio.client import connect

from tests.standin.conftest import QUERY, apoll

STEPS = ["initiating", "in_progress_conversations_processing", "stt_initiating", "ready"]


async def test_the_start_comes_in_order(standin, uid):
    async with standin.listen(uid) as client:
        await client.ready()
        assert client.messages[0] == "ping"
        assert client.statuses == STEPS
        assert not client.of("last_memory")
        await apoll(lambda: client.messages.count("ping") > 3, "heartbeats")


async def test_segments_grow_under_stable_ids_and_are_kept(standin, uid, speak):
    async with standin.listen(uid) as client:
        # Slowly: heard within one flush, a segment would come once and have nothing to grow to.
        spoken = speak("The children walked along the river, and then they sat down under a tree to eat.")
        await client.play(spoken, pause=0.06)
        await apoll(lambda: client.updates, "a transcript")
        await client.quiet()
        updates, segments = client.updates, client.segments
    assert len(updates) > len(segments)
    for item in updates:
        assert item["start"] < item["end"]
        assert (item["speaker"], item["speaker_id"], item["is_user"], item["person_id"]) == (
            "SPEAKER_00",
            0,
            False,
            None,
        )
    (found,) = standin.http("GET", "/v1/conversations?limit=5", uid).json()
    assert found["status"] == "in_progress"
    assert found["transcript_segments"] == list(segments.values())
    assert standin.http("GET", f"/v1/conversations/{found['id']}", uid).json() == found
    assert standin.http("GET", f"/v1/conversations/{found['id']}", "someone else").status_code == 404
    search = standin.http("POST", "/v1/conversations/search", uid, json={"query": "RIVER"}).json()
    assert [item["id"] for item in search["items"]] == [found["id"]]
    assert not standin.http("POST", "/v1/conversations/search", uid, json={"query": "person_id"}).json()["items"]


async def test_both_logs_tell_the_session_in_order(standin, uid, speak):
    async with standin.listen(uid) as client:
        await client.play(speak("We would like to have some bread and butter."))
        await apoll(lambda: f"trigger_realtime_integrations {uid}" in standin.log("backend"), "integrations")
        await apoll(lambda: any("finalize" in line for line in standin.lines("backend", uid)), "finalize")
    await apoll(lambda: f"_listen ended {uid}" in standin.log("backend"), "the handler's end")
    log = standin.log("backend")
    expected = [
        f"INFO:routers.transcribe:_listen {uid}",
        f'- "WebSocket /v4/listen?{QUERY}" [accepted]',
        f"INFO:routers.transcribe:_stream_handler {uid} ",
        "INFO:routers.transcribe:Created new stub conversation: ",
        "INFO:routers.transcribe:Starting conversation lifecycle manager (timeout: 120s) ",
        "INFO:routers.transcribe:Speaker ID: loaded 0 person embeddings ",
        f"INFO:routers.transcribe:Client disconnected: code=1000 reason=normal_closure {uid} ",
        f"INFO:routers.transcribe:_stream_handler ended {uid} ",
        f"INFO:routers.transcribe:_listen ended {uid}",
    ]
    at = 0
    for text in expected:
        at = log.find(text, at)
        assert at >= 0, text
    assert f"INFO:utils.app_integrations:trigger_realtime_integrations {uid}" in log
    assert "INFO:routers.transcribe:finalize_processing_conversations len(processing): 0 " + uid in log
    assert standin.settings.admin_key not in log
    await apoll(lambda: "Flushed final private cloud buffer: " in standin.log("pusher"), "the pusher's last flush")
    pusher = standin.log("pusher")
    assert f"INFO:routers.pusher:_websocket_util_trigger {uid}" in pusher
    assert f'"WebSocket /v1/trigger/listen?uid={uid}&sample_rate=16000" [accepted]' in pusher
    assert "INFO:routers.pusher:Pusher received conversation_id: " in pusher
    assert "INFO:routers.pusher:WebSocket disconnected" in pusher


async def test_the_same_user_resumes_a_conversation(standin, uid, speak):
    async with standin.listen(uid) as client:
        await client.play(speak("Good morning to all of you.", "rms"))
        await apoll(lambda: client.updates, "a transcript")
    async with standin.listen(uid) as client:
        await client.ready()
    (found,) = standin.http("GET", "/v1/conversations", uid).json()
    line = f"Resuming conversation {found['id']}. Will timeout in "
    await apoll(lambda: line in standin.log("backend"), "the line of the log")


async def test_messages_of_the_client_other_than_audio(standin, uid):
    async with standin.listen(uid) as client:
        await client.ready()
    async with standin.listen(uid, "custom_stt=enabled&sample_rate=16000&codec=pcm16") as client:
        for nothing in ("no json", "[]", '{"type":"image_chunk"}', "{}", b"\x8a\x00", b""):
            await client.socket.send(nothing)
        told = {"id": "s1", "text": "told by the client", "start": 0.0, "end": 1.5, "speaker": "SPEAKER_1"}
        await client.socket.send(
            json.dumps({"type": "suggested_transcript", "segments": [told], "stt_provider": "mine"})
        )
        await apoll(lambda: client.segments.get("s1"), "the suggested segment")
        assert client.segments["s1"]["stt_provider"] == "mine"
        assert client.segments["s1"]["speaker"] == "SPEAKER_1"
        named = {"type": "speaker_assigned", "speaker_id": 1, "person_id": "p1", "segment_ids": ["s1", "unknown"]}
        await client.socket.send(json.dumps(named))
        await apoll(lambda: _persons(standin, uid) == ["p1"], "the named speaker")


def _persons(standin, uid):
    (found,) = standin.http("GET", "/v1/conversations", uid).json()
    return [item["person_id"] for item in found["transcript_segments"]]


async def test_audio_that_cannot_be_decoded_is_one_error_line_a_chunk(standin, uid):
    async with standin.listen(uid, "codec=opus&sample_rate=16000") as client:
        await client.play(bytes(5 * 3200))
        await apoll(lambda: len(_errors(standin, uid)) == 5, "five error lines")
        assert not client.updates
    async with standin.listen(uid, "codec=lc3&sample_rate=16000") as client:
        assert (await client.closed())[0] == 1006
    assert "ValueError: decoder refused codec=lc3" in standin.log("backend")


def _errors(standin, uid):
    return [line for line in standin.lines("backend", uid) if line.startswith("ERROR:")]


async def test_eight_kilohertz_are_heard_too(standin, uid, speak):
    import numpy as np

    pcm = np.frombuffer(speak("We would like to have some bread and butter.", "rms"), "<i2")
    slow = ((pcm[0::2].astype(int) + pcm[1::2]) // 2).astype("<i2").tobytes()
    async with standin.listen(uid, "sample_rate=8000&codec=pcm8") as client:
        await client.play(slow)
        await apoll(lambda: client.updates, "a transcript")
        await client.quiet()
        assert max(item["end"] for item in client.segments.values()) < len(slow) / 16000


async def test_a_client_that_vanishes_is_seen(standin, uid):
    url = standin.plan["backend"].url.replace("http", "ws") + f"/v4/listen?{QUERY}"
    headers = {"Authorization": f"Bearer {standin.settings.admin_key}{uid}"}
    async with connect(url, additional_headers=headers) as socket:
        while "ready" not in str(await socket.recv()):
            pass
        socket.transport.abort()
    line = f"Client disconnected: code=1006 reason=abnormal_closure {uid}"
    await apoll(lambda: line in standin.log("backend"), line)
