"""The HTTP client against servers that close a kept connection just as it is used again."""

import asyncio
import contextlib
import json
import time

from e2e.clients.http import Api, Endpoint
from e2e.record.journal import Journal, read_journal

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


class Server:
    """Answers so often on each connection, and closes it without a word when it is asked once more."""

    def __init__(self, answers: int = 1) -> None:
        self.answers = answers
        self.asked: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            for n in range(self.answers + 1):
                head = await reader.readuntil(b"\r\n\r\n")
                self.asked.append(head.split(b" HTTP")[0])
                sizes = [int(x.split(b":")[1]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-length")]
                await reader.readexactly(sum(sizes))
                if n < self.answers:
                    writer.write(ANSWER)
                    await writer.drain()
        writer.close()


async def ask(server: Server, tmp_path, *rows: Endpoint):
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    with Journal(tmp_path / "journal.jsonl", time.monotonic) as journal:
        async with Api(f"http://127.0.0.1:{port}", journal, time.monotonic, {}) as api:
            for row in rows:
                await api.check_endpoint(row)
    listener.close()
    return [(r["status"], r["error"]) for r in read_journal(tmp_path / "journal.jsonl") if r["type"] == "endpoint"]


async def test_a_kept_connection_that_was_closed_is_made_anew_for_an_idempotent_request(tmp_path):
    server = Server()
    answers = await ask(server, tmp_path, Endpoint("GET", "/a"), Endpoint("GET", "/b"), Endpoint("GET", "/c"))
    assert [status for status, _ in answers] == [200, 200, 200]
    assert server.asked == [b"GET /a", b"GET /b", b"GET /b", b"GET /c", b"GET /c"]


async def test_what_may_not_be_said_twice_is_not(tmp_path):
    server = Server()
    answers = await ask(server, tmp_path, Endpoint("GET", "/a"), Endpoint("POST", "/b", body={"x": 1}))
    assert [status for status, _ in answers] == [200, None] and "RemoteProtocolError" in answers[1][1]
    assert server.asked == [b"GET /a", b"POST /b"]


async def test_a_fresh_connection_without_an_answer_is_no_reason_to_ask_again(tmp_path):
    server = Server(answers=0)
    ((status, error),) = await ask(server, tmp_path, Endpoint("GET", "/a"))
    assert status is None and error and server.asked == [b"GET /a"]


async def test_the_shape_of_an_api_is_journalled_and_none_of_its_values(tmp_path):
    document = {"openapi": "3.1.0", "paths": {f"/{k}": {"get": {"responses": {}}} for k in range(300)}}
    bodies = {"/openapi.json": document, "/a": {"access_token": "tiger-secret-1234", "n": 5}, "/b": "no JSON"}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        body = b"<html>" if path == "/b" else json.dumps(bodies[path]).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    with Journal(tmp_path / "journal.jsonl", time.monotonic) as journal:
        async with Api(f"http://127.0.0.1:{port}", journal, time.monotonic, {}) as api:
            await api.count_routes()
            for path in bodies:
                await api.check_endpoint(Endpoint("GET", path))
    listener.close()
    records = [r for r in read_journal(tmp_path / "journal.jsonl") if r["type"] == "contract"]
    promised = [row for r in records if r["source"] == "openapi" for row in r["rows"]]
    assert len(promised) == 300 and ["route", "GET /0", "route"] in promised
    assert {r["endpoint"]: r["rows"] for r in records if r["source"] == "body"} == {
        "GET /a": [["body", ".", "object"], ["body", ".access_token", "string"], ["body", ".n", "number"]],
        "GET /b": [["body", ".", "text, no JSON"]],
    }
    assert "tiger" not in (tmp_path / "journal.jsonl").read_text()
