"""What the doctor says of a machine, from figures that are given to it."""

import math
import socket
from importlib.metadata import PackageNotFoundError, version
from types import SimpleNamespace

import pytest

from e2e.doctor import machine
from e2e.doctor.packages import check_packages, check_python
from e2e.engine.limits import Limits
from e2e.errors import UsageError


def statuses(findings):
    return {finding.subject: finding.status for finding in findings}


def test_python_is_new_enough_or_not():
    assert check_python((3, 11, 0)).status == "ok"
    old = check_python((3, 10, 14))
    assert old.status == "bad" and "3.10.14" in old.text and "3.11" in old.todo


def test_packages_as_they_are_declared():
    found = {f.subject: f for f in check_packages()}
    assert found["packages"].status == "ok"
    assert "extra standin" in found and not {"extra dev", "extra bench"} & set(found)


def test_a_package_that_is_missing_or_too_old():
    def installed(name: str) -> str:
        if name in ("numpy", "fastapi"):
            raise PackageNotFoundError(name)
        return "1.0" if name == "websockets" else version(name)

    found = {f.subject: f for f in check_packages(installed=installed)}
    core = found["packages"]
    assert core.status == "bad" and "numpy>=1.26" in core.text and "websockets>=14.0" in core.text
    assert core.todo.startswith("pip install '") and "fastapi" not in core.todo
    extra = found["extra standin"]
    assert extra.status == "warn" and extra.text.startswith("not there: fastapi") and "e2e[standin]" in extra.todo


def test_without_metadata_it_says_so():
    (finding,) = check_packages("e2e-that-nobody-installed")
    assert finding.status == "warn" and finding.todo


def test_limits_for_so_many_users():
    enough = list(machine.check_limits_for(900, Limits(1024, 28_232)))
    assert statuses(enough) == {"open files": "ok", "local ports": "ok"}
    assert "924 devices" in enough[0].text
    files, ports = machine.check_limits_for(30_000, Limits(1024, 28_232))
    assert files.status == ports.status == "bad"
    assert "30100 open files" in files.text and "ulimit" in files.todo
    assert "28232" in ports.text and "ip_local_port_range" in ports.todo
    unknown = next(machine.check_limits_for(1, Limits(math.inf, math.inf)))
    assert unknown.status == "ok" and "no limit" in unknown.text


def test_processors_that_others_use():
    assert machine.check_processors(999.0).status == "warn"
    assert "0.0 busy in the last minute" in machine.check_processors(0.0).text
    assert " busy " in machine.check_processors().text


def test_room_for_reports(tmp_path, monkeypatch):
    assert machine.check_disk(tmp_path).text.endswith("GiB are free")
    assert machine.check_disk(tmp_path / "nowhere").status == "bad"
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=2**29))
    full = machine.check_disk(tmp_path)
    assert (full.status, full.text) == ("warn", "0.5 GiB are free") and full.todo


class Clock:
    """Both clocks of a machine; each sleep takes `late` longer, and moves the wall clock by `step`."""

    def __init__(self, late: float = 0.0, step: float = 0.0, wall: float = 1.8e9) -> None:
        self.now, self.late, self.step, self.offset = 50.0, late, step, wall

    async def sleep(self, seconds: float) -> None:
        self.now += seconds + self.late
        self.offset += self.step

    async def check(self):
        found = await machine.check_clock(lambda: self.now, lambda: self.now + self.offset, self.sleep)
        return {finding.subject: finding.status for finding in found}


async def test_clocks():
    assert await Clock().check() == {"clock": "ok", "timers": "ok"}
    assert await Clock(late=0.02).check() == {"clock": "ok", "timers": "warn"}
    assert await Clock(late=0.2).check() == {"clock": "ok", "timers": "bad"}
    assert await Clock(step=0.01).check() == {"clock": "warn", "timers": "ok"}
    assert await Clock(wall=0.0).check() == {"clock": "ok", "wall clock": "bad", "timers": "ok"}


def test_ways_to_send(monkeypatch):
    monkeypatch.setenv("E2E_SEND", "transport")
    assert machine.check_sending().status == "ok"
    monkeypatch.setenv("E2E_SEND", "pigeon")
    assert machine.check_sending().status == "bad"

    def no_ring():
        raise OSError(1, "Operation not permitted")

    monkeypatch.delenv("E2E_SEND")
    monkeypatch.setattr("e2e.clients.ring.SendRing", no_ring)
    assert machine.check_sending().status == "warn"


def test_the_event_loop_of_a_run():
    def refused():
        raise UsageError("E2E_LOOP=pigeon: it may be asyncio or uvloop, or not be set")

    assert machine.check_loop(lambda: "asyncio").text == "asyncio"
    assert machine.check_loop(refused).status == "bad"


def test_a_port_that_somebody_holds(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(machine, "STANDIN_PORTS", (port,))
        (taken,) = machine.check_standin_ports()
    assert taken.status == "warn" and "held by" in taken.text
    (free,) = machine.check_standin_ports()
    assert free.status == "ok"


@pytest.mark.parametrize("users", (1, 100))
def test_this_machine_can_carry_a_few(users):
    assert set(statuses(machine.check_limits_for(users)).values()) == {"ok"}
