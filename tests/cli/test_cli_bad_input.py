"""Everything that can be wrong from the start: one clear line, exit code 2, nothing started, nothing written."""

import io
import json
import re
import sys
import wave

import pytest

from e2e.cli import main
from tests.cli.conftest import STANDIN, Result


@pytest.fixture
def said(tmp_path, monkeypatch, capsys):
    """The error of `e2e ARGS`, without the time that a process takes to start."""
    monkeypatch.chdir(tmp_path)

    def said(*args: str) -> str:
        monkeypatch.setattr(sys, "argv", ["e2e", *args])
        with pytest.raises(SystemExit) as exit:
            main()
        result = Result(exit.value.code, *capsys.readouterr(), tmp_path)
        return result.error

    return said


def empty_wav() -> bytes:
    data = io.BytesIO()
    with wave.open(data, "wb") as sound:
        sound.setparams((1, 2, 16000, 0, "NONE", ""))
    return data.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    (
        (None, "neither a bundled tape nor an audio file"),
        (b"", "speech.wav"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt nonsense" * 20, "speech.wav"),
        (b"\x00\x01\x02 this is no audio at all", "speech.wav"),
        (empty_wav(), "speech.wav"),
    ),
    ids=("missing", "empty", "corrupt", "not audio", "no samples"),
)
def test_audio_that_cannot_be_played(e2e, content, says):
    if content is not None:
        e2e.write("speech.wav", content)
    assert says in e2e("run", "stream.py", *STANDIN, "--audio", "speech.wav").error
    assert not (e2e.directory / "reports").exists()


def test_a_tape_whose_name_is_nearly_right(e2e):
    assert "Did you mean 'podcast'?" in e2e("run", "smoke", *STANDIN, "--audio", "podcats").error


def test_a_codec_that_is_not_supported(e2e):
    assert "mp3" in e2e("run", "smoke", *STANDIN, "--codec", "mp3").error


def test_a_scenario_whose_name_is_nearly_right(e2e):
    assert "no scenario 'smok'; did you mean 'smoke'?" in e2e("run", "smok", "--standin").error


SCRIPTS = {
    "syntax": ("async def broken(:\n    pass", "bad.py:1: invalid syntax"),
    "raises": ("x = 1\nraise RuntimeError('no')", "bad.py:2: RuntimeError: no"),
    "exits": ("import sys\nsys.exit(0)", "bad.py:2: SystemExit"),
    "declares nothing": ("x = 1", "declares no scenario"),
    "no duration": ("from e2e import Load\n\nLoad.users(3, ramp='1x')", "bad.py:3: '1x' is not a duration"),
    "nearly an expectation": ("from e2e import expect\nexpect.redy()", "'redy'; did you mean 'ready'?"),
    "unknown latency": ("from e2e import expect\nexpect.p95('first_segmnt', below='5s')", "first_segment"),
}


@pytest.mark.parametrize("kind", SCRIPTS)
def test_a_script_that_is_wrong(e2e, kind):
    text, says = SCRIPTS[kind]
    assert says in e2e("run", e2e.write("bad.py", text), *STANDIN).error


def test_a_script_that_is_not_there(e2e):
    assert "no script at nowhere.py" in e2e("run", "nowhere.py", *STANDIN).error
    (e2e.directory / "mine.py").symlink_to("/proc/self/mem")  # reading it fails, also for root
    assert "cannot read mine.py: input/output error" in e2e("run", "mine.py", *STANDIN).error


@pytest.mark.parametrize(
    ("args", "says"),
    (
        (("--standin", "--fault", "session=vanishes"), "did you mean 'session=vanish'?"),
        (("--standin", "--fault", "session"), "session=never-ready, session=close-1011, session=vanish."),
        (("--standin", "--fault", "foo=bar"), "no fault 'foo=bar': `e2e list --faults` names those"),
        (("--standin", "--fault", "session=vanish", "--fault", "session=close-1011"), "given twice"),
        (("--fault", "session=vanish"), "--fault is for the stand-in: add --standin"),
        (("--recogniser", "vad"), "--recogniser is for the stand-in: add --standin"),
        (("--timers", "0.5"), "--timers is for the stand-in: add --standin"),
        (("--standin", "--timers", "0"), "timers"),
        (("--standin", "--target", "local"), "exclude each other"),
        (("--standin", "--pace", "fast"), "realtime, max, or a factor such as 20x"),
        (("--standin", "--duration", "soon"), "'soon' is not a duration"),
        (("--standin", "--duration", "0s"), "not a duration"),
        (("--standin", "--duration", "5s", "--chunks", "3"), "exclude each other"),
        (("--standin", "--set", "chunks"), "write it as KEY=VALUE"),
        (("--standin", "--set", "chunk=3"), "no parameter 'chunk'; --set may say chunks, listen.NAME"),
        (("--standin", "--set", "chunks=many"), "--set chunks=many"),
        (("--standin", "--set", "chunks=6", "--chunks", "5"), "--chunks and --set chunks=... say the same"),
        (("--standin", "--set", "listen.codek=pcm8"), "/v4/listen has no parameter 'codek'; did you mean 'codec'?"),
        (("--standin", "--set", "listen.sample_rate=high"), "sample_rate"),
        ((), "no e2e.toml"),
    ),
)
def test_options_that_do_not_fit(e2e, args, says):
    assert says in e2e("run", "stream.py", *args).error
    assert not (e2e.directory / "reports").exists()


@pytest.mark.parametrize(
    ("args", "says"),
    (
        (("run",), "Missing argument 'SCENARIO'; see e2e run --help"),
        (("run", "smoke", "--users", "0"), "--users 0: write a whole number, 1 or more"),
        (("run", "smoke", "--chunks", "many"), "--chunks many: write a whole number, 1 or more"),
        (("run", "smoke", "--web", "99999"), "--web 99999: write a whole number, from 0 to 65535 (a port)"),
        (("run", "smoke", "--standin", "--recogniser", "human"), "'sphinx', 'vad'; see e2e run --help"),
        (("run", "smoke", "--standin", "--prometheus", ":99999"), "a port is a number from 0 to 65535"),
        (("run", "smoke", "--standin", "--rate", "100000", "--duration", "1s", "--at-most", "5"), ": lower the rate"),
        (("run", "smoke", "--colour"), "--colour"),
        (("report", "reports/latest", "--format", "pdf"), "see e2e report --help"),
        (("standin", "--port", "70000"), "--port 70000: write a whole number, from 1 to 65535"),
        (("standin", "--port", "10300", "--pusher-port", "10300"), "--port and --pusher-port are both 10300"),
        (("dance",), "No such command 'dance'; see e2e --help"),
    ),
)
def test_what_the_command_line_does_not_know(said, args, says):
    assert says in said(*args)


def test_nothing_asked_for_is_answered_with_the_help(e2e):
    result = e2e()
    assert result.code == 2 and (result.out + result.err).startswith("Usage: e2e [OPTIONS] COMMAND")


@pytest.mark.parametrize(
    ("url", "says"),
    (
        ("127.0.0.1:10220", "not a URL of a service"),
        ("http://", "not a URL of a service"),
        ("http://127.0.0.1:99999", "not a URL"),
        ("http://me:sesame@127.0.0.1:1", "credentials inside a URL are refused"),
        ("http://omi.example.com", 'hosts = ["omi.example.com"]'),
    ),
)
def test_a_url_that_is_wrong_or_not_allowed(e2e, url, says):
    e2e.target(url)
    error = e2e("run", "stream.py").error
    assert says in error and "backend.url" in error and "sesame" not in error


def test_a_configuration_that_is_wrong(e2e):
    e2e.write("e2e.toml", "[targets.local")
    assert "e2e.toml" in e2e("run", "stream.py").error
    e2e.write("e2e.toml", '[targets.local.backend]\nurl = "http://127.0.0.1:1"\n')
    assert "no target 'locale'; did you mean 'local'?" in e2e("run", "stream.py", "--target", "locale").error
    assert "has no pusher: add [targets.local.pusher]" in e2e("run", "stream.py").error


def test_a_command_of_the_target_that_is_not_there(e2e):
    e2e.write(
        "e2e.toml",
        '[targets.local.backend]\nurl = "http://127.0.0.1:1"\ncommand = ["no-such-program-anywhere"]\n'
        '[targets.local.pusher]\nurl = "http://127.0.0.1:2"\n',
    )
    result = e2e("run", "stream.py", "--quiet")
    assert "no-such-program-anywhere" in result.error


def test_a_place_for_reports_that_cannot_be_written(e2e):
    e2e.write("taken", "a file")
    assert "--out" in e2e("run", "stream.py", *STANDIN, "--out", "taken/reports").error


def test_a_parameter_that_only_the_script_gets_wrong_is_still_one_line(e2e):
    script = e2e.write(
        "wrong.py", e2e.directory.joinpath("stream.py").read_text().replace("listen()", "listen(codek=1)")
    )
    result = e2e("run", script, *STANDIN, "--quiet")
    assert re.search(r"wrong\.py:\d+: /v4/listen has no parameter 'codek'; did you mean 'codec'\?", result.error)
    # What `latest` points to tells the same.
    latest = result.directory / "reports/latest"
    assert json.loads((latest / "run.json").read_text())["exit_code"] == 2
    assert "codek" in (latest / "report.md").read_text()


@pytest.mark.parametrize(
    ("args", "names"),
    (
        (("--users", "3", "--chunks", "5"), "--users, --chunks"),
        (("--stage", "1s:3"), "--stage"),
        (("--codec", "pcm8"), "--codec"),
    ),
)
def test_options_of_devices_where_there_are_none(e2e, args, names):
    assert e2e("run", "endpoints", "--standin", *args).error == (
        f"endpoints has no devices and streams nothing: leave out {names}"
    )
