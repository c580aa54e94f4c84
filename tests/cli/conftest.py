"""The real `e2e` as a user runs it: a process in a directory of its own, and nothing of it left behind."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from e2e.cli.standin import free_port
from e2e.report.write import FILES

E2E = Path(sys.executable).with_name("e2e")

STREAM = """
from e2e import Device, Drain, Load, expect, scenario

@scenario(
    title="One session that streams",
    load=Load.users(1),
    drain=Drain(at_most=0.5),
    expect=[
        expect.services_healthy(),
        expect.connected(),
        expect.ready(),
        expect.all_chunks_sent(),
        expect.close_code(1000),
        expect.zero_import_errors(),
    ],
)
async def stream(device: Device, chunks: int = 20):
    async with device.listen() as session:
        await session.ready()
        await session.play("podcast", chunks=chunks)
"""

STANDIN = ("--standin", "--recogniser", "vad", "--timers", "0.1")


def poll(condition: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    """The first true value of `condition`, asked until a deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"never seen within {seconds} s: {what}")


@dataclass
class Result:
    code: int
    out: str
    err: str
    directory: Path

    @property
    def error(self) -> str:
        """The one line of a usage error."""
        assert self.code == 2, (self.code, self.out, self.err)
        assert re.fullmatch(r"e2e: [^\n]+\n", self.err), self.err
        assert self.out == ""
        return self.err.removeprefix("e2e: ").strip()

    @property
    def run(self) -> dict[str, Any]:
        """run.json of the last run; every other report must be there too."""
        latest = self.directory / "reports/latest"
        for name in FILES.values():
            assert (latest / name).stat().st_size > 0, name
        summary = json.loads((latest / "run.json").read_text(encoding="utf-8"))
        assert summary["exit_code"] == self.code
        last = self.out.splitlines()[-1]
        assert last.startswith(f"verdict: {summary['verdict']} (exit {self.code}) reports/"), self.out
        return summary

    def checks(self) -> dict[str, str]:
        return {check["name"]: check["status"] for check in self.run["checks"]}


class Cli:
    """Runs `e2e` in `directory`. Whatever it starts inherits a mark by which it is found again."""

    def __init__(self, directory: Path, **env: str) -> None:
        self.directory = directory
        self.mark = f"E2E_TEST_MARK={uuid.uuid4()}"
        name, _, value = self.mark.partition("=")
        unset = ("ADMIN_KEY", "E2E_TOKEN", "E2E_UID", "GITHUB_ACTIONS")
        self.env = {k: v for k, v in os.environ.items() if k not in unset} | {name: value} | env
        (directory / "stream.py").write_text(STREAM)

    def __call__(self, *args: str, timeout: float = 90.0, traceback_on_stdout: bool = False, **env: str) -> Result:
        return self.finish(self.start(*args, **env), timeout, traceback_on_stdout)

    def start(self, *args: str, program: tuple[str, ...] = (E2E,), **env: str) -> subprocess.Popen:
        return subprocess.Popen(
            [*program, *args],
            cwd=self.directory,
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def finish(self, process: subprocess.Popen, timeout: float = 90.0, traceback_on_stdout: bool = False) -> Result:
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        assert "Traceback" not in err and (traceback_on_stdout or "Traceback" not in out)
        self.assert_nothing_left()
        return Result(process.returncode, out, err, self.directory)

    def interrupt(self, process: subprocess.Popen, number: int = signal.SIGINT) -> None:
        """As a terminal does it: the whole foreground group gets the signal."""
        os.killpg(process.pid, number)

    def left(self) -> list[str]:
        found = []
        for process in psutil.process_iter():
            try:
                name, value = self.mark.split("=")
                if process.environ().get(name) == value and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(" ".join(process.cmdline()))
            except psutil.Error:
                continue
        return found

    def assert_nothing_left(self) -> None:
        poll(lambda: not self.left(), f"no process left, but there are: {self.left()}", 10)

    def write(self, name: str, content: str | bytes) -> str:
        path = self.directory / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    def target(self, backend: str, pusher: str | None = None, **thresholds: float) -> None:
        """An e2e.toml for services that run already."""
        lines = [f'[targets.local.backend]\nurl = "{backend}"']
        lines += [f'[targets.local.pusher]\nurl = "{pusher or backend}"', "[targets.local.thresholds]"]
        lines += [f"{name} = {value}" for name, value in thresholds.items()]
        self.write("e2e.toml", "\n".join(lines) + "\n")

    def journal(self) -> str:
        path = self.directory / "reports/latest/journal.jsonl"
        return path.read_text(encoding="utf-8") if path.exists() else ""


@pytest.fixture
def e2e(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


class Standin:
    """`e2e standin` as a process that serves until it is stopped."""

    def __init__(self, directory: Path, *args: str, **env: str) -> None:
        self.cli = Cli(directory, **env)
        ports = ("--port", str(free_port()), "--pusher-port", str(free_port()))
        self.process = self.cli.start("standin", "--recogniser", "vad", "--timers", "0.1", *ports, *args)
        assert self.process.stdout is not None
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        line = poll(self._addresses, f"the stand-in serves: {self.said}")
        self.backend, self.pusher = re.findall(r"http://[\d.:]+", line)

    def stop(self, number: int = signal.SIGTERM) -> Result:
        """What it said from first to last."""
        self.cli.interrupt(self.process, number)
        self.process.wait(30)
        self._reader.join(10)
        assert self.process.stderr is not None
        self.cli.assert_nothing_left()
        return Result(self.process.returncode, "".join(self.said), self.process.stderr.read(), self.cli.directory)

    def _read(self) -> None:
        """All along, so that its pipe never fills."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)

    def _addresses(self) -> str:
        assert self.process.poll() is None, self.said
        return next((line for line in self.said if line.startswith("stand-in: ")), "")


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    """A stand-in that serves already, with the admin key `right-key-`."""
    standin = Standin(tmp_path_factory.mktemp("served"), ADMIN_KEY="right-key-")
    yield standin
    standin.stop()
