"""What the doctor says of a target: small servers on loopback, and files and commands that are there or not."""

import asyncio
import sys
from contextlib import asynccontextmanager
from email.utils import formatdate

import pytest

from e2e.doctor.target import check_credentials, check_services, check_webhook, compare_clocks
from e2e.engine.target import TargetConfig
from e2e.engine.webhook import WebhookSpec
from e2e.observe.spec import LogSpec, ServiceSpec
from e2e.protocol.auth import Credentials

KEY = "sesame-key-"
GOOD = Credentials("admin", KEY, "dev")


@asynccontextmanager
async def omi():
    """Answers /v1/health and /health, and the rest only to the key."""

    async def answer(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        status = "200 OK" if "health " in head or f"Bearer {KEY}dev" in head else "401 Unauthorized"
        lines = (f"HTTP/1.1 {status}", f"Date: {formatdate(usegmt=True)}", "Content-Length: 2", "Connection: close")
        writer.write("\r\n".join([*lines, "", "ok"]).encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def target(url: str, credentials=GOOD, log=LogSpec(), **fields) -> TargetConfig:  # noqa: B008 - immutable
    backend = ServiceSpec("backend", url, **{"health": "/v1/health", "log": log} | fields)
    pusher = ServiceSpec("pusher", url, health="/health", log=log)
    return TargetConfig("local", backend, pusher, credentials)


async def found(config: TargetConfig) -> dict[str, tuple[str, str, str]]:
    findings = await check_services(config)
    for finding in findings:
        assert finding.status != "bad" or finding.todo, finding
        assert KEY not in f"{finding.text} {finding.todo}"
    return {f.subject: (f.status, f.text, f.todo) for f in findings}


async def test_services_that_run_and_take_the_credentials():
    async with omi() as url:
        said = await found(target(url))
    assert said["backend"][0] == said["pusher"][0] == said["credentials, asked"][0] == "ok"
    assert said["clock of the backend"][0] == "ok"
    assert said["backend"][1].endswith("/v1/health: HTTP 200")
    assert "loopback" in said["backend address"][1]
    assert said["backend log"][0] == "warn" and "exit code 4" in said["backend log"][1]


async def test_a_health_path_that_is_wrong_and_credentials_that_are_refused():
    async with omi() as url:
        said = await found(target(url, Credentials("admin", "another-key-", "dev"), health="/nowhere"))
    assert said["backend"][0] == "bad" and "HTTP 401" in said["backend"][1]
    assert said["credentials, asked"][0] == "bad" and "401" in said["credentials, asked"][1]


async def test_an_answer_that_is_not_expected():
    async with omi() as url:
        config = target(url)
        row = config.endpoints[-2]  # 200 or 500
        said = await found(TargetConfig("local", config.backend, None, GOOD, (row,)))
        assert said["credentials, asked"][0] == "ok"
    assert said["pusher"][0] == "warn" and "not configured" in said["pusher"][1]


async def test_nobody_is_there():
    async with omi() as url:
        pass
    said = await found(target(url))
    assert said["backend"][0] == said["pusher"][0] == "bad" and "a command" in said["backend"][2]
    assert said["credentials, asked"][0] == "warn"


async def test_without_a_health_path_an_open_port_is_all_one_knows():
    async with omi() as url:
        said = await found(target(url, health=None))
    assert said["backend"][0] == "warn" and "backend.health" in said["backend"][2]


async def test_commands_that_can_and_cannot_be_started(tmp_path):
    async with omi() as url:
        pass
    start = {"command": (sys.executable, "-m", "http.server"), "cwd": tmp_path}
    said = await found(target(url, log=LogSpec("process"), **start))
    assert said["backend command"][0] == said["backend log"][0] == "ok"
    assert "credentials, asked" not in said, "nobody is there to be asked"
    said = await found(target(url, command=("no-such-program",), cwd=tmp_path))
    assert said["backend command"][0] == "bad" and "no-such-program" in said["backend command"][1]
    said = await found(target(url, **start | {"cwd": tmp_path / "nowhere"}))
    assert said["backend command"][0] == "bad" and "nowhere" in said["backend command"][1]
    async with omi() as url:
        said = await found(target(url, **start))
    assert said["backend command"][0] == "bad" and "is held by" in said["backend command"][1]


@pytest.mark.parametrize(
    ("log", "status", "says"),
    (
        (LogSpec("command", command=(sys.executable, "-V")), "ok", "is found"),
        (LogSpec("command", command=("no-such-collector",)), "bad", "no-such-collector"),
    ),
)
async def test_logs_of_a_command(log, status, says):
    async with omi() as url:
        said = await found(target(url, log=log))
    assert said["backend log"][0] == status and says in said["backend log"][1]


async def test_logs_in_a_file(tmp_path):
    there = tmp_path / "backend.log"
    there.touch()
    async with omi() as url:
        for path, status in (
            (there, "ok"),
            (tmp_path / "later.log", "warn"),
            (tmp_path / "no/such/place.log", "bad"),
            (tmp_path, "bad"),
        ):
            said = await found(target(url, log=LogSpec("file", path=path)))
            assert said["backend log"][0] == status, path


async def test_the_port_of_webhooks():
    assert list(check_webhook(WebhookSpec())) == []
    async with omi() as url:
        port = int(url.rpartition(":")[2])
        (taken,) = check_webhook(WebhookSpec(port=port))
    assert taken.status == "bad" and "is held by" in taken.text
    assert [finding.status for finding in check_webhook(WebhookSpec(port=port))] == ["ok"]


def test_the_clock_of_the_backend():
    date, then = "Sat, 14 Mar 2026 09:26:53 GMT", 1_773_480_413.0
    assert [f.status for f in compare_clocks(date, then + 0.9)] == ["ok"]
    (ahead,) = compare_clocks(date, then + 90)
    assert ahead.status == "warn" and "90 s ahead" in ahead.text
    (behind,) = compare_clocks(date, then - 3600)
    assert "3600 s behind" in behind.text
    for none in (None, "", "yesterday"):
        assert list(compare_clocks(none, then)) == []


def test_credentials_are_never_said():
    said = check_credentials(GOOD, None)
    assert said.status == "ok" and KEY not in said.text and "dev" in said.text
    assert check_credentials(None, None).status == "warn"
    assert check_credentials(None, "the environment variable ADMIN_KEY is not set").status == "bad"
