"""Who gets a listen session, and in which form others are refused."""

import json

import pytest
import websockets
from websockets.asyncio.client import connect


@pytest.mark.parametrize("header", [{"X-None": "1"}, {"Authorization": "Bearer no"}, {"Authorization": "Basic x"}])
async def test_bad_credentials_are_refused_on_the_upgrade(standin, uid, header):
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with standin.listen(uid, **header):
            pass
    assert refused.value.response.status_code == 403


async def test_a_parameter_of_the_wrong_type_and_an_unknown_path_are_403(standin, uid):
    for query, path in (("sample_rate=abc", "/v4/listen"), ("", "/v4/nowhere")):
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with standin.listen(uid, query, path):
                pass
        assert refused.value.response.status_code == 403


async def test_an_empty_uid_is_accepted_and_closed(standin):
    async with standin.listen("") as client:
        assert await client.closed() == (1008, "Bad uid")


async def test_custom_stt_wants_a_known_user(standin, uid):
    query = "custom_stt=enabled&sample_rate=16000"
    async with standin.listen(uid, query) as client:
        assert await client.closed() == (1008, "Bad user")
    async with standin.listen(uid) as client:
        await client.ready()
    async with standin.listen(uid, query) as client:
        await client.ready()


async def test_what_is_unknown_falls_back(standin, uid):
    async with standin.listen(uid, "language=xx&codec=mp7&source=toaster&sample_rate=16000&novel=1") as client:
        await client.ready()
    assert any(
        f"_stream_handler {uid}" in line and " en 16000 pcm16 " in line for line in standin.lines("backend", uid)
    )


async def test_a_token_and_local_development(start_standin):
    rig = start_standin(admin_key=None, token="the-token", token_uid="tokened").start()
    assert rig.http("GET", "/v1/conversations", headers={"Authorization": "Bearer the-token"}).status_code == 200
    assert rig.http("GET", "/v1/conversations", uid="x").status_code == 401
    async with rig.listen("", Authorization="Bearer the-token") as client:
        await client.ready()
    assert rig.lines("backend", "_listen tokened")
    assert "the-token" not in rig.log("backend")
    rig = start_standin(admin_key=None, local_development=True).start()
    async with rig.listen("", Authorization="Bearer anything") as client:
        await client.ready()
    assert rig.lines("backend", "_listen 123")


@pytest.mark.parametrize(
    ("first", "answer", "reason"),
    [
        ({"type": "auth", "token": "wrong"}, {"type": "auth_response", "success": False}, "Invalid token"),
        ({"type": "hello"}, {"type": "auth_response", "success": False}, "Invalid token"),
        ([], None, "Auth error"),
    ],
)
async def test_browsers_authenticate_with_their_first_message(standin, first, answer, reason):
    url = standin.plan["backend"].url.replace("http", "ws") + "/v4/web/listen"
    async with connect(url) as socket:
        await socket.send(json.dumps(first))
        if answer is not None:
            assert json.loads(await socket.recv()) == answer
        with pytest.raises(websockets.ConnectionClosed):
            await socket.recv()
        assert (socket.close_code, socket.close_reason) == (1008, reason)


async def test_a_browser_with_the_right_token_gets_ready(standin, uid):
    url = standin.plan["backend"].url.replace("http", "ws") + "/v4/web/listen?sample_rate=16000&codec=pcm16"
    async with connect(url) as socket:
        await socket.send(json.dumps({"type": "auth", "token": standin.settings.admin_key + uid}))
        assert json.loads(await socket.recv()) == {"type": "auth_response", "success": True}
        assert await socket.recv() == "ping"
