"""Watching a run: the live screen and its keys in a real terminal, `--prometheus` and `--otel`."""

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cli.conftest import E2E, STANDIN, free_port, poll
from tests.live.test_live_otel import Receiver


class Terminal:
    """A shell in a terminal of 80 columns and 24 lines."""

    def __init__(self, e2e) -> None:
        self.name, self.e2e = f"e2e-{uuid.uuid4().hex[:8]}", e2e
        self.env = {k: v for k, v in e2e.env.items() if k not in ("CI", "NO_COLOR", "TMUX", "COLUMNS", "LINES")}
        size = ("-x", "80", "-y", "24")
        self.tmux("new-session", "-d", "-s", "t", *size, "-c", str(e2e.directory), "env PS1=ready: bash --norc -i")
        poll(lambda: "ready:" in self.text, "the prompt of the shell")

    def tmux(self, *args: str) -> str:
        command = ["tmux", "-L", self.name, "-f", "/dev/null", *args]
        return subprocess.run(command, capture_output=True, text=True, env=self.env, check=True).stdout

    def type(self, *keys: str) -> None:
        self.tmux("send-keys", "-t", "t", *keys)

    @property
    def lines(self) -> list[str]:
        """As they were written: one that the terminal had to wrap comes back as a whole."""
        return [line.rstrip() for line in self.tmux("capture-pane", "-p", "-J", "-t", "t").splitlines()]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def shows(self, pattern: str) -> str:
        return poll(lambda: re.search(pattern, self.text) and self.text, f"{pattern} in {self.text}")


@pytest.fixture
def terminal(e2e):
    terminal = Terminal(e2e)
    yield terminal
    terminal.tmux("kill-server")
    e2e.assert_nothing_left()


def controls(e2e) -> list[str]:
    records = [json.loads(line) for line in e2e.journal().splitlines() if '"control"' in line]
    return [record["what"] for record in records if record["type"] == "control"]


def fits(lines: list[str]) -> bool:
    """Whether that is one whole screen of 42 columns and 12 lines."""
    heads = sum("stream against" in line for line in lines)
    return heads == 1 and len(lines) <= 12 and all(len(line) <= 42 for line in lines)


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed: it is the terminal of this test")
def test_the_screen_fits_the_terminal_and_its_keys_change_and_finish_the_load(terminal, e2e):
    terminal.type(f"clear; {E2E} run stream.py {' '.join(STANDIN)} --users 3 --ramp 60s --chunks 9000", "Enter")
    seen = terminal.shows(r"streams +1 playing, 1 of 1 devices")
    lines = seen.splitlines()
    assert len(lines) <= 24 and all(len(line) <= 80 for line in lines), lines
    assert lines[0].startswith("stream against standin  streaming") and "q finish   p pause   + - users" in seen
    terminal.type("p")
    assert "p resume" in terminal.shows("paused: no device begins")
    terminal.type("p", "+")
    terminal.shows("2 of 2 devices at work")
    terminal.tmux("resize-window", "-t", "t", "-x", "42", "-y", "12")
    poll(lambda: fits(terminal.lines), "a screen of 42 columns and 12 lines")
    terminal.tmux("resize-window", "-t", "t", "-x", "80", "-y", "24")
    terminal.type("q")
    last = terminal.shows(r"verdict: (pass \(exit 0|inconclusive \(exit 4|invalid \(exit 5)\)")
    assert "q finish" not in last and controls(e2e) == ["pause", "resume", "users", "finish"]
    run = json.loads((e2e.directory / "reports/latest/run.json").read_text())
    assert run["ended"] == "finished" and run["counters"]["close_codes"] == {"1000": 2}
    assert any("users, to 2, at" in note and "finished at" in note for note in run["notes"])
    terminal.type("clear; stty -a", "Enter")
    assert not re.search(r"-icanon|-echo\b", terminal.shows("icanon"))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed: it is the terminal of this test")
@pytest.mark.parametrize("key", ("C-c", "C-z"))
def test_whatever_happens_the_terminal_is_as_it_was(terminal, e2e, key):
    terminal.type(f"clear; {E2E} run stream.py {' '.join(STANDIN)} --chunks 9000", "Enter")
    terminal.shows("streams +1 playing")
    terminal.type(key)
    terminal.shows(r"verdict: .*\(exit 130\)" if key == "C-c" else r"\[1\]\+ +Stopped")
    terminal.type("clear; stty -a; echo done", "Enter")
    assert not re.search(r"-icanon|-echo\b", terminal.shows(r"icanon[\s\S]*\ndone"))
    if key == "C-z":
        terminal.type("clear; fg", "Enter")
        terminal.shows("streams +1 playing")
        terminal.type("q")
        terminal.shows("verdict: ")
        assert controls(e2e) == ["finish"]


def test_a_port_in_use_and_an_extra_in_vain_are_one_error_before_anything_is_started(e2e):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        error = e2e("run", "stream.py", *STANDIN, "--prometheus", f":{port}").error
    assert error.startswith(f"--prometheus :{port}: cannot listen on port {port} of 127.0.0.1")
    assert "is no address" in e2e("run", "--otel", "podcast", "stream.py", *STANDIN).error
    assert not (e2e.directory / "reports").exists()


def scrape(port: int) -> dict[tuple, float]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except (urllib.error.URLError, ConnectionError):
        return {}
    samples = (s for family in text_string_to_metric_families(text) for s in family.samples)
    return {(s.name, *sorted(s.labels.items())): s.value for s in samples}


@pytest.mark.slow
def test_a_run_is_seen_from_outside_while_it_lasts(e2e):
    receiver, port = Receiver(), free_port()
    process = e2e.start(
        *("run", "stream.py", *STANDIN, "--users", "2", "--set", "chunks=40", "--prometheus", f":{port}"),
        *("--otel", receiver.url, "--quiet"),
    )
    seen = poll(lambda: [s for s in [scrape(port)] if s.get(("e2e_chunks_sent_total",), 0) > 5], "chunks are sent")[0]
    assert seen["e2e_streams",] == 2 and seen["e2e_phase", ("phase", "stream")] == 1
    assert seen["e2e_latency_seconds_count", ("metric", "ready")] == 2
    assert seen["e2e_service_up", ("service", "backend")] == 1
    result = e2e.finish(process)
    receiver.close()
    assert result.code in (0, 5) and result.err == ""
    points = receiver.points()
    assert points["e2e.chunks_sent",].as_double == result.run["counters"]["chunks_sent"] == 80
    assert (
        points["e2e.messages", ("type", "transcript")].as_double
        == result.run["counters"]["messages_by_type"]["transcript"]
    )


@pytest.mark.slow
def test_a_collector_that_is_not_there_costs_a_warning_and_no_verdict(e2e):
    began = time.monotonic()
    result = e2e("run", "stream.py", *STANDIN, "--otel", f"http://127.0.0.1:{free_port()}", "--quiet")
    assert result.code in (0, 5) and result.err.startswith(
        "e2e: OpenTelemetry: not all figures arrived at http://127.0.0.1:"
    )
    assert result.err.count("\n") == 1 and time.monotonic() - began < 60
