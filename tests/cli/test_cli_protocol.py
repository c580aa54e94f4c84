"""Each protocol fault of the stand-in, seen by a real run of `smoke`; and many sessions without one."""

import pytest

from tests.cli.conftest import Cli
from tests.standin.test_standin_misbehave import CODES, SLOW

STANDIN = ("--standin", "--recogniser", "vad", "--timers", "0.03", "--pace", "max")
QUICK = ("message-after-close",)  # what no other quick test shows on a real socket


@pytest.fixture
def cli(tmp_path):
    return Cli(tmp_path)


def shows(result, code):
    assert result.code == 1
    (check,) = [check for check in result.run["checks"] if check["name"] == "protocol"]
    assert check["status"] == "fail" and any(line.startswith(f"{code} ") for line in check["evidence"])
    (row,) = result.run["findings"]
    assert row["code"] == code and row["count"] >= 1 and row["evidence"]
    report = (result.directory / "reports/latest/report.md").read_text()
    assert f"| {code} |" in report and code in (result.directory / "reports/latest/report.html").read_text()


@pytest.mark.parametrize("fault", QUICK)
def test_a_fault_on_the_wire_is_found(cli, fault):
    shows(cli("run", "smoke", *STANDIN, "--fault", f"protocol={fault}"), CODES[fault])


@pytest.mark.slow
@pytest.mark.parametrize("fault", [fault for fault in CODES if fault not in QUICK])
def test_every_fault_is_found(cli, fault):
    shows(cli("run", "smoke", *STANDIN, "--fault", f"protocol={fault}"), CODES[fault])


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("fault", SLOW)
def test_a_fault_that_needs_time_is_found_by_the_scenario_that_it_names(cli, fault):
    scenario, code = SLOW[fault]
    how = ("--pace", "max", "--chunks", "20") if scenario == "pusher" else ("--chunks", "260")
    args = ("--standin", "--recogniser", "vad", "--fault", f"protocol-slow={fault}")
    shows(cli("run", scenario, *args, *how, timeout=200.0), code)  # it waits up to 75 s for the end of a handler


@pytest.mark.slow
def test_without_a_fault_a_hundred_sessions_have_no_finding(cli):
    result = cli("run", "smoke", *STANDIN, "--users", "100")
    assert result.code == 0 and result.run["counters"]["sessions_ready"] == 100
    assert result.run["findings"] == [] and result.checks()["protocol"] == "pass"
    assert result.run["protocol"] == {"profile": "2026-03", "seen": ["2026-03"], "sessions": 101, "unknown": {}}
