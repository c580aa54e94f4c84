"""A small Omi on loopback in the test's own process, and whole runs against it."""

import asyncio
import contextlib
import json
import time
from collections import defaultdict
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from e2e.clients.http import Endpoint
from e2e.engine.options import Options
from e2e.engine.runner import Run
from e2e.engine.target import TargetConfig
from e2e.observe.spec import LogSpec, ServiceSpec
from e2e.protocol.auth import Credentials
from e2e.record.journal import Journal, read_journal
from e2e.record.redact import Redactor
from e2e.record.rundir import RunDirectory

KEY = "sesame-street-admin-key-"
SEGMENT = {"id": "s1", "text": "good morning", "speaker": "SPEAKER_00", "start": 0.0, "end": 0.4}


class Omi:
    """Backend and pusher behind one port. `behaviour` says by uid how a session goes; `chunks` counts its audio.

    Behaviours: `polite` (the default), `refuse` (403), `mute` (never ready), `close` (1011) and `vanish` (1006) after
    `patience` chunks.
    """

    def __init__(self, directory: Path) -> None:
        self.log = directory / "omi.log"
        self.log.touch()
        self.behaviour: dict[str, str] = {}
        self.patience = 5
        self.chunks: dict[str, int] = defaultdict(int)
        self.queries: list[dict[str, list[str]]] = []
        self.open = 0
        self.most_open = 0
        self.url = ""

    def say(self, line: str) -> None:
        with self.log.open("a") as log:
            log.write(f"INFO:routers.transcribe:{line}\n")

    def request(self, connection, request):
        path = urlsplit(request.path).path
        if path == "/v4/listen":
            uid = self.uid(request)
            if uid is None or self.behaviour.get(uid) == "refuse":
                return connection.respond(HTTPStatus.FORBIDDEN, "")
            return None
        answers = {
            "/v1/health": {"status": "healthy"},
            "/openapi.json": {"info": {"title": "small"}, "paths": {"/v1/health": {"get": {}}}},
            "/v1/conversations": [{"id": "c1"}],
            "/v1/conversations/c1": {"status": "in_progress", "transcript_segments": [SEGMENT]},
        }
        if path in answers:
            return connection.respond(HTTPStatus.OK, json.dumps(answers[path]))
        return None if path == "/v1/trigger/listen" else connection.respond(HTTPStatus.NOT_FOUND, "")

    def uid(self, request) -> str | None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return token.removeprefix(KEY) if token.startswith(KEY) else None

    async def session(self, connection):
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            if connection.request.path.startswith("/v1/trigger/listen"):
                await self.pusher(connection)
            else:
                await self.listen(connection, self.uid(connection.request))
        except ConnectionClosed:
            pass
        finally:
            self.open -= 1

    async def pusher(self, connection):
        async for frame in connection:
            self.chunks["pusher"] += frame[:4] == b"\x65\x00\x00\x00"

    async def listen(self, connection, uid):
        behaviour = self.behaviour.get(uid, "polite")
        self.queries.append(parse_qs(urlsplit(connection.request.path).query))
        self.say(f"_listen {uid} with {connection.request.headers['Authorization']}")
        self.say(f"Created new stub conversation: c1 {uid} x")
        await connection.send("ping")
        if behaviour != "mute":
            await connection.send(json.dumps({"type": "service_status", "status": "ready", "status_text": KEY}))
        try:
            async for _ in connection:
                self.chunks[uid] += 1
                if self.chunks[uid] == 1:
                    await connection.send(json.dumps([SEGMENT]))
                if self.chunks[uid] == self.patience and behaviour == "close":
                    await connection.close(1011, "receive failure")
                if self.chunks[uid] == self.patience and behaviour == "vanish":
                    connection.transport.abort()
        finally:
            self.say(f"Client disconnected: code={connection.close_code} reason=normal_closure {uid} x")


@pytest.fixture
async def omi(tmp_path):
    small = Omi(tmp_path)
    # A client that leaves before it has asked for anything is waited for: not for long.
    patience = {"open_timeout": 2.0, "close_timeout": 0.5}
    async with serve(small.session, "127.0.0.1", 0, process_request=small.request, **patience) as server:
        small.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield small


class Bench:
    """Runs scenarios against a small Omi that runs already and whose log is a file."""

    def __init__(self, omi: Omi, directory: Path) -> None:
        self.directory = directory / "reports"
        self.omi = omi
        log = LogSpec("file", path=omi.log)
        self.config = {
            "name": "small",
            "backend": ServiceSpec("backend", omi.url, health="/v1/health", log=log),
            "pusher": ServiceSpec("pusher", omi.url),
            "credentials": Credentials("admin", KEY, "dev"),
            "endpoints": (Endpoint("GET", "/v1/health"), Endpoint("GET", "/nowhere", (404,))),
            "connect_timeout": 5.0,
            "ready_timeout": 5.0,
        }
        self.path: Path | None = None
        self.running: Run | None = None

    async def run(self, scenario, **options) -> "Records":
        target = TargetConfig(**self.config)
        directory = RunDirectory.create(self.directory, scenario.name, datetime(2026, 3, 14))
        self.path = directory.path
        with Journal(directory.journal, time.monotonic, Redactor(target.credentials.secrets)) as journal:
            given = Options(**{"speed": None, "audio": "tone"} | options)
            self.running = Run(scenario, target, given, directory, journal)
            await self.running.execute()
        return self.records()

    def records(self) -> "Records":
        return Records(read_journal(self.path))


class Records(list):
    def of(self, type: str, **fields):
        return [r for r in self if r["type"] == type and all(r.get(k) == v for k, v in fields.items())]

    def phases(self) -> list[str]:
        return [f"{r['phase']} {r['state']}" for r in self.of("phase")]


@pytest.fixture
def bench(omi, tmp_path):
    return Bench(omi, tmp_path)


async def eventually(condition, what: str, seconds: float = 20.0):
    """The first true value of `condition`, asked until a deadline."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                if value := condition():
                    return value
                await asyncio.sleep(0.01)
    raise AssertionError(f"never seen within {seconds} s: {what}")
