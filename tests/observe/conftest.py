"""Services to start: a small HTTP server with whatever a test adds, and what the journal then says of it."""

import asyncio
import socket
import sys
import textwrap
import time

import psutil
import pytest

from e2e.observe.launcher import Services
from e2e.observe.spec import LogSpec, ServiceSpec
from e2e.record.journal import Journal, read_journal
from e2e.record.redact import Redactor

SERVE = """
import http.server, signal, sys, threading, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ok = self.path == "/health"
        self.send_response(200 if ok else 404)
        self.end_headers()
        self.wfile.write(b'{"status":"healthy"}' if ok else b"")
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
def serve():
    print("INFO:     Application startup complete.", flush=True)
    server.serve_forever()
def end(*_):
    print("INFO:x:shutting down")
    print("INFO:x:last line", end="")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
"""


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal.jsonl", time.monotonic, Redactor(["hunter2-secret"])) as journal:
        yield journal


@pytest.fixture
def make(tmp_path, journal):
    """Write a script that runs after SERVE, and give the spec that starts it."""

    def spec(body="serve()", name="backend", *, serve=SERVE, **options):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        script = tmp_path / f"{name}.py"
        script.write_text(f"PORT = {port}\n" + serve + textwrap.dedent(body))
        options = {"health": "/health", "cwd": tmp_path, "log": LogSpec("process"), "boot_timeout": 30.0} | options
        return ServiceSpec(name, f"http://127.0.0.1:{port}", (sys.executable, str(script)), **options)

    return spec


@pytest.fixture
def services(tmp_path, journal):
    return lambda *specs: Services(specs, journal, tmp_path / "logs")


def records(journal, type, **fields):
    journal.flush()
    return [
        r
        for r in read_journal(journal.path)
        if r["type"] == type and all(r.get(key) == value for key, value in fields.items())
    ]


async def until(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


def gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
