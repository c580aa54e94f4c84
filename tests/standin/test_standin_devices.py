"""Developer webhooks, photos, speakers, and two devices of one user."""

import asyncio
import base64
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest

from e2e.clients.photo import sample_image
from e2e.protocol import device
from tests.standin.conftest import QUERY, Rig, apoll


class Far:
    """A developer's server: keeps what is posted to it."""

    def __init__(self):
        self.got = []
        far = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                parts = urlsplit(self.path)
                far.got.append((parts.path, parse_qs(parts.query), self.headers["Content-Type"], body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def of(self, path):
        return [row for row in self.got if row[0] == path]


@pytest.fixture
def far():
    far = Far()
    yield far
    far.server.shutdown()
    far.server.server_close()


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    rig = Rig(tmp_path_factory.mktemp("quick"), recogniser="vad", timers=0.02).start()
    yield rig
    rig.stop()


def test_webhooks_are_set_by_their_user_alone(quick, uid):
    path = "/v1/users/developer/webhook/audio_bytes"
    assert quick.http("POST", path, uid=None, json={"url": "http://x"}).status_code == 401
    assert quick.http("POST", path.replace("audio_bytes", "video"), uid, json={"url": "x"}).status_code == 422
    assert quick.http("POST", path, uid, json={"url": "http://x,3"}).status_code == 200
    assert quick.http("GET", path, uid).json() == {"url": "http://x,3"}
    assert quick.http("GET", path, "other").json() == {"url": ""}


async def test_the_pusher_delivers_transcript_audio_and_memory(quick, uid, babble, far):
    for kind, url in (("realtime_transcript", "/t"), ("audio_bytes", "/a,2"), ("memory_created", "/m")):
        quick.http("POST", f"/v1/users/developer/webhook/{kind}", uid, json={"url": far.url + url})
        quick.http("POST", f"/v1/users/developer/webhook/{kind}/enable", uid)
    async with quick.listen(uid) as client:
        await client.play(babble)
        await apoll(lambda: client.updates, "a transcript")
        await _processed(client)
    await apoll(lambda: sum(len(row[3]) for row in far.of("/a")) == len(babble), "all the audio")
    assert b"".join(row[3] for row in far.of("/a")) == babble
    _, query, content, _ = far.of("/a")[0]
    assert query == {"sample_rate": ["16000"], "uid": [uid]} and content == "application/octet-stream"
    assert len(far.of("/a")[0][3]) == 2 * 32_000
    bodies = [json.loads(row[3]) for row in far.of("/t")]
    assert {b["session_id"] for b in bodies} == {uid} and far.of("/t")[0][1] == {"uid": [uid]}
    assert {s["id"] for b in bodies for s in b["segments"]} == set(client.segments)
    await apoll(lambda: far.of("/m"), "the memory")
    (memory,) = [json.loads(row[3]) for row in far.of("/m")]
    assert memory["status"] == "completed" and memory["id"] == client.of("memory_created")[0]["memory"]["id"]


async def test_nothing_is_delivered_where_a_webhook_is_disabled_or_nobody_is_there(quick, uid, babble, far):
    for kind, url in (("realtime_transcript", far.url + "/t"), ("audio_bytes", "http://127.0.0.1:9/a,1")):
        quick.http("POST", f"/v1/users/developer/webhook/{kind}", uid, json={"url": url})
    quick.http("POST", "/v1/users/developer/webhook/audio_bytes/enable", uid)
    async with quick.listen(uid) as client:
        await client.play(babble)
        await apoll(lambda: client.updates, "a transcript")
        await apoll(lambda: "Error sending audio_bytes to developer webhook" in quick.log("pusher"), "the error")
    assert not far.got


async def test_photos_in_pieces_are_described_and_kept(quick, uid):
    async with quick.listen(uid) as client:
        await client.ready()
        for image_id, image in (("a", sample_image(7, 5)), ("b", b"no picture")):
            pieces = device.image_chunks(image, image_id, 40)
            for piece in reversed(pieces):
                await client.socket.send(piece.text)
        for bad in ({"index": 2, "total": 1}, {"index": -1, "total": 1}, {"index": 0, "total": 10**9}, {"index": True}):
            await client.socket.send(json.dumps({"type": "image_chunk", "id": "c", "data": "x", "total": 1} | bad))
        await apoll(lambda: len(client.of("photo_described")) == 2, "both descriptions")
        processing, described = client.of("photo_processing"), client.of("photo_described")
        (found,) = quick.http("GET", "/v1/conversations", uid).json()
    assert [p["temp_id"] for p in processing] == ["a", "b"]
    assert [d["photo_id"] for d in described] == [p["photo_id"] for p in processing]
    assert [d["discarded"] for d in described] == [False, True]
    assert described[0]["description"] == "a PNG image, 7 by 5 pixels"
    assert base64.b64decode(found["photos"][0]["base64"]) == sample_image(7, 5)


async def test_two_devices_of_a_user_share_a_conversation_and_it_is_processed_once(quick, uid, babble):
    async with quick.listen(uid) as one, quick.listen(uid, QUERY + "&source=phone") as two:
        await one.ready()
        await two.ready()
        await asyncio.gather(one.play(babble), two.play(babble))
        await apoll(lambda: one.updates and two.updates, "both transcripts")
        await _processed(one, two)
        created = [m["memory"] for m in one.of("memory_created") + two.of("memory_created")]
        await apoll(lambda: len(_conversations(quick, uid)) == 2, "the next conversation")
        await one.quiet(0.5)  # some polls of both sessions
        assert len(_conversations(quick, uid)) == 2
    assert len(created) == 1 and not set(one.segments) & set(two.segments)
    assert {s["id"] for s in created[0]["transcript_segments"]} == set(one.segments) | set(two.segments)
    log = quick.log("backend")
    assert log.count(f"Sent process_conversation request to pusher: {created[0]['id']}") == 1


async def _processed(*clients):
    """Until one of them is told of it; waiting is not taken for inactivity."""
    async with asyncio.timeout(30):
        while not any(client.of("memory_created") for client in clients):
            await asyncio.gather(*(client.quiet(0.1) for client in clients))


def _conversations(rig, uid):
    return rig.http("GET", "/v1/conversations", uid).json()


async def test_a_speaker_is_told_to_the_pusher(quick, uid):
    async with quick.listen(uid) as client:
        await client.ready()
    async with quick.listen(uid, QUERY + "&custom_stt=enabled") as client:
        said = [{"id": "s", "text": "hello", "start": 0, "end": 1}]
        await client.ready()
        await client.socket.send(device.SuggestedTranscript(segments=said, stt_provider="p").text)
        await apoll(lambda: client.segments, "the suggestion")
        named = device.SpeakerAssigned(speaker_id=0, person_id="p-7", person_name="Ada", segment_ids=["s"])
        await client.socket.send(named.text)
        line = f"INFO:routers.pusher:Queued speaker sample request: person=p-7, 1 segments {uid}"
        await apoll(lambda: line in quick.log("pusher"), line)
