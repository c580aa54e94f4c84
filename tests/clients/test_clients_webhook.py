"""The receiver of webhooks, spoken to over real sockets: deliveries, and everything that is none."""

import asyncio
import json
import time

import httpx
import pytest

from e2e.clients import serving
from e2e.clients.webhook import MAX_BODY_BYTES, MAX_REFUSALS, WebhookReceiver
from e2e.protocol import webhook
from e2e.record.journal import Journal, read_journal


class Rig:
    def __init__(self, directory):
        self.journal = Journal(directory / "journal.jsonl", time.monotonic)
        self.receiver = WebhookReceiver(self.journal)

    def records(self, event):
        self.journal.flush()
        return [r for r in read_journal(self.journal.path) if r["type"] == "webhook" and r["event"] == event]

    async def raw(self, data: bytes) -> bytes:
        """What the receiver answers to these bytes, until it closes."""
        host, port = self.receiver.origin.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(data)
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        return answer


@pytest.fixture
async def rig(tmp_path):
    rig = Rig(tmp_path)
    await rig.receiver.start()
    yield rig
    await rig.receiver.stop()
    rig.journal.close()


def transcript(*segments):
    return json.dumps({"session_id": "u", "segments": list(segments)})


WORDS = {"id": "a", "text": "good morning", "start": 0.0, "end": 1.5, "speaker": "SPEAKER_00"}


async def test_deliveries_are_counted_and_hashed(rig):
    url, seen = rig.receiver.address("u", 3)
    async with httpx.AsyncClient() as client:
        for end in (1.5, 2.5):
            body = transcript(WORDS | {"end": end})
            assert (await client.post(f"{url}/realtime_transcript?uid=u", content=body)).status_code == 200
        audio = f"{url}/audio_bytes?sample_rate=16000&uid=other"
        assert (await client.post(audio, content=bytes(32_000))).json() == {"status": "ok"}
        assert (await client.post(f"{url}/memory_created?uid=u", json={"id": "c1"})).status_code == 200
    assert (seen.segments, seen.audio_seconds, seen.deliveries) == ({"a": 2.5}, 1.0, 4)
    first, second, sound, memory = rig.records("delivery")
    assert first["segments"] == [["a", 1.5, webhook.version("good morning", 0.0, 1.5)]]
    assert first["hash"] != second["hash"] and first["device"] == 3 and "named" not in first
    assert (sound["seconds"], sound["bytes"], sound["named"]) == (1.0, 32_000, "other")
    assert memory["memory"] == "c1"


async def test_many_deliveries_use_one_connection(rig):
    url, seen = rig.receiver.address("u", 0)
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=1)) as client:
        for _ in range(20):
            await client.post(f"{url}/audio_bytes?sample_rate=8000&uid=u", content=bytes(1600))
    assert seen.audio_seconds == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "{url}/realtime_transcript", b"", 405),
        ("DELETE", "{url}/audio_bytes", b"", 405),
        ("POST", "{origin}/guess/realtime_transcript", b"{}", 404),
        ("POST", "{url}/day_after", b"{}", 404),
        ("POST", "{url}", b"{}", 404),
        ("POST", "{url}/realtime_transcript?uid=u", b"no json", 400),
        ("POST", "{url}/realtime_transcript?uid=u", b"[" * 100_000, 400),
        ("POST", "{url}/realtime_transcript?uid=u", b'{"segments":[{"text":"no id"}]}', 400),
        ("POST", "{url}/realtime_transcript?uid=u", b'{"segments":[{"id":"a","end":"soon"}]}', 400),
        ("POST", "{url}/audio_bytes?uid=u", bytes(320), 400),
        ("POST", "{url}/audio_bytes?sample_rate=0&uid=u", bytes(320), 400),
        ("POST", "{url}/audio_bytes?sample_rate=-1&uid=u", bytes(320), 400),
        ("POST", "{url}/audio_bytes?" + "&".join(f"a{n}=1" for n in range(200)), bytes(320), 400),
        ("POST", "{url}/audio_bytes?sample_rate=16000", bytes(MAX_BODY_BYTES + 1), 413),
    ],
)
async def test_what_is_no_delivery_is_refused_and_told(rig, method, path, body, status):
    url, seen = rig.receiver.address("u", 0)
    target = path.format(url=url, origin=rig.receiver.origin)
    async with httpx.AsyncClient() as client:
        response = await client.request(method, target, content=body)
    assert response.status_code == status
    assert seen.deliveries == 0 and not rig.records("delivery")
    (refused,) = rig.records("refused")
    assert refused["status"] == status and len(json.dumps(refused)) < 5_000


async def test_a_body_without_end_is_cut_off(rig):
    url, _ = rig.receiver.address("u", 0)

    async def endless():
        while True:
            yield bytes(1 << 20)

    async with httpx.AsyncClient() as client:
        try:
            response = await client.post(f"{url}/audio_bytes?sample_rate=16000", content=endless())
            assert response.status_code == 413
        except httpx.TransportError:
            pass  # cut off while it was sending
    assert rig.records("refused")[0]["status"] == 413


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 100_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
    ],
)
async def test_what_is_no_http_is_answered_400(rig, data):
    assert (await rig.raw(data)).startswith(b"HTTP/1.1 400")
    assert rig.records("refused")[0]["status"] == 400


@pytest.mark.parametrize("data", [b"", b"POST / HTT", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n12"])
async def test_a_peer_that_leaves_early_harms_nobody(rig, data):
    await rig.raw(data)
    url, seen = rig.receiver.address("u", 0)
    async with httpx.AsyncClient() as client:
        await client.post(f"{url}/realtime_transcript?uid=u", content=transcript(WORDS))
    assert seen.deliveries == 1


async def test_a_peer_that_dawdles_is_let_go(rig, monkeypatch):
    monkeypatch.setattr(serving, "REQUEST_SECONDS", 0.1)
    host, port = rig.receiver.origin.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST / HTTP/1.1\r\n")
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_refusals_are_bounded_in_the_journal(rig):
    async with httpx.AsyncClient() as client:
        for _ in range(MAX_REFUSALS + 5):
            await client.get(rig.receiver.origin)
    assert len(rig.records("refused")) == MAX_REFUSALS and rig.receiver.refused == MAX_REFUSALS + 5


async def test_who_waits_is_told_of_the_next_delivery(rig):
    url, seen = rig.receiver.address("u", 0)
    waiting = asyncio.create_task(rig.receiver.changed(5.0))
    await asyncio.sleep(0)
    async with httpx.AsyncClient() as client:
        await client.post(f"{url}/realtime_transcript?uid=u", content=transcript(WORDS))
    await asyncio.wait_for(waiting, 5)
    assert seen.segments
