"""The clients that are compared: how each is started, what load suits it, and where it says what it received."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.programs import HERE, Program

E2E = Path(sys.executable).with_name("e2e")

TARGET = """\
[targets.sink]
auth = {{ scheme = "dev" }}
backend = {{ url = "http://127.0.0.1:{port}", health = "/v1/health" }}
thresholds = {{ connects_per_second = 1000000, connect_timeout = 60, ready_timeout = 60 }}
"""


@dataclass(frozen=True, slots=True)
class Job:
    """What a client is to do: `streams` of `chunks` each, begun over `ramp` seconds. `core` is where it runs."""

    directory: Path
    core: int
    port: int
    streams: int
    chunks: int
    ramp: float


@dataclass(frozen=True, slots=True)
class Contestant:
    """A client.

    `comfortable` is the number of streams at which its cost is measured, `ladder` what its limit is searched in.
    `per_second` is how quickly its streams begin; None: all at once. `own` finds what it counted itself.
    """

    name: str
    title: str
    comfortable: int
    ladder: tuple[int, ...]
    per_second: float | None
    start: Callable[[Job], Program]
    own: Callable[[Program, Path], dict[str, Any]]

    def ramp(self, streams: int) -> float:
        """Seconds over which that many streams begin."""
        return streams / self.per_second if self.per_second else 0.0


def start_engine(
    job: Job, scenario: str = "stream", env: Mapping[str, str] | None = None, **settings: object
) -> Program:
    """`e2e run` as anybody would call it, with its journal and all that it records."""
    (job.directory / "e2e.toml").write_text(TARGET.format(port=job.port))
    command = [str(E2E), "run", f"{HERE / 'scenario.py'}:{scenario}", "--target", "sink", "--quiet"]
    command += ["--users", str(job.streams), "--out", str(job.directory / "reports")]
    for name, value in (settings or {"chunks": job.chunks}).items():
        command += ["--set", f"{name}={value}"]
    return Program(
        command, job.core, job.directory / "engine.out", job.directory, {"BENCH_RAMP": str(job.ramp), **(env or {})}
    )


def _start_through_transports(job: Job) -> Program:
    return start_engine(job, env={"E2E_SEND": "transport"})


def engine_run(directory: Path) -> dict[str, Any]:
    """`run.json` of the run in a directory; empty when there is none, or only half of it."""
    path = directory / "reports" / "latest" / "run.json"
    try:
        return json.loads(path.read_text())
    except (OSError, json.JSONDecodeError):
        return {}


def engine_records(directory: Path) -> Iterator[dict[str, Any]]:
    """The journal of the run in a directory; a line that was cut off ends it."""
    path = directory / "reports" / "latest" / "journal.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    for line in lines:
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            return


def _engine_own(program: Program, directory: Path) -> dict[str, Any]:
    run = engine_run(directory)
    if not run:
        return {}
    return {
        "messages": run["counters"]["server_messages"],
        "errors": run["counters"]["sessions_failed"],
        "verdict": run["verdict"],
        "send_lateness_ms": run["latency_ms"].get("send_lateness"),
    }


def _start_plain(job: Job) -> Program:
    command = [sys.executable, str(HERE / "plain.py"), str(job.port), str(job.streams), str(job.chunks), str(job.ramp)]
    return Program(command, job.core, job.directory / "plain.out", job.directory)


def _start_locust(job: Job) -> Program:
    rate = max(1.0, job.streams / job.ramp) if job.ramp else job.streams
    command = [sys.executable, "-m", "locust", "-f", str(HERE / "locustfile.py"), "--headless", "--only-summary"]
    command += ["-u", str(job.streams), "-r", f"{rate:g}", "--host", f"http://127.0.0.1:{job.port}"]
    env = {"BENCH_PORT": str(job.port), "BENCH_STREAMS": str(job.streams), "BENCH_CHUNKS": str(job.chunks)}
    return Program(command, job.core, job.directory / "locust.out", job.directory, env)


def _start_c(job: Job) -> Program:
    command = [str(job.directory / "client"), str(job.port), str(job.streams), str(job.chunks)]
    return Program(command, job.core, job.directory / "c.out", job.directory)


def _said(program: Program, directory: Path) -> dict[str, Any]:
    return program.last_json()


ENGINE_LADDER = (1000, 2000, 3000, 4000, 5000, 5500, 6000, 6500, 7000, 7500, 8000, 8500, 9000, 10000)
C_LADDER = (3000, 4000, 5000, 5500, 6000, 6500, 7000, 7500, 8000, 8500, 9000, 10000)
PLAIN_LADDER = (100, 200, 300, 400, 500, 600, 700, 800, 900, 1000, 1100, 1200, 1400)
LOCUST_LADDER = (25, 50, 100, 150, 200, 250, 300, 350, 400, 500, 600)

CONTESTANTS = {
    contestant.name: contestant
    for contestant in (
        Contestant("engine", "e2e", 3000, ENGINE_LADDER, 1000, start_engine, _engine_own),
        Contestant(
            "engine_transport",
            "e2e without io_uring",
            3000,
            ENGINE_LADDER,
            1000,
            _start_through_transports,
            _engine_own,
        ),
        Contestant("c", "C, epoll, 5 ms tick", 3000, C_LADDER, None, _start_c, _said),
        Contestant("plain_websockets", "`websockets`, a task a device", 600, PLAIN_LADDER, 250, _start_plain, _said),
        Contestant("locust", "Locust, websocket-client, gevent", 150, LOCUST_LADDER, 100, _start_locust, _said),
    )
}
