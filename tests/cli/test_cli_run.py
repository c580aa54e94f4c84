"""Whole runs by the command line: each outcome has its exit code, and every report is there."""

import json
import signal
import sys

import pytest

from tests.cli.conftest import STANDIN, Cli, Standin, free_port, poll

QUICK = ("run", "stream.py", *STANDIN, "--pace", "20x")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run that is over, and its result."""
    cli = Cli(tmp_path_factory.mktemp("finished"))
    return cli, cli(*QUICK)


def test_a_run_that_passes(finished):
    cli, result = finished
    assert result.code == 0 and result.run["verdict"] == "pass"
    assert set(result.checks().values()) == {"pass"}
    assert result.run["counters"]["chunks_sent"] == 20
    assert "streaming" in result.err  # the plain live view
    assert (cli.directory / "reports/latest/logs/backend.log").stat().st_size > 0


def test_a_quiet_run_says_the_verdict_alone(e2e):
    result = e2e(*QUICK, "--quiet", "--out", "elsewhere", "--chunks", "5")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[-1].startswith("verdict: pass (exit 0) elsewhere/")
    run = json.loads((e2e.directory / "elsewhere/latest/run.json").read_text())
    assert run["counters"]["chunks_sent"] == 5
    assert not (e2e.directory / "reports").exists()


def test_nothing_listens(e2e):
    e2e.target(f"http://127.0.0.1:{free_port()}")
    result = e2e("run", "stream.py")
    assert result.code == 3 and result.run["counters"]["sessions_ready"] == 0


def test_wrong_credentials(e2e, served):
    e2e.target(served.backend, served.pusher)
    result = e2e("run", "stream.py", ADMIN_KEY="wrong-key-")
    assert result.code == 3 and "403" in result.out
    assert result.run["counters"]["sessions_failed"] == 1
    assert "wrong-key-" not in result.out + result.err + e2e.journal()


def test_a_server_that_never_gets_ready(e2e, tmp_path_factory):
    standin = Standin(tmp_path_factory.mktemp("mute"), "--fault", "session=never-ready", ADMIN_KEY="right-key-")
    try:
        e2e.target(standin.backend, standin.pusher, ready_timeout=0.5)
        result = e2e("run", "stream.py", ADMIN_KEY="right-key-")
    finally:
        stopped = standin.stop()
    assert result.code == 3 and "not ready within 0.5 s" in result.out
    assert result.run["counters"]["sessions_ready"] == 0
    assert stopped.code == 0


@pytest.mark.parametrize(("fault", "code"), (("session=close-1011", 1011), ("session=vanish", 1006)))
def test_a_session_that_ends_in_mid_stream(e2e, fault, code):
    result = e2e(*QUICK, "--fault", fault, "--chunks", "60")
    assert result.code == 1 and str(code) in result.out
    assert result.run["counters"]["close_codes"] == {str(code): 1}
    checks = result.checks()
    assert checks["connected"] == "pass" and checks["close_code"] == checks["all_chunks_sent"] == "fail"


def test_a_service_that_dies_at_boot_with_an_import_error(e2e):
    result = e2e(*QUICK, "--fault", "import=boot")
    assert result.code == 1 and "Geolocation" in result.out
    (error,) = result.run["imports"]["errors"]
    assert (error["service"], error["kind"], error["name"], error["phase"]) == (
        "backend",
        "ImportError",
        "Geolocation",
        "boot",
    )
    assert result.checks()["zero_import_errors"] == "fail"


def test_a_log_that_nobody_reads_decides_nothing(e2e, served):
    e2e.target(served.backend, served.pusher)
    result = e2e("run", "stream.py", "--pace", "20x", ADMIN_KEY="right-key-")
    assert (result.code, result.run["verdict"]) == (4, "inconclusive")
    assert result.checks()["zero_import_errors"] == "inconclusive"


def test_a_script_that_raises_fails_the_run_with_its_line(e2e):
    text = (e2e.directory / "stream.py").read_text()
    e2e.write("raises.py", text + "        raise LookupError('what now')\n")
    result = e2e("run", "raises.py", *STANDIN, "--pace", "20x")
    assert result.code == 1
    (check,) = [check for check in result.run["checks"] if check["name"] == "script"]
    assert check["status"] == "fail" and f"raises.py:{len(text.splitlines()) + 1}" in check["detail"]


@pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGTERM))
def test_an_interrupt_in_mid_run_ends_it_politely_with_all_reports(e2e, number):
    process = e2e.start("run", "stream.py", *STANDIN, "--chunks", "3000")
    poll(lambda: '"type":"sends"' in e2e.journal(), "audio is sent")
    e2e.interrupt(process, number)
    result = e2e.finish(process)
    assert result.code == 130
    assert 0 < result.run["counters"]["chunks_sent"] < 3000
    assert result.run["counters"]["close_codes"] == {"1000": 1}
    assert "interrupted" in (e2e.directory / "reports/latest/report.md").read_text()


STUBBORN = """
        try:
            await session.play("podcast", chunks=3000)
        finally:
            device.note("one more thing")
            import asyncio
            await asyncio.sleep(600)
"""


def test_a_second_interrupt_ends_a_script_that_goes_on_and_the_reports_are_there(e2e):
    e2e.write("stubborn.py", (e2e.directory / "stream.py").read_text() + STUBBORN)
    process = e2e.start("run", "stubborn.py", *STANDIN, "--set", "chunks=1")
    poll(lambda: '"type":"sends"' in e2e.journal() and '"planned":3000' in e2e.journal(), "audio is sent")
    e2e.interrupt(process)
    poll(lambda: "one more thing" in e2e.journal(), "the script goes on")
    e2e.interrupt(process)
    result = e2e.finish(process)
    assert result.code == 130 and result.run["counters"]["chunks_sent"] > 0


INTERRUPTED_WRITING = """
import os, signal
from e2e.cli import main, prepared

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs this may ignore it
write_reports = prepared.write_reports

def interrupted(directory):
    os.kill(os.getpid(), signal.SIGINT)
    return write_reports(directory)

prepared.write_reports = interrupted
main()
"""


def test_an_interrupt_while_the_reports_are_written_does_not_cost_them(e2e):
    program = (sys.executable, "-c", INTERRUPTED_WRITING)
    process = e2e.start("run", "stream.py", *STANDIN, "--set", "chunks=5", program=program, E2E_LOOP="asyncio")
    assert e2e.finish(process).run["counters"]["chunks_sent"] == 5


def test_reports_are_made_anew_after_a_run_was_killed(e2e):
    temporary = e2e.directory / "tmp"
    temporary.mkdir()
    process = e2e.start("run", "stream.py", *STANDIN, "--chunks", "3000", TMPDIR=str(temporary))
    poll(lambda: '"type":"sends"' in e2e.journal(), "audio is sent")
    process.kill()
    e2e.finish(process)
    assert not list(temporary.rglob("*probe*"))
    latest = e2e.directory / "reports/latest"
    assert not (latest / "run.json").exists()
    assert e2e("report", "reports/latest").code == 0
    run = json.loads((latest / "run.json").read_text())
    assert run["counters"]["sessions"] == 1 and run["counters"]["sessions_ready"] == 1
    assert run["verdict"] != "pass" and run["exit_code"] != 0
    for name in ("report.md", "report.html", "junit.xml"):
        assert (latest / name).stat().st_size > 0


def test_each_report_can_be_printed(finished):
    cli, _ = finished
    latest = cli.directory / "reports/latest"
    for form, name, begins in (
        ("json", "run.json", "{"),
        ("markdown", "report.md", "#"),
        ("html", "report.html", "<!"),
        ("junit", "junit.xml", "<?xml"),
    ):
        result = cli("report", "reports/latest", "--format", form)
        assert (result.code, result.err) == (0, "")
        assert result.out.lower().startswith(begins) and result.out == (latest / name).read_text(encoding="utf-8")
    named = latest.resolve().name
    assert cli("report", named, "--format", "json").out == (latest / "run.json").read_text(encoding="utf-8")


def test_a_run_that_is_not_there_or_is_damaged(finished, e2e):
    cli, _ = finished
    assert "no run at nowhere" in e2e("report", "nowhere").error
    lines = (cli.directory / "reports/latest/journal.jsonl").read_bytes().splitlines(keepends=True)
    journal = e2e.directory / "journal.jsonl"
    journal.write_bytes(b"".join([*lines[:3], b"{half a rec\n", *lines[3:]]))
    assert "line 4" in e2e("report", ".").error
    journal.write_bytes(b"")
    assert "no record of a run" in e2e("report", ".").error


@pytest.mark.timeout(180)
@pytest.mark.slow
def test_smoke_hears_real_speech_in_real_time(e2e):
    """On a busy machine the generator may be late: then the verdict says so (5), and the checks still hold."""
    result = e2e("run", "smoke", "--standin", "--timers", "0.1", timeout=150)
    run = result.run
    assert result.code in (0, 5), result.out
    assert set(result.checks().values()) == {"pass"}
    assert run["counters"]["chunks_sent"] == 150
    assert run["transcript"]["wer"] < 0.25
