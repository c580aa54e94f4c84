"""`e2e doctor` as a process: its lines and its exit codes."""

import re
from importlib.resources import files


def test_a_machine_without_a_target(e2e):
    result = e2e("doctor", "--users", "10")
    assert result.code == 0 and result.err == ""
    *lines, last = result.out.splitlines()
    assert all(re.fullmatch(r"(ok  |warn|BAD ) [^:]+: .+|     -> .+", line) for line in lines), result.out
    assert "     -> e2e init" in lines and "10 are wanted" in result.out
    assert re.fullmatch(r"\d+ ok, \d+ to know, 0 bad", last)


def test_a_target_whose_credentials_are_missing_and_that_is_not_there(e2e):
    e2e.write("e2e.toml", (files("e2e.cli") / "template.toml").read_text())
    result = e2e("doctor")
    assert result.code == 1
    for line in (
        "ok   target: local",
        "BAD  credentials: auth: the environment variable ADMIN_KEY is not set",
        "ok   backend address: 127.0.0.1:10220 (loopback)",
        "BAD  backend command: the working directory",
    ):
        assert line in result.out, result.out


def test_a_configuration_that_is_wrong(e2e):
    assert "no e2e.toml" in e2e("doctor", "--target", "local").error
    e2e.write("e2e.toml", '[targets.local.backend]\nurl = "http://omi.example.com"\n')
    assert "not loopback" in e2e("doctor").error
    e2e.write("e2e.toml", "[targets")
    assert "e2e.toml" in e2e("doctor").error
