"""A run that was killed in mid-stream has a journal, and from it every report, all with the same figures."""

import json
import re
import shutil
import signal
from html import unescape
from xml.etree import ElementTree

import pytest

from e2e.record.rundir import RunDirectory
from e2e.report.text import markdown
from e2e.report.view import build_view, figures
from e2e.report.write import FILES, read_run
from tests.cli.conftest import STANDIN, poll
from tests.verdict.journals import journal


def check_formats(directory, summary) -> None:
    """The files of a run directory say what `summary`, made from the journal, says."""
    run = json.loads((directory / FILES["json"]).read_text(encoding="utf-8"))
    assert run == json.loads(json.dumps(summary))
    texts = {name: (directory / file).read_text(encoding="utf-8") for name, file in FILES.items()}
    for label, value in figures(summary):
        assert f"{markdown(label)} **{markdown(value)}**" in texts["markdown"], label
        assert re.search(rf"<dt>{label}</dt><dd>{re.escape(value)}</dd>", unescape(texts["html"])), label
    suite = ElementTree.fromstring(texts["junit"]).find("testsuite")
    kinds = {"fail": "failure", "inconclusive": "skipped"}
    for check, case in zip(summary["checks"], suite.findall("testcase"), strict=False):
        assert case.get("name") == check["name"]
        kind = kinds.get(check["status"])
        assert (kind is None) == (case.find("failure") is None and case.find("skipped") is None)
        if kind is not None:
            assert check["detail"] in case.find(kind).get("message")
        for text in (texts["markdown"], unescape(texts["html"])):
            assert check["name"] in text
    properties = {p.get("name"): p.get("value") for p in suite.iter("property")}
    assert properties["verdict"] == summary["verdict"] and properties["exit_code"] == str(summary["exit_code"])
    for section in build_view(summary).sections:
        assert f"## {markdown(section.title)}" in texts["markdown"] and f">{section.title}</h2>" in texts["html"]
    sentence = summary["sentence"]
    assert markdown(sentence, 2000) in texts["markdown"] and sentence in unescape(texts["html"])


def torn(path):
    """A journal as SIGKILL leaves it: a session that plays, and half a line."""
    with journal(path) as j:
        j.run()
        j.boot()
        j.steps()
        j.tape()
        session = j.connecting()
        j.open(session)
        j.ready(session)
        j.speech(session, j.begin(session))
    with (path / "journal.jsonl").open("ab") as file:
        file.write(b'{"t":99.5,"type":"message","sid":"s1","kind":"transcript","data":[{"id":"seg')
    return path


def test_every_format_of_a_torn_journal_says_the_same(e2e):
    path = torn(e2e.directory / "reports/20260314-run")
    assert e2e("report", str(path)).code == 0
    summary = read_run(RunDirectory(path))
    check_formats(path, summary)
    assert summary["ended"] == "did not end by itself" and summary["verdict"] == "inconclusive"
    assert summary["duration"] < 99 and "its journal stops after" in summary["sentence"]


@pytest.mark.slow
def test_a_run_that_is_killed_in_mid_stream_has_all_its_reports(e2e):
    process = e2e.start("run", "stream.py", *STANDIN, "--set", "chunks=600")
    poll(lambda: e2e.journal().count('"kind":"transcript"') >= 2, "it streams, and hears something")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    e2e.assert_nothing_left()
    latest = e2e.directory / "reports/latest"
    assert not any((latest / name).exists() for name in FILES.values())
    assert e2e("report", "reports/latest").code == 0
    summary = read_run(RunDirectory(latest.resolve()))
    check_formats(latest, summary)
    # What was sent is known from what the pacer says once a second, though no session was closed.
    heard = [line for line in e2e.journal().splitlines() if '"kind":"transcript"' in line]
    assert 0 < summary["counters"]["chunks_sent"] < 600 and summary["transcript"]["text"]
    assert summary["counters"]["messages_by_type"]["transcript"] in (len(heard), len(heard) - 1)
    assert summary["verdict"] == "inconclusive" and not [c for c in summary["checks"] if c["status"] == "fail"]
    # And once more, one at a time.
    for name, file in FILES.items():
        written = (latest / file).read_text(encoding="utf-8")
        assert e2e("report", "reports/latest", "--format", name).out == written
    shutil.rmtree(latest.resolve())
