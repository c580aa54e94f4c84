"""Real services, started and ended: healthy ones, ones that die, and ones that will not go."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.errors import ConfigError, ExitCode, ServiceError
from e2e.observe.spec import LogSpec, ServiceSpec
from tests.observe.conftest import gone, records, until


async def test_both_services_start_answer_and_end(make, services, journal, tmp_path):
    backend = make("import os\nprint('INFO:x:env', os.environ['COLOUR'], sys.stdin.read() == '')\nserve()")
    backend = ServiceSpec(**{f: getattr(backend, f) for f in backend.__slots__} | {"env": {"COLOUR": "blue"}})
    running = services(backend, make(name="pusher"))
    await running.start()
    assert running.resources()["backend"].rss_mb > 1
    running.set_phase("stream")
    assert running.logs["backend"].phase == "stream"
    await running.stop()
    await running.stop()
    assert [r["service"] for r in records(journal, "service", event="launched")] == ["pusher", "backend"]
    for name in ("backend", "pusher"):
        (healthy,) = records(journal, "service", service=name, event="healthy")
        assert healthy["health"]["status"] == 200 and "healthy" in healthy["health"]["body"] and healthy["seconds"] > 0
        (stopped,) = records(journal, "service", service=name, event="stopped")
        assert stopped["code"] == 0
        (opened, closed) = records(journal, "log_source", service=name)
        assert (opened["state"], closed["state"], opened["source"]) == ("open", "closed", "process")
        assert closed["boot_marker"] == "INFO:     Application startup complete."
        # The last lines are never lost, an unfinished one included.
        assert records(journal, "log", service=name)[-1]["text"] == "INFO:x:last line"
        assert (tmp_path / "logs" / f"{name}.log").read_text().endswith("INFO:x:last line\n")
    assert records(journal, "log", service="backend")[0]["text"] == "INFO:x:env blue True"
    assert running.failed is None and not records(journal, "service", event="exited")


async def test_a_service_that_dies_at_boot_of_an_import_error(make, services, journal, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "geolocation.py").write_text("")
    other = make(name="pusher")
    running = services(other, make("from models.geolocation import Geolocation", serve="print('INFO:x:starting')\n"))
    with pytest.raises(ServiceError) as caught:
        await running.start()
    assert caught.value.exit_code == ExitCode.UNREACHABLE
    text = str(caught.value)
    assert text.startswith(
        "backend ended at boot with code 1: cannot import name 'Geolocation' from 'models.geolocation'"
    )
    assert "backend.py line 3" in text
    (found,) = records(journal, "import_error")
    assert (found["module"], found["name"], found["phase"]) == ("models.geolocation", "Geolocation", "boot")
    assert found["evidence"][0].startswith("Traceback") and found["line"] == 3
    (exited,) = records(journal, "service", event="exited")
    assert exited["code"] == 1 and exited["service"] == "backend"
    # The other one is down before the error is raised.
    (launched,) = records(journal, "service", event="launched", service="pusher")
    assert gone(launched["pid"])
    assert len(records(journal, "log_source", state="closed")) == 2


async def test_a_service_that_says_why_it_ends(make, services):
    body = "print('ERROR:x:no credentials, hunter2-secret'); sys.exit(7)"
    with pytest.raises(ServiceError, match=r"ended at boot with code 7: ERROR:x:no credentials, \[redacted\]"):
        await services(make(body)).start()


async def test_a_service_that_never_gets_healthy(make, services, journal):
    spec = make(health="/wrong", boot_timeout=0.5)
    with pytest.raises(ServiceError, match=r"backend: not ready after 0.5 s at http.*/wrong: it answered HTTP 404"):
        await services(spec).start()
    assert records(journal, "service", event="unhealthy") and records(journal, "service", event="stopped")


async def test_a_taken_port_names_its_holder(make, services, journal):
    spec = make()
    taken = rf"port \d+ on 127.0.0.1 is already taken \(by {os.getpid()}/"
    with (
        socket.create_server(("127.0.0.1", int(spec.url.rsplit(":", 1)[1]))),
        pytest.raises(ServiceError, match=taken),
    ):
        await services(spec).start()
    assert not records(journal, "service", event="launched")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"command": ("no-such-program-here",)}, "program 'no-such-program-here' was not found"),
        ({"command": ("./no-such-script",)}, "program './no-such-script' was not found"),
        ({"cwd": Path("/no/such/directory")}, "working directory /no/such/directory"),
        ({"command": ()}, "empty list"),
    ],
)
async def test_a_command_that_cannot_be_started(make, services, change, text):
    spec = make()
    spec = ServiceSpec(**{f: getattr(spec, f) for f in spec.__slots__} | change)
    with pytest.raises(ConfigError, match=text) as caught:
        await services(spec).start()
    assert caught.value.exit_code == ExitCode.USAGE


async def test_one_that_ignores_sigterm_is_killed_with_its_grandchild(make, services, journal):
    body = """
        import subprocess
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stay = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
        child = subprocess.Popen([sys.executable, "-c", stay])
        print("INFO:x:grandchild", child.pid)
        serve()
    """
    running = services(make(body))
    await running.start()
    (line,) = [r["text"] for r in records(journal, "log") if "grandchild" in r["text"]]
    await running.stop(grace=0.3)
    assert records(journal, "service", event="stopped")[0]["code"] == -signal.SIGKILL
    await until(lambda: gone(int(line.split()[-1])))


async def test_a_grandchild_that_holds_the_output_does_not_hide_a_death(make, services, journal):
    body = """
        import subprocess, os
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
        print("INFO:x:grandchild", child.pid)
        threading.Timer(0.5, lambda: os._exit(5)).start()
        serve()
    """
    running = services(make(body))
    await running.start()
    await until(lambda: running.failed)
    assert "ended in mid-run with code 5" in running.failed
    pid = int(next(r["text"] for r in records(journal, "log") if "grandchild" in r["text"]).split()[-1])
    os.kill(pid, signal.SIGKILL)  # it left the group on purpose
    await running.stop()


async def test_a_death_in_mid_run_is_told_at_once(make, services, journal):
    body = """
        import os
        def die():
            print("ERROR:x:out of luck", flush=True)
            os._exit(9)
        threading.Timer(0.6, die).start()
        serve()
    """
    running = services(make(body))
    await running.start()
    await until(lambda: running.failed)
    assert running.resources() == {}
    assert running.failed == "backend ended in mid-run with code 9: ERROR:x:out of luck"
    assert records(journal, "service", event="exited")[0]["code"] == 9
    await running.stop()
    assert not records(journal, "service", event="stopped")


async def test_an_import_error_has_the_phase_of_the_run(make, services, journal):
    body = """
        def later():
            time.sleep(0.5)
            print("Error processing transcript batch: No module named 'aac'", flush=True)
        print("WARNING:x:failed: No module named 'early'")
        threading.Thread(target=later, daemon=True).start()
        serve()
    """
    running = services(make(body))
    await running.start()
    running.set_phase("stream")
    await until(lambda: len(records(journal, "import_error")) == 2)
    await running.stop()
    assert [(r["module"], r["phase"]) for r in records(journal, "import_error")] == [
        ("early", "boot"),
        ("aac", "stream"),
    ]


async def test_a_huge_line_and_secrets_do_no_harm(make, services, journal, tmp_path):
    body = "print('x ' * 5_000_000)\nprint('INFO:x:password=hunter2-secret')\nserve()"
    running = services(make(body))
    await running.start()
    await running.stop()
    lines = records(journal, "log")
    assert lines[0]["text"].endswith("[line cut]") and len(lines[0]["text"]) < 17_000
    assert lines[1]["text"] == "INFO:x:password=[redacted]"
    assert records(journal, "log_source", state="closed")[0]["bytes"] > 10_000_000
    assert "hunter2" not in (tmp_path / "logs" / "backend.log").read_text()


async def test_a_service_that_runs_already(make, services, journal, tmp_path):
    log = tmp_path / "service.log"
    spec = make()
    with log.open("wb") as out, subprocess.Popen(spec.command, stdout=out, stderr=out) as process:  # noqa: ASYNC220
        try:
            await until(lambda: b"complete" in log.read_bytes())
            attached = ServiceSpec("backend", spec.url, health="/health", log=LogSpec("file", path=log))
            async with services(attached):
                with log.open("a") as file:
                    file.write("INFO:routers.transcribe:_listen e2e-1\n")
        finally:
            process.kill()
        async_services = services(ServiceSpec("pusher", spec.url, health="/health"))
        with pytest.raises(ServiceError, match="pusher: nothing answers at"):
            await async_services.start()
    (closed,) = records(journal, "log_source", service="backend", state="closed")
    assert (closed["source"], closed["lines"], closed["boot_marker"]) == ("file", 1, None)
    (missing,) = records(journal, "log_source", service="pusher")
    assert (missing["source"], missing["state"]) == ("none", "missing")
    assert len(records(journal, "service", event="healthy")) == 1


async def test_a_port_is_enough_where_there_is_no_health_path(make, services, journal):
    async with services(make(health=None)):
        pass
    assert records(journal, "service", event="healthy")[0]["health"]["status"] is None


async def test_a_cancelled_start_leaves_nothing_behind(make, services, journal):
    running = services(make("time.sleep(600)"))
    task = asyncio.create_task(running.start())
    await until(lambda: records(journal, "service", event="launched"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gone(records(journal, "service", event="launched")[0]["pid"])
    assert records(journal, "log_source", state="closed")


RUN = """
import asyncio, sys, time
from pathlib import Path
from e2e.observe.launcher import Services
from e2e.observe.spec import ServiceSpec
from e2e.record.journal import Journal

async def main(url, script, where):
    spec = ServiceSpec("backend", url, (sys.executable, script), health="/health")
    async with Services([spec], Journal(Path(where) / "j.jsonl", time.monotonic), Path(where)):
        print("up", flush=True)
        await asyncio.sleep(600)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_children_end_with_a_run_that_is_killed(make, tmp_path):
    spec = make(
        "import subprocess\nc = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "open('pids', 'w').write(__import__('json').dumps([__import__('os').getpid(), c.pid]))\nserve()"
    )
    run = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN, spec.url, spec.command[1], str(tmp_path), cwd=tmp_path, stdout=subprocess.PIPE
    )
    assert await asyncio.wait_for(run.stdout.readline(), 30) == b"up\n"
    pids = json.loads((tmp_path / "pids").read_text())
    assert not any(gone(pid) for pid in pids)
    run.kill()
    await run.wait()
    await until(lambda: all(gone(pid) for pid in pids))
