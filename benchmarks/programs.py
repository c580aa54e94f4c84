"""Starting and ending what runs in the benchmarks: the C programs, the sink, and the clients, each on its core."""

import json
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).parent
END_SECONDS = 10.0


class BenchmarkError(Exception):
    """A benchmark cannot be done."""


def build(directory: Path) -> None:
    """Compile `sink` and `client` into a directory.

    Raises:
        BenchmarkError: there is no C compiler, or it does not accept them.
    """
    for name in ("sink", "client"):
        command = ["cc", "-O2", "-o", str(directory / name), str(HERE / f"{name}.c")]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except FileNotFoundError:
            raise BenchmarkError("cc is missing: install a C compiler, such as with `apt-get install gcc`") from None
        except subprocess.CalledProcessError as error:
            raise BenchmarkError(f"cc does not accept {name}.c: {error.stderr}") from error


class Program:
    """A child process on one core; what it says goes to a file. Ended on exit, whatever happens."""

    def __init__(
        self, command: list[str], core: int, output: Path, directory: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.output = output
        with output.open("wb") as out, output.with_suffix(".err").open("wb") as err:
            self._process = subprocess.Popen(
                command,
                stdout=out,
                stderr=err,
                stdin=subprocess.DEVNULL,
                cwd=directory,
                env={**os.environ, **(env or {})},
                preexec_fn=lambda: os.sched_setaffinity(0, {core}),
            )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL, for a client whose last words nobody needs."""
        self._process.kill()

    def end(self) -> None:
        """SIGTERM, and SIGKILL when that was not enough."""
        if self.running:
            self._process.terminate()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def last_words(self, size: int = 600) -> str:
        """The end of what it said, to know why it did not do what it should."""
        streams = (self.output, self.output.with_suffix(".err"))
        return "\n".join(path.read_text(errors="replace").strip()[-size:] for path in streams).strip()

    def last_json(self) -> dict[str, Any]:
        """The last line of its output that is a JSON object; empty when there is none."""
        for line in reversed(self.output.read_text(errors="replace").splitlines()):
            if line.startswith("{"):
                try:
                    return json.loads(line)
                except json.JSONDecodeError:
                    continue
        return {}


class Sink(Program):
    """The service that all clients talk to. Options: see `sink.c`."""

    def __init__(self, directory: Path, core: int, chunks: int, warm: float, deaf_every: int = 0) -> None:
        command = [str(directory / "sink"), str(chunks), str(round(warm * 1000)), str(deaf_every)]
        super().__init__(command, core, directory / "sink.out", directory)
        self.port = self._read_port()

    def _read_port(self) -> int:
        deadline = time.monotonic() + END_SECONDS
        while time.monotonic() < deadline and self.running:
            text = self.output.read_text()
            if text.endswith("\n"):
                return int(text)
            time.sleep(0.01)
        self.end()
        raise BenchmarkError(f"the sink did not start: {self.output.with_suffix('.err').read_text()}")

    @property
    def idle(self) -> bool:
        """Whether there were streams and all of them have ended."""
        return "idle" in self.output.read_text()

    def report(self) -> dict[str, Any]:
        """End it and read what it counted.

        Raises:
            BenchmarkError: it said nothing.
        """
        self.end()
        counted = self.last_json()
        if not counted:
            raise BenchmarkError("the sink ended without a report")
        return counted
