"""What is seen of services beside their start: whether they still answer, and which of their words count."""

import asyncio
import contextlib
import subprocess
import sys

import pytest

from e2e.errors import ServiceError
from e2e.observe import health, launcher
from e2e.observe.spec import LogSpec, ServiceSpec
from tests.observe.conftest import records, until


def free(url):
    """Whether nobody listens there yet."""
    return health.port_taken("127.0.0.1", int(url.rsplit(":", 1)[1])) is None


async def test_a_service_that_runs_already_and_stops_answering_is_told_once(make, services, journal, monkeypatch):
    monkeypatch.setattr(launcher, "_WATCH_SECONDS", 0.05)
    spec = make()
    process = subprocess.Popen(spec.command, stdout=subprocess.DEVNULL)  # noqa: ASYNC220
    try:
        await until(lambda: not free(spec.url))
        async with services(ServiceSpec("backend", spec.url, health="/health")) as running:
            assert running.resources() == {}
            process.kill()
            await until(lambda: records(journal, "service", event="unhealthy"))
    finally:
        process.kill()
        process.wait()
    (unhealthy,) = records(journal, "service", event="unhealthy")
    assert unhealthy["error"].startswith(f"backend: it answers no more at {spec.url}/health: ")


@pytest.mark.parametrize("dies", [True, False])
async def test_a_service_that_runs_already_is_probed_again_at_the_end(make, services, journal, dies):
    spec = make()
    process = subprocess.Popen(spec.command, stdout=subprocess.DEVNULL)  # noqa: ASYNC220
    try:
        await until(lambda: not free(spec.url))
        async with services(ServiceSpec("backend", spec.url, health="/health")):
            if dies:
                process.kill()
                process.wait()
    finally:
        process.kill()
        process.wait()
    assert len(records(journal, "service", event="unhealthy")) == dies


async def test_an_answer_that_drips_is_no_answer(make, services, journal, monkeypatch):
    monkeypatch.setattr(health, "_PROBE_SECONDS", 0.5)

    async def drip(reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        with contextlib.suppress(OSError):
            while not writer.is_closing():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.05)

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        with pytest.raises(ServiceError, match=r"no complete answer within 0.5 s"):
            await asyncio.wait_for(services(ServiceSpec("backend", url, health="/health")).start(), 20)
    finally:
        server.close()


LOGS_TWICE = """
    log = open("service.log", "a")
    def say(line, *, only_printed=False):
        print(line, flush=True)
        if not only_printed:
            print(line, file=log, flush=True)
    say("INFO:     Application startup complete.")
    say("ERROR:x:No module named 'both'")
    say("ERROR:x:out of luck")
    say("Exception in thread: No module named 'printed'", only_printed=True)
    say("Exception in thread: No module named 'printed'", only_printed=True)
"""


async def test_a_service_that_prints_what_it_logs_is_read_once(make, services, journal, tmp_path):
    log = LogSpec("file", path=tmp_path / "service.log")
    running = services(make(LOGS_TWICE + "    serve()", log=log))
    await running.start()
    await until(lambda: len(records(journal, "log")) == 3)
    await running.stop()
    (closed,) = records(journal, "log_source", state="closed")
    assert (closed["source"], closed["lines"]) == ("file", 3)
    assert len(records(journal, "log")) == 3 and len(records(journal, "error_line")) == 1
    assert len(records(journal, "lifecycle", event="startup_complete")) == 1
    found = [(r["module"], r["source"], r["n"]) for r in records(journal, "import_error")]
    assert found == [("both", "log", 2), ("printed", "output", None)]
    assert "printed" in (tmp_path / "logs" / "backend.output.log").read_text()


async def test_a_failed_boot_is_explained_by_what_was_printed(make, services, journal, tmp_path):
    spec = make("import not_there_at_all", serve="", log=LogSpec("file", path=tmp_path / "service.log"))
    with pytest.raises(ServiceError, match="ended at boot with code 1: No module named 'not_there_at_all'"):
        await services(spec).start()
    assert [r["source"] for r in records(journal, "import_error")] == ["output"]


async def test_a_log_command_that_ends_with_its_service_did_not_fail(make, services, journal, tmp_path):
    up = tmp_path / "up"
    up.write_text("")
    follow = "import os, sys, time\nwhile os.path.exists(sys.argv[1]): time.sleep(0.02)"
    body = """
        import os
        def end(*_):
            os.remove("up")
            time.sleep(0.6)
            os._exit(0)
        signal.signal(signal.SIGTERM, end)
        serve()
    """
    log = LogSpec("command", command=(sys.executable, "-c", follow, str(up)))
    async with services(make(body, log=log)):
        pass
    assert not up.exists()
    (closed,) = records(journal, "log_source", state="closed")
    assert closed["failures"] == 0 and not records(journal, "log_source", state="failed")
