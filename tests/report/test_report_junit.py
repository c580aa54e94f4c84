"""`junit.xml` as CI systems read it: valid by their schemas, bounded, and legal XML whatever a service said."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import xmlschema

from e2e.record.rundir import RunDirectory
from e2e.report.junit import MAX_LINES, MAX_MESSAGE, render_junit
from e2e.report.write import read_run
from tests.report.test_report_formats import HOSTILE, RUNS, dead_at_boot, smoke

SCHEMA = xmlschema.XMLSchema(Path(__file__).with_name("junit.xsd"))

# https://www.w3.org/TR/xml/#charsets, and what the spec asks authors to avoid.
ILLEGAL = re.compile("[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def summary_of(make, path):
    return read_run(RunDirectory(make(path)))


def checked(summary) -> ElementTree.Element:
    text = render_junit(summary)
    SCHEMA.validate(text)
    assert not ILLEGAL.search(text), "a character that XML 1.0 does not allow"
    return ElementTree.fromstring(text)


@pytest.mark.parametrize("make", RUNS)
def test_every_run_is_valid_and_counts_what_it_holds(tmp_path, make):
    summary = summary_of(make, tmp_path / "r")
    root = checked(summary)
    (suite,) = root
    cases = suite.findall("testcase")
    assert suite.get("name") and len(cases) == int(suite.get("tests")) == int(root.get("tests"))
    for outcome, count in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert len([c for c in cases if c.find(outcome) is not None]) == int(suite.get(count)), outcome
    assert sum(float(case.get("time")) for case in cases) == pytest.approx(float(suite.get("time")))


def test_properties_say_what_was_run(tmp_path):
    suite = checked(summary_of(smoke, tmp_path / "r"))[0]
    properties = {p.get("name"): p.get("value") for p in suite.find("properties")}
    assert properties["verdict"] == "pass" and properties["target"] == "standin"
    assert properties["users"] == "1" and properties["seed"] == "1"
    assert "duration" not in properties, "an option that was not given"
    assert suite.find("system-out").text.splitlines()[1] == "e2e run smoke --standin"


def test_a_failure_says_why_in_its_message_and_shows_the_evidence_in_its_text(tmp_path):
    suite = checked(summary_of(dead_at_boot, tmp_path / "r"))[0]
    (failure,) = [c.find("failure") for c in suite.findall("testcase") if c.get("name") == "zero_import_errors"]
    assert "Geolocation" in failure.get("message") and "\n" not in failure.get("message")
    assert len(failure.text.splitlines()) > 1 and failure.text.startswith(failure.get("message"))


def test_an_invalid_run_is_an_error_of_the_verdict_alone(tmp_path):
    summary = summary_of(smoke, tmp_path / "r")
    summary |= {"verdict": "invalid", "generator": {"reasons": ["the event loop stalled"]}}
    suite = checked(summary)[0]
    (case,) = [c for c in suite.findall("testcase") if c.find("error") is not None]
    assert case.get("name") == "verdict" and "the event loop stalled" in case.find("error").text


def test_what_is_endless_is_cut(tmp_path):
    summary = summary_of(smoke, tmp_path / "r")
    endless = {"name": "n" * 9_999, "status": "fail", "detail": HOSTILE * 999, "evidence": [HOSTILE * 999] * 999}
    summary["checks"] = [endless]
    case = checked(summary)[0].find("testcase")
    failure = case.find("failure")
    assert len(case.get("name")) < MAX_MESSAGE and len(failure.get("message")) == MAX_MESSAGE
    assert "and 950 more lines" in failure.text and len(failure.text) < 2 * MAX_LINES * MAX_MESSAGE
    assert "\x1b" not in failure.text and "␛" in failure.text


def test_the_schema_refuses_what_readers_refuse(tmp_path):
    good = render_junit(summary_of(smoke, tmp_path / "r"))
    SCHEMA.validate(good)
    for broken in (
        good.replace('<testsuites name="e2e"', '<testsuites skipped="0" name="e2e"'),
        re.sub(r'(<testcase [^>]*) time="[^"]*"', r"\1", good, count=1),
        good.replace('errors="0"', 'errors="none"', 1),
    ):
        assert broken != good and not SCHEMA.is_valid(broken)
