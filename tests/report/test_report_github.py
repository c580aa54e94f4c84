"""What a run says to GitHub Actions: commands that say what they should, and nothing else, whatever a service said."""

import re
from pathlib import Path

import pytest

from e2e.cli.github import inert_output, tell_actions
from e2e.record.rundir import RunDirectory
from e2e.report.github import MAX_ANNOTATIONS, MAX_SUMMARY_BYTES, annotations, job_summary
from e2e.report.write import read_run, write_reports
from tests.report.test_report_formats import HOSTILE, RUNS, bare, dead_at_boot, hostile, smoke, unreachable
from tests.verdict.journals import journal

COMMAND = re.compile(r"::(error|warning) ([^:]*)::(.*)")


def read(line: str) -> tuple[str, dict[str, str], str]:
    """As the runner reads it: the level, the properties and the message."""
    match = COMMAND.fullmatch(line)
    assert match is not None, line

    def unescaped(text: str) -> str:
        for code, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
            text = text.replace(code, char)
        return text

    properties = dict(pair.split("=", 1) for pair in match[2].split(","))
    return match[1], {key: unescaped(value) for key, value in properties.items()}, unescaped(match[3])


def told(make, path, **change):
    return [read(line) for line in annotations(read_run(RunDirectory(make(path))) | change)]


def test_a_run_that_passes_annotates_nothing(tmp_path):
    assert told(smoke, tmp_path / "r") == []


@pytest.mark.parametrize("make", RUNS)
def test_every_run_that_does_not_pass_says_so(tmp_path, make):
    summary = read_run(RunDirectory(make(tmp_path / "r")))
    levels = {level for level, _, _ in told(make, tmp_path / "again")}
    assert ("error" in levels) == (summary["verdict"] in ("fail", "invalid"))
    assert bool(levels) == (summary["verdict"] != "pass" or any(c["status"] != "pass" for c in summary["checks"]))


def imports(file, cwd=None):
    def make(path):
        with journal(path) as j:
            j.run()
            j.boot()
            if cwd is not None:
                j.write("service", service="backend", event="launched", cwd=cwd)
            j.import_error(file=file, line=7)
            j.end()
        return path

    return make


def test_a_broken_import_is_annotated_at_its_line(tmp_path):
    (error, *others) = told(imports("routers/a.py"), tmp_path / "r")
    level, properties, message = error
    assert level == "error"
    assert properties == {"title": "e2e: import error", "file": "routers/a.py", "line": "7"}
    assert "Geolocation from models.geolocation" in message.splitlines()[0] and len(message.splitlines()) > 1
    assert "e2e: zero_import_errors" not in [p["title"] for _, p, _ in others], "it was said where it happened"


@pytest.mark.parametrize(
    ("file", "shown"),
    (
        ("routers/a.py", "backend/routers/a.py"),
        ("{checkout}/backend/routers/a.py", "backend/routers/a.py"),
        ("tools/b.py", "tools/b.py"),
        ("/etc/hostname", "/etc/hostname"),
        ("nowhere\x00.py", "nowhere␀.py"),
    ),
)
def test_a_file_is_named_from_the_checkout(actions, tmp_path, capsys, monkeypatch, file, shown):
    checkout = tmp_path / "omi"
    for name in ("backend/routers/a.py", "tools/b.py"):
        (checkout / name).parent.mkdir(parents=True)
        (checkout / name).touch()
    monkeypatch.setenv("GITHUB_WORKSPACE", str(checkout))
    monkeypatch.chdir(checkout)
    run = RunDirectory(imports(file.format(checkout=checkout), "backend")(tmp_path / "r"))
    tell_actions(write_reports(run), run.path)
    _, properties, _ = read(capsys.readouterr().out.splitlines()[0])
    assert (properties["file"], properties["line"]) == (shown, "7")


def test_a_check_says_its_detail_and_evidence(tmp_path):
    level, properties, message = told(unreachable, tmp_path / "r")[0]
    assert (level, properties) == ("error", {"title": "e2e: connected"})
    assert "nothing listens on 127.0.0.1:10220" in message


def test_an_invalid_run_is_an_error_and_an_empty_one_a_warning(tmp_path):
    assert told(smoke, tmp_path / "a", verdict="invalid", sentence="late: 5%") == [
        ("error", {"title": "e2e: invalid"}, "late: 5%")
    ]
    assert told(bare, tmp_path / "b")[0][:2] == ("warning", {"title": "e2e: inconclusive"})


def test_hostile_text_makes_no_command_of_its_own(tmp_path):
    lines = list(annotations(read_run(RunDirectory(hostile(tmp_path / "r")))))
    assert lines and all("\n" not in line and "\r" not in line and COMMAND.fullmatch(line) for line in lines)
    for attack in ("a\n::add-mask::x", "%0A::add-mask::x", "a,file=/etc/passwd", "a::b", "a\r::error::x"):
        check = {"name": attack, "status": "fail", "detail": attack, "evidence": [attack]}
        (line,) = annotations({"checks": [check], "verdict": "fail", "sentence": "", "imports": {"errors": []}})
        _, properties, message = read(line)
        assert set(properties) == {"title"} and message.count("\n") == 1, attack


def test_there_are_never_more_than_github_shows(tmp_path):
    checks = [
        {"name": f"{status} {n}", "status": status, "detail": HOSTILE * 99, "evidence": [HOSTILE * 99] * 99}
        for n in range(25)
        for status in ("fail", "inconclusive")
    ]
    found = told(smoke, tmp_path / "r", checks=checks, verdict="fail")
    for level in ("error", "warning"):
        mine = [(properties, message) for said, properties, message in found if said == level]
        assert len(mine) == MAX_ANNOTATIONS
        assert mine[-1] == ({"title": "e2e: and more"}, "16 more are in the report")
    assert all(len(message) < 10_000 for _, _, message in found)


def test_the_summary_stays_within_what_github_shows():
    assert job_summary("# fine") == "# fine\n"
    assert job_summary("ü" * 1000, MAX_SUMMARY_BYTES - 2001) == "ü" * 1000 + "\n"
    assert job_summary("ü" * 1000, MAX_SUMMARY_BYTES - 2000).startswith("The report is too long")
    assert job_summary("ü" * 1000, MAX_SUMMARY_BYTES - 10) == ""


@pytest.fixture
def actions(monkeypatch, tmp_path):
    path = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    return path


def test_a_step_is_told_and_its_summary_grows(actions, tmp_path, capsys):
    run = RunDirectory(dead_at_boot(tmp_path / "r"))
    summary = write_reports(run)
    report = (run.path / "report.md").read_text(encoding="utf-8")
    for n in (1, 2):
        tell_actions(summary, run.path)
        assert actions.read_text(encoding="utf-8") == f"{report}\n" * n
    assert "::error title=e2e%3A import error," in capsys.readouterr().out


def test_a_summary_that_cannot_be_written_costs_nothing_else(actions, tmp_path, capsys, monkeypatch):
    run = RunDirectory(smoke(tmp_path / "r"))
    summary = write_reports(run)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "no/such/directory"))
    tell_actions(summary, run.path)
    assert "cannot write the summary of the job" in capsys.readouterr().err


def test_what_is_printed_in_a_step_commands_nothing(actions, capsys):
    with pytest.raises(LookupError), inert_output():
        print("heard: ##[add-mask]the")
        raise LookupError
    first, heard, last = capsys.readouterr().out.splitlines()
    token = first.removeprefix("::stop-commands::")
    assert heard.startswith("heard") and last == f"::{token}::" and len(token) == 32


def test_outside_of_actions_nothing_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    run = RunDirectory(dead_at_boot(tmp_path / "r"))
    with inert_output():
        tell_actions(write_reports(run), run.path)
    assert capsys.readouterr().out == "" and not Path(tmp_path / "summary.md").exists()
