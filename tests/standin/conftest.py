"""Real stand-in processes on free ports, a small client for them, and speech that is spoken at test time."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import time
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from e2e.cli.standin import free_port
from e2e.standin.plan import plan
from e2e.standin.settings import Settings

KEY = "standin-test-key-"
CHUNK = 3200
QUERY = "language=en&sample_rate=16000&codec=pcm16"


def poll(condition: Callable[[], Any], what: str, seconds: float = 20.0) -> Any:
    """The first true value of `condition`, asked until a deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"never seen within {seconds} s: {what}")


async def apoll(condition: Callable[[], Any], what: str, seconds: float = 20.0) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        await asyncio.sleep(0.02)
    raise AssertionError(f"never seen within {seconds} s: {what}")


@dataclass
class Client:
    """One device: everything that the backend says is kept, in order."""

    socket: ClientConnection
    messages: list[Any] = field(default_factory=list)

    async def read(self) -> None:
        with contextlib.suppress(websockets.ConnectionClosed):
            async for text in self.socket:
                self.messages.append(text if text == "ping" else json.loads(text))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [m for m in self.messages if isinstance(m, dict) and m["type"] == kind]

    @property
    def statuses(self) -> list[str]:
        return [m["status"] for m in self.of("service_status")]

    @property
    def updates(self) -> list[dict[str, Any]]:
        return [segment for m in self.messages if isinstance(m, list) for segment in m]

    @property
    def segments(self) -> dict[str, dict[str, Any]]:
        gone = {one for m in self.of("segments_deleted") for one in m["segment_ids"]}
        return {item["id"]: item for item in self.updates if item["id"] not in gone}

    @property
    def text(self) -> str:
        return " ".join(item["text"] for item in self.segments.values())

    async def ready(self) -> None:
        await apoll(lambda: "ready" in self.statuses, "ready")

    async def play(self, pcm: bytes, pause: float = 0.0) -> None:
        """As quickly as the socket takes it, or with a pause of so many seconds after each chunk."""
        for at in range(0, len(pcm), CHUNK):
            await self.socket.send(pcm[at : at + CHUNK])
            if pause:
                await asyncio.sleep(pause)

    async def quiet(self, seconds: float = 2.0) -> None:
        """Until no transcript has come for a while; waiting is not taken for inactivity."""
        seen, since = len(self.updates), time.monotonic()
        while time.monotonic() - since < seconds:
            await self._wait_a_little()
            if len(self.updates) != seen:
                seen, since = len(self.updates), time.monotonic()

    async def heard_until(self, end: float) -> None:
        """Until a segment reaches the second `end` of the audio: a busy machine hears late."""
        deadline = time.monotonic() + 60
        while max((item["end"] for item in self.updates), default=0.0) < end:
            assert time.monotonic() < deadline, f"nothing was heard up to second {end}: {self.text}"
            await self._wait_a_little()

    async def _wait_a_little(self) -> None:
        await asyncio.sleep(0.1)
        with contextlib.suppress(websockets.ConnectionClosed):
            await self.socket.send(b"\x8a\x00")

    async def closed(self) -> tuple[int, str]:
        """Close code and reason, once the server has closed."""
        async with asyncio.timeout(30):
            await self.socket.wait_closed()
        return self.socket.close_code, self.socket.close_reason


class Rig:
    """One stand-in: its processes, their logs, and ways to talk to them."""

    def __init__(self, directory: Path, env: dict[str, str] | None = None, **settings: Any) -> None:
        self.directory = directory
        values = {"timers": 0.05, "admin_key": KEY} | settings
        self.settings = Settings(db=directory / "standin.db", **values)
        self.plan = plan(self.settings, port=free_port(), pusher_port=free_port())
        self._env = env or {}
        self.processes: dict[str, subprocess.Popen] = {}

    def start(self, *names: str, wait: bool = True) -> "Rig":
        for name in names or ("backend", "pusher"):
            with (self.directory / f"{name}.log").open("ab") as log:
                service = self.plan[name]
                env = {**os.environ, **service.env, **self._env}
                self.processes[name] = subprocess.Popen(service.command, env=env, stdout=log, stderr=subprocess.STDOUT)
        for name in names or ("backend", "pusher"):
            if wait:
                poll(lambda name=name: self._healthy(name), f"{name} healthy:\n{self.log(name)}", 30)
        return self

    def stop(self, *names: str) -> None:
        for name in names or tuple(self.processes):
            self.processes[name].terminate()
        for name in names or tuple(self.processes):
            self.processes[name].wait(10)

    def _healthy(self, name: str) -> bool:
        assert self.processes[name].poll() is None, self.log(name)
        try:
            return httpx.get(self.plan[name].url + self.plan[name].health).status_code == 200
        except httpx.HTTPError:
            return False

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text()

    def lines(self, name: str, uid: str) -> list[str]:
        return [line for line in self.log(name).splitlines() if uid in line]

    @contextlib.asynccontextmanager
    async def listen(self, uid: str, query: str = QUERY, path: str = "/v4/listen", **headers: str):
        url = self.plan["backend"].url.replace("http", "ws") + f"{path}?{query}"
        headers = headers or {"Authorization": f"Bearer {KEY}{uid}"}
        async with connect(url, additional_headers=headers, max_size=None, compression=None) as socket_:
            client = Client(socket_)
            reader = asyncio.create_task(client.read())
            yield client
            await socket_.close()
            await reader

    def trigger(self, uid: str):
        url = self.plan["pusher"].url.replace("http", "ws") + f"/v1/trigger/listen?uid={uid}&sample_rate=16000"
        return connect(url, compression=None)

    def http(self, method: str, path: str, uid: str | None = "nobody", **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {KEY}{uid}"} if uid is not None else {}
        headers |= options.pop("headers", {})
        return httpx.request(method, self.plan["backend"].url + path, headers=headers, **options)


@pytest.fixture(scope="session")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """The stand-in that hears words, twenty times quicker than real."""
    rig = Rig(tmp_path_factory.mktemp("standin"), recogniser="sphinx").start()
    yield rig
    rig.stop()


@pytest.fixture
def start_standin(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    """Stand-ins of a test's own; not started yet."""
    rigs: list[Rig] = []

    def make(**options: Any) -> Rig:
        directory = tmp_path / f"standin-{len(rigs)}"
        directory.mkdir()
        rigs.append(Rig(directory, **{"recogniser": "vad"} | options))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.stop()


_uids = count(1)


@pytest.fixture
def uid() -> str:
    """A user that nobody was before."""
    return f"user-{next(_uids)}-x"


@pytest.fixture(scope="session")
def speak(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """PCM16 at 16 kHz of a text that is spoken now, with half a second of silence around it."""
    flite = shutil.which("flite")
    if flite is None:
        pytest.skip("flite is not installed: it speaks the sentences that these tests send")
    directory, numbers = tmp_path_factory.mktemp("spoken"), count()

    def spoken(text: str, voice: str = "slt") -> bytes:
        path = directory / f"{next(numbers)}.wav"
        subprocess.run([flite, "-voice", voice, "-t", text, "-o", str(path)], check=True, capture_output=True)
        with wave.open(str(path)) as sound:
            assert sound.getframerate() == 16000
            return bytes(16000) + sound.readframes(sound.getnframes()) + bytes(16000)

    return spoken


@pytest.fixture(scope="session")
def babble() -> bytes:
    """Six seconds with the rhythm of speech and no words in it: for the recogniser that only hears energy."""
    import numpy as np

    at = np.arange(6 * 16000) / 16000
    noise = np.random.default_rng(7).normal(0, 3000, len(at))
    return (noise * np.clip(np.sin(2 * np.pi * 2.5 * at), 0.02, 1)).astype("<i2").tobytes()
