"""What the import probe costs a service: `python -m benchmarks.probe [ROUNDS [REQUESTS]]`.

Two copies of one small service (fastapi on uvicorn, imports inside its handler as in the real services), one with the
probe and one without, are asked the same requests in turns. Their own CPU time is compared, round by round; the order
within a round alternates, so that what else happens on the machine falls on both. Then the same for their start.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil

from e2e.cli.standin import free_port
from e2e.observe.exercise import PROBE

# One statement that was seen before, as it stands in a handler, and in a loop that does nothing else.
ONE_IMPORT = """
import models.geolocation, time
def handler(times):
    begin = time.process_time()
    for _ in range(times):
        from models.geolocation import Geolocation
    return time.process_time() - begin
handler(1000)
print(handler(200_000) / 200_000 * 1e9)
"""

SERVICE = """
    import json

    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/")
    def answer():
        from models.structured import Structured, Action
        from models.geolocation import Geolocation
        import models.audio_file
        segments = [Structured(title=f"t{n}", actions=[Action(text="x")] * 5).model_dump() for n in range(20)]
        return {"n": len(json.dumps(segments)), "place": Geolocation().model_dump()}
"""
MODELS = {
    "structured": """
        from pydantic import BaseModel
        class Action(BaseModel):
            text: str
        class Structured(BaseModel):
            title: str
            actions: list[Action]
    """,
    "geolocation": "from pydantic import BaseModel\nclass Geolocation(BaseModel):\n    latitude: float = 0.0\n",
    "audio_file": "SECONDS = 1\n",
}


def environment(tree: Path, facts: Path | None) -> dict[str, str]:
    """That of a service with the probe; with `facts` None, of one without."""
    probe = {"PYTHONPATH": str(PROBE), "E2E_PROBE_DIR": str(facts), "E2E_PROBE_WATCH": "models.*"}
    return dict(os.environ) | {"E2E_PROBE_ROOT": str(tree)} | (probe if facts else {})


class Server:
    """The service in a process of its own, with the probe or without."""

    def __init__(self, tree: Path, facts: Path | None) -> None:
        port, env = free_port(), environment(tree, facts)
        command = [sys.executable, "-m", "uvicorn", "main:app", "--port", str(port), "--log-level", "warning"]
        self._process = subprocess.Popen(command, cwd=tree, env=env)
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}")
        self._usage = psutil.Process(self._process.pid)

    def __enter__(self) -> "Server":
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                self._client.get("/")
                return self
            except httpx.TransportError:
                time.sleep(0.05)
        raise SystemExit("the service did not answer within 30 s; see what it printed")

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._process.kill()
        self._process.wait()

    def cpu(self) -> float:
        """Seconds of CPU so far, of all threads that live: by the scheduler, which counts finer than the clock tick."""
        tasks = Path(f"/proc/{self._process.pid}/task").glob("*/schedstat")
        nanoseconds = [int(task.read_text().split()[0]) for task in tasks]
        times = self._usage.cpu_times()
        return sum(nanoseconds) / 1e9 if nanoseconds else times.user + times.system

    def work(self, requests: int) -> float:
        """Seconds of CPU for that many requests."""
        before = self.cpu()
        for _ in range(requests):
            self._client.get("/").raise_for_status()
        return self.cpu() - before


def paired(measure, rounds: int) -> list[tuple[float, float]]:
    """(without, with) of each round; the first of the two changes from round to round."""
    pairs = []
    for number in range(rounds):
        order = (False, True) if number % 2 else (True, False)
        seconds = {probe: measure(probe) for probe in order}
        pairs.append((seconds[False], seconds[True]))
    return pairs


def tell(what: str, pairs: list[tuple[float, float]]) -> float:
    """Print one line and return the ratio: of the sums, so that a coarse clock evens out."""
    ratio = sum(b for _, b in pairs) / sum(a for a, _ in pairs)
    spread = statistics.stdev(b - a for a, b in pairs) / statistics.mean(a for a, _ in pairs) if len(pairs) > 1 else 0.0
    without, probed = (statistics.mean(column) * 1000 for column in zip(*pairs, strict=True))
    print(
        f"{what}: {without:.1f} ms CPU without the probe, {probed:.1f} ms with it, ratio {ratio:.4f} "
        f"({len(pairs)} pairs, standard deviation of the difference {spread:.1%})"
    )
    return ratio


def one_import(tree: Path, facts: Path | None) -> float:
    """Nanoseconds of CPU."""
    (tree / "one.py").write_text(ONE_IMPORT)
    done = subprocess.run(
        [sys.executable, "one.py"], cwd=tree, env=environment(tree, facts), capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def main(rounds: int = 30, requests: int = 300) -> None:
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        tree, facts = Path(place) / "service", Path(place) / "facts"
        (tree / "models").mkdir(parents=True)
        facts.mkdir()
        (tree / "main.py").write_text(textwrap.dedent(SERVICE))
        for name, text in MODELS.items():
            (tree / "models" / f"{name}.py").write_text(textwrap.dedent(text))

        def start(probe: bool) -> float:
            with Server(tree, facts if probe else None) as server:
                return server.cpu()

        servers = {probe: stack.enter_context(Server(tree, facts if probe else None)) for probe in (False, True)}
        for server in servers.values():
            server.work(requests)
        tell(f"{requests} requests, three imports each", paired(lambda probe: servers[probe].work(requests), rounds))
        tell("start", paired(start, max(2, rounds // 5)))
        pairs = paired(lambda probe: one_import(tree, facts if probe else None), max(2, rounds // 5))
        without, probed = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"one import that was seen before: {without:.0f} ns without the probe, {probed:.0f} ns with it")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
