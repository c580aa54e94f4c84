"""The plugin as its users have it: pytest in a process and a directory of its own."""

import json
import re
import sys
from pathlib import Path

import pytest

from e2e.record.rundir import RunDirectory
from e2e.report.write import write_reports
from e2e.testing.result import RunResult
from tests.cli.conftest import Cli, Standin, poll
from tests.report.test_report_formats import dead_at_boot, smoke
from tests.test_public_api import HEAVY

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
QUICK_STANDIN = """
import pytest

@pytest.fixture(scope="session")
def e2e_standin():
    return {"recogniser": "vad", "timers": 0.1}
"""


@pytest.fixture
def tests(pytester, monkeypatch):
    """Runs the tests in a text, with pytest-asyncio, and with the plugin named: it may be active already."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("CI", raising=False)  # pytest shows more there
    for name in ("ADMIN_KEY", "E2E_TOKEN", "E2E_UID"):
        monkeypatch.delenv(name, raising=False)
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makeconftest(QUICK_STANDIN)

    def run(text, *args):
        pytester.makepyfile(test_it=text)
        return pytester.runpytest_subprocess("-p", "e2e.pytest_plugin", *args)

    return run


@pytest.fixture
def e2e(tmp_path):
    return Cli(tmp_path, PYTHONPATH=str(ROOT))


def finished(make, path):
    run = RunDirectory(make(path))
    write_reports(run)
    return run.path


AS_IF_RUN = """
    import json, pathlib
    import e2e.testing.runs
    from e2e.testing.result import RunResult

    async def over(scenario, *_):
        directory = pathlib.Path({place!r}, scenario)
        return RunResult(json.loads((directory / "run.json").read_text()), directory)

    e2e.testing.runs.run = over

    async def test_verdict(e2e_run):
        run = await e2e_run("failed")
        assert run.verdict == "pass"

    async def test_exit_code(e2e_run):
        run = await e2e_run("failed")
        assert run.exit_code == 0, run

    async def test_the_other_way_round(e2e_run):
        run = await e2e_run("failed")
        assert "pass" == run.verdict

    async def test_checks(e2e_run):
        run = await e2e_run("failed")
        assert run.checks["zero_import_errors"].status == "pass"

    async def test_passed(e2e_run):
        run = await e2e_run("passed")
        assert run.verdict == "pass" and run.exit_code == 0

    async def test_no_target(listen_session):
        ...
"""


def test_a_failed_assertion_says_what_is_wrong_and_where_the_report_is(tests, pytester):
    finished(dead_at_boot, pytester.path / "failed")
    finished(smoke, pytester.path / "passed")
    said = tests(AS_IF_RUN.format(place=str(pytester.path)), "--e2e-target", "nowhere", "--junitxml=tests.xml")
    said.assert_outcomes(failed=4, passed=1, errors=1)
    text = said.stdout.str()
    why = "E       assert verdict fail, not pass: The run ended with an error: backend died. 2 of 18"
    assert text.count(why) == 2
    assert "E         report: failed/report.html" in text
    assert "<e2e run smoke: fail (exit 1), failed/report.html>" in text
    assert "ConfigError: no e2e.toml in" in text and "environ" not in text  # of the target that is not there
    report = f'<property name="e2e_report" value="{pytester.path}/passed/report.html"'
    assert report in (pytester.path / "tests.xml").read_text()
    # However a test found out, it is told why, and pytest does not cut it.
    sections = re.findall(r"\n-+ e2e run failed -+\n(.*?)\n(?:=|_|- gen)", text, re.S)
    assert len(sections) == 4 and len(set(sections)) == 1 and "e2e run passed" not in text
    lines = sections[0].splitlines()
    assert lines[0].startswith("verdict: fail (exit 1). ") and "Geolocation" in lines[0]
    assert lines[-2:] == ["report: failed/report.html", "again:  e2e run smoke --standin"]
    # What failed comes first, with its evidence, whatever is not decided; what holds is not said.
    marks = [line[0] for line in lines if line[0] in "✗?✓"]
    assert marks == ["✗", "✗", *"????????"] and "and 8 more checks in the report" in lines
    at = next(n for n, line in enumerate(lines) if line.startswith("✗ zero_import_errors: "))
    assert (
        lines[at + 2]
        == "    ERROR:routers.transcribe:Error during WebSocket operation: cannot import name 'Geolocation'"
    )


WRONG = """
    async def test_scenario(e2e_run):
        await e2e_run("smok")

    async def test_option(e2e_run):
        await e2e_run("smoke", colour="red")

    async def test_value(e2e_run):
        await e2e_run("smoke", users="many")
"""


def test_what_is_wrong_in_a_test_is_said_there_without_frames_of_e2e(tests):
    said = tests(WRONG)
    said.assert_outcomes(failed=3)
    text = said.stdout.str()
    for says in ("no scenario 'smok'; did you mean 'smoke'?", "e2e_run has no option 'colour'", "--users many: write"):
        assert says in text
    assert len(re.findall(r"^> ", text, re.M)) == 3 and not re.search(r"e2e/\w+(/\w+)*\.py:\d+", text)


def test_a_check_that_the_run_does_not_have(tmp_path):
    run = finished(smoke, tmp_path / "r")
    checks = RunResult(json.loads((run / "run.json").read_text()), run).checks
    with pytest.raises(KeyError, match="no check 'nope'; the run has services_healthy, "):
        checks["nope"]
    assert checks.get("nope") is None and "nope" not in checks


def test_who_uses_no_fixture_pays_nothing(tests, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    heavy = sorted({*HEAVY, "psutil"} - {"asyncio"})
    said = tests(f"""
        import sys

        def test_modules():
            assert not set({heavy!r}) & set(sys.modules)
            assert {{name for name in sys.modules if name.split(".")[0] == "e2e"}} == {{"e2e", "e2e.pytest_plugin"}}
    """)
    said.assert_outcomes(passed=1)


SESSIONS = """
    import httpx

    async def test_listen(listen_session, e2e_target):
        async with listen_session(language="en", pace="20x") as session:
            await session.ready()
            await session.play("podcast", chunks=60)
            await session.settle(quiet=0.5)
            assert session.chunks_sent == 60 and session.transcript
        assert session.end.code == 1000
        assert httpx.get(f"{e2e_target.backend.url}/v1/health").status_code == 200

    async def test_two_users(listen_session):
        async with listen_session() as one, listen_session() as two:
            assert one.uid != two.uid
            await one.ready()
            await two.ready()

    async def test_pusher(pusher_session):
        async with pusher_session(pace="max") as session:
            session.conversation("c1")
            await session.play("tone", chunks=20)
            assert session.bytes_sent == 20 * 3200

    async def test_a_run(e2e_run):
        run = await e2e_run("pusher", chunks=20, pace="max")
        assert run.checks["zero_import_errors"].status == "inconclusive", "nobody reads the logs"
        assert run.checks["conversation_answered"].status == "pass"
"""


@pytest.mark.slow
def test_sessions_and_runs_with_services_that_run_already(tests, pytester, tmp_path, monkeypatch):
    standin = Standin(tmp_path, ADMIN_KEY="right-key-")
    try:
        lines = [
            f'[targets.local.backend]\nurl = "{standin.backend}"',
            f'[targets.local.pusher]\nurl = "{standin.pusher}"',
        ]
        (pytester.path / "e2e.toml").write_text("\n".join(lines))
        monkeypatch.setenv("ADMIN_KEY", "right-key-")
        said = tests(SESSIONS, "--e2e-target", "local", "--e2e-out", "elsewhere")
    finally:
        standin.stop()
    said.assert_outcomes(passed=4)
    (run,) = (pytester.path / "elsewhere").glob("2*/run.json")
    assert json.loads(run.read_text())["target"] == "local"


RUNS = """
    import asyncio
    import pytest
    from e2e import Device, Load, expect, scenario

    @scenario(title="Three at once", load=Load.users(3), expect=[expect.ready(), expect.close_code(1000)])
    async def three(device: Device, chunks: int = 20):
        async with device.listen() as session:
            await session.ready()
            await session.play("podcast", chunks=chunks)

    async def test_a_scenario_of_the_test(e2e_run, request):
        run = await e2e_run(three, settings={"chunks": 40}, pace="20x")
        assert run.verdict == "pass" and run.exit_code == 0
        assert run.summary["counters"]["chunks_sent"] == 120
        assert run.checks["ready"].status == "pass"
        assert run.report.is_file() and run.directory.parent == request.config.rootpath / "reports"

    async def test_a_fault(e2e_run):
        run = await e2e_run(three, faults="session=close-1011", chunks=60, pace="20x")
        assert run.verdict == "pass"

    async def test_a_time_limit(e2e_run):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(6):
                await e2e_run(three, chunks=3000)
"""


@pytest.mark.slow
def test_whole_runs_on_two_workers(tests, pytester):
    said = tests(RUNS, "-n", "2", "--dist", "load")
    said.assert_outcomes(passed=2, failed=1)
    text = said.stdout.str()
    assert "✗ close_code: " in text and "1011" in text
    runs = [json.loads(path.read_text()) for path in (pytester.path / "reports").glob("2*/run.json")]
    assert sorted(run["exit_code"] for run in runs) == [0, 1, 130]
    (passed,) = [run for run in runs if run["exit_code"] == 0]
    script, _, name = passed["command"][2].rpartition(":")
    assert (Path(script).name, name) == ("test_it.py", "three"), "the command repeats the run"


ENDLESS = """
from e2e import Device, scenario

@scenario(title="One for an hour")
async def endless(device: Device):
    async with device.listen() as session:
        await session.ready()
        await session.play("podcast", chunks=36_000)

async def test_endless(e2e_run, listen_session):
    async with listen_session():
        await e2e_run(endless)
"""
# Whoever runs this may ignore the signal, which a child would inherit.
INTERRUPTIBLE = """
import signal, sys, pytest
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(pytest.main())
"""


@pytest.mark.slow
def test_an_interrupt_ends_the_run_the_standin_and_pytest(e2e):
    e2e.write("conftest.py", QUICK_STANDIN)
    e2e.write("test_it.py", ENDLESS)
    e2e.env["PYTEST_ADDOPTS"] = "-p e2e.pytest_plugin -o asyncio_mode=auto"
    process = e2e.start(program=(sys.executable, "-c", INTERRUPTIBLE))
    poll(lambda: '"type":"sends"' in e2e.journal(), "audio is sent")
    e2e.interrupt(process)
    assert e2e.finish(process).code == pytest.ExitCode.INTERRUPTED
    run = json.loads((e2e.directory / "reports/latest/run.json").read_text())
    assert run["exit_code"] == 130 and run["counters"]["close_codes"] == {"1000": 1}


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_example_of_the_docs_works(tests):
    page = (ROOT / "docs/pytest.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```", page, re.S | re.M)
    quicker = QUICK_STANDIN.replace('"recogniser": "vad", ', "")
    said = tests(f"{quicker}\n{example}")
    said.assert_outcomes(passed=4)
