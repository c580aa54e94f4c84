"""Loads on the command line: what they do, what goes together, and what is refused before anything starts."""

import json
import resource
import signal
import subprocess

import pytest

from tests.cli.conftest import E2E, STANDIN, poll

SHORT = ("run", "stream.py", *STANDIN, "--pace", "max")


def records(e2e, kind: str):
    return [r for line in e2e.journal().splitlines() if (r := json.loads(line))["type"] == kind]


@pytest.mark.parametrize("loop", ("uvloop", "asyncio"))
def test_arrivals_by_rate_on_either_loop(e2e, loop):
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    result = e2e(*SHORT, "--rate", "5/s", "--duration", "1s", "--at-most", "20", "--set", "chunks=5", E2E_LOOP=loop)
    assert result.code == 0, result.out
    (run,) = records(e2e, "run")
    assert run["environment"]["loop"] == loop
    assert run["options"]["load"] == {
        "model": "arrivals",
        "text": "arrivals (5 a second), for 1 s, at most 20 at once",
        "at_once": 20,
        "seconds": 1.0,
        "settled": 0.0,
    }
    assert (run["options"]["phase"], run["options"]["mask"]) == ("spread", "shared")
    last = records(e2e, "arrivals")[-1]
    assert (last["started"], last["dropped"]) == (5, 0)
    assert result.run["counters"]["sessions"] == 5 and result.run["counters"]["chunks_sent"] == 25


def test_stages_with_a_phase_and_a_mask_of_choice(e2e):
    args = ("--stage", "200ms:2", "--stage", "500ms:2", "--phase", "aligned", "--mask", "per-send")
    result = e2e(*SHORT, *args, "--set", "chunks=3")
    (run,) = records(e2e, "run")
    assert run["options"]["load"]["model"] == "stages" and run["options"]["users"] == 2
    assert (run["options"]["phase"], run["options"]["mask"]) == ("aligned", "per-send")
    assert result.run["counters"]["sessions"] >= 2
    generator = records(e2e, "generator")
    assert {"open_files", "steal", "foreign", "planned", "active"} <= set(generator[-1])
    assert max(r["planned"] for r in generator) <= 2


@pytest.mark.slow
def test_a_load_that_ends_before_its_script_passes_and_has_seen_what_is_stored(e2e):
    result = e2e("run", "podcast", *STANDIN, "--stage", "1s:2", "--stage", "9s:2")
    assert result.code in (0, 5), result.out  # 5: this machine was too busy, which is no matter here
    assert result.run["counters"]["sessions_ended_by_load"] == 2
    (check,) = [c for c in result.run["checks"] if c["name"] == "conversation_stored"]
    assert check["status"] == "pass" and check["detail"].startswith("2 of 2 conversations readable"), check
    assert len(records(e2e, "conversation")) == 2


def test_users_over_a_ramp(e2e):
    result = e2e(*SHORT, "--users", "3", "--ramp", "300ms", "--set", "chunks=3")
    assert result.code == 0 and result.run["counters"]["sessions"] == 3
    assert records(e2e, "run")[0]["options"]["ramp"] == 0.3


@pytest.mark.parametrize(("loop", "number"), (("uvloop", signal.SIGINT), ("asyncio", signal.SIGTERM)))
def test_an_interrupted_load_ends_politely_on_either_loop(e2e, loop, number):
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    load = ("--stage", "100ms:3", "--stage", "10m:3")
    process = e2e.start("run", "stream.py", *STANDIN, *load, "--set", "chunks=3000", E2E_LOOP=loop)
    poll(lambda: e2e.journal().count('"event":"ready"') >= 3, "all devices stream")
    e2e.interrupt(process, number)
    result = e2e.finish(process)
    assert result.code == 130
    assert result.run["counters"]["close_codes"] == {"1000": 3}


@pytest.mark.parametrize(
    ("args", "says"),
    (
        (("--rate", "5"), "--rate needs --duration"),
        (("--rate", "5", "--duration", "5s", "--users", "3"), "--users and --rate exclude each other"),
        (("--stage", "2m"), "--stage 2m: write it as"),
        (("--stage", "soon:5"), "not a duration"),
        (("--at-most", "5"), "--at-most limits devices that arrive"),
        (("--ramp", "later"), "not a duration"),
        (("--rate", "500", "--duration", "5s", "--at-most", "10"), "allows 100 connections a second: lower the rate"),
    ),
)
def test_what_does_not_go_together_is_refused_before_anything_starts(e2e, args, says):
    assert says in e2e(*SHORT, *args).error
    assert not (e2e.directory / "reports").exists()


def test_an_unknown_loop_is_refused(e2e):
    assert "E2E_LOOP=twisted" in e2e(*SHORT, E2E_LOOP="twisted").error


def test_too_few_files_are_refused_before_the_load_with_the_number_needed(e2e):
    def lowered():
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))

    done = subprocess.run(
        [E2E, *SHORT, "--users", "400"],
        cwd=e2e.directory,
        env=e2e.env,
        preexec_fn=lowered,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2 and done.stdout == ""
    assert "500 open files" in done.stderr and "300" in done.stderr and "ulimit" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (e2e.directory / "reports").exists()
