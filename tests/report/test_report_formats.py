"""Every format of a report, of every kind of run, also when a service says hostile things."""

import io
import json
import re
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from e2e.errors import JournalError, UsageError
from e2e.record.rundir import RunDirectory
from e2e.report.terminal import show_verdict
from e2e.report.text import fence, markdown, visible
from e2e.report.write import FILES, read_run, render, write_reports
from tests.verdict.journals import journal, smoke

HOSTILE = (
    "<script>alert(1)</script> | `code` ``` ````\n# head\n[x](http://evil.example) @maintainer #1 \x1b[31mred\x00"
    " \u202eevil\u202c </details></pre> ]]> &amp; {{ 7*7 }} {% raw %} [bold]m[/bold] \ufffe\x85 $x$ https://evil.example"
)


def hostile(path):
    with journal(path) as j:
        j.run(title=HOSTILE, command=["e2e", HOSTILE], environment={"python": HOSTILE})
        j.boot()
        j.write(
            "endpoint", service="backend", method="GET", path=HOSTILE, status=500, expected=[200], exercises=HOSTILE
        )
        j.write("auth_refused", attempt=HOSTILE, refused=False, form="accepted", detail=HOSTILE)
        j.tape(said=((HOSTILE, 0.1, 1.0),))
        session = j.connecting(uid=HOSTILE)
        j.open(session)
        j.ready(session)
        start = j.begin(session)
        j.segment(session, HOSTILE, HOSTILE, 0.1, 1.0)
        j.write("message", sid="s1", kind=HOSTILE, data=HOSTILE, bytes=9)
        j.import_error(evidence=[HOSTILE], module=HOSTILE, name=HOSTILE, file=HOSTILE)
        j.line("backend", HOSTILE, HOSTILE, HOSTILE)
        j.write("error_line", service="backend", level="ERROR", text=HOSTILE, n=1, noise=False)
        j.write("check", name=HOSTILE, status="fail", detail=HOSTILE)
        j.write("note", text=HOSTILE)
        j.finish(session, start)
        j.closed(session, 1011, "server", reason=HOSTILE)
        j.failed(session, "closed", HOSTILE)
        j.stop()
        j.end("error", HOSTILE)
    return path


def dead_at_boot(path):
    with journal(path) as j:
        j.run()
        j.launch("backend")
        j.import_error(phase="boot")
        j.write("service", service="backend", event="exited", code=1)
        j.end("error", "backend died")
    return path


def unreachable(path):
    with journal(path) as j:
        j.run()
        j.failed(j.connecting(), "unreachable", "nothing listens on 127.0.0.1:10220")
        j.end()
    return path


def port_taken(path):
    with journal(path) as j:
        j.run()
        j.write("end", reason="error", error="port 10220 is already taken", exit_code=3)
    return path


def bare(path):
    with journal(path) as j:
        j.run([], title=None, command=None, environment=None, options=None, target=None, services=None)
    return path


def other_pace(path):
    return smoke(path, pace="max")


RUNS = [smoke, hostile, dead_at_boot, unreachable, port_taken, bare, other_pace]


@pytest.mark.parametrize("make", RUNS)
def test_every_format_of_every_run(tmp_path, make):
    run = RunDirectory(make(tmp_path / "20260314-run"))
    summary = write_reports(run)
    for format, name in FILES.items():
        text = (run.path / name).read_text(encoding="utf-8")
        assert text == render(format, summary)
        assert summary["verdict"] in text
        assert not any(ord(c) < 32 and c not in "\n\t" for c in text), format
    assert json.loads((run.path / "run.json").read_text(encoding="utf-8")) == json.loads(json.dumps(summary))
    assert not list(run.path.glob(".*")), "no temporary file stays"
    suite = ElementTree.parse(run.path / "junit.xml").getroot().find("testsuite")
    cases = suite.findall("testcase")
    assert len(cases) == len(summary["checks"]) + 1 == int(suite.get("tests"))
    assert len([c for c in cases if c.find("failure") is not None]) == int(suite.get("failures"))
    assert (summary["verdict"] == "fail") == (int(suite.get("failures")) > 0)
    assert len([c for c in cases if c.find("skipped") is not None]) == int(suite.get("skipped"))
    assert len((run.path / "report.md").read_text(encoding="utf-8")) < 65_536


def test_reports_are_the_same_when_made_again(tmp_path):
    run = RunDirectory(smoke(tmp_path / "r"))
    write_reports(run)
    first = {name: (run.path / name).read_bytes() for name in FILES.values()}
    write_reports(run)
    assert first == {name: (run.path / name).read_bytes() for name in FILES.values()}


def test_markdown_says_what_evidence_needs(tmp_path):
    text = render("markdown", read_run(RunDirectory(smoke(tmp_path / "r"))))
    for words in (
        "## Verdict",
        "## L1 backend, stand-alone",
        "## Endpoints",
        "## L1 pusher, stand-alone",
        "## E2E: audio through the services",
        "## Log excerpt of the session",
        "## Imports exercised",
        "## Latencies and transcript",
        "## Not shown",
        "✅ zero_import_errors",
        "✅ routes: 318",
        "✅ chunks sent: 100 of 100",
        "✅ realtime integrations triggered 3 times",
        "| ✅ | POST /v1/integrations/workflow/memories | 422 | 422 |",
        "boot marker seen",
        "e2e run smoke --standin",
        "word_error_rate",
        "Created new stub conversation: c1 e2e-test x",
    ):
        assert words in text, words
    assert "❌" not in text and "❓" not in text


def test_markdown_ticks_nothing_that_was_not_seen(tmp_path):
    text = render("markdown", read_run(RunDirectory(dead_at_boot(tmp_path / "r"))))
    assert "❌ zero_import_errors" in text and "Geolocation from models.geolocation" in text
    assert "❓ connected" in text and "✅" not in text


def test_hostile_markdown_stays_text(tmp_path):
    source = render("markdown", read_run(RunDirectory(hostile(tmp_path / "r"))))
    shown = MarkdownIt("commonmark", {"html": True}).enable("table").render(source)
    # Our own folding is the only HTML; what came from outside opens, closes, links and commands nothing.
    assert "<script" not in shown and "<a " not in shown and "\u202e" not in shown and "\x1b" not in shown
    assert shown.count("<details") == shown.count("</details>") > 0
    assert shown.count("<h1>") == 1 and "‹U+202E›" in shown and "␛" in shown
    # Inside a fence a forge links nothing; outside of it a joiner keeps the mention from reaching anybody.
    prose = re.sub(r"<pre>.*?</pre>", "", shown, flags=re.S)
    assert "@\u2060maintainer" in prose and "@maintainer" not in prose and "https://evil" not in prose


@pytest.mark.parametrize("text", ["a|b", "a\nb", "<b>", "*x*", "_x_", "[a](b)", "`x`", "# x", "1. x", "- x", "~~x~~"])
def test_markdown_escapes(text):
    shown = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown(text))
    plain = shown.strip().removeprefix("<p>").removesuffix("</p>")
    assert plain.replace("&lt;", "<").replace("&gt;", ">") == text.replace("\n", " ")


def test_markdown_keeps_names_readable():
    assert markdown("zero_import_errors in e2e-test (x.y)") == "zero_import_errors in e2e-test (x.y)"


def test_fence_is_longer_than_what_it_holds():
    assert fence(["a ````` b"]).startswith("``````text\n")


def test_visible_shows_what_hides():
    assert visible("a\x1b\x7f\u202e\u200b\ud800\nb\t") == "a␛␡‹U+202E›‹U+200B›‹U+D800›\nb\t"


def test_hostile_html_stays_text(tmp_path):
    text = render("html", read_run(RunDirectory(hostile(tmp_path / "r"))))
    # Its data and its script are the page's own; nothing of the services is among them.
    scripts = re.findall(r"<script[^>]*>", text)
    assert set(scripts) == {'<script type="application/json">', "<script>"} and scripts.count("<script>") == 1
    assert "&lt;script&gt;" in text and "\u202e" not in text
    assert "Content-Security-Policy" in text and "default-src &#39;none&#39;" not in text
    assert "http://evil.example" in text and 'href="http' not in text and "src=" not in text.replace("default-src", "")


def test_long_journals_make_bounded_markdown(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run()
        j.boot()
        j.tape()
        for n in range(200):
            row = {
                "method": "GET",
                "path": f"/{'x' * 400}/{n}",
                "status": 200,
                "expected": [200],
                "exercises": "y" * 400,
            }
            j.write("endpoint", service="backend", **row, ms=1.0)
        session = j.stream()
        for n in range(3000):
            j.line("backend", f"INFO:x:{'z' * 300} {n}", "integrations_triggered", "e2e-test")
        j.gone(session)
        j.stop()
        j.end()
    run = RunDirectory(tmp_path / "r")
    write_reports(run)
    text = (run.path / "report.md").read_text()
    assert len(text) < 65_536 and "## Not shown" in text and "see report.html" in text
    assert (run.path / "run.json").stat().st_size < 1_500_000


def printed(summary, **options):
    console = Console(file=io.StringIO(), width=100, **options)
    show_verdict(console, summary, "reports/20260314-run")
    return console.file.getvalue()


def test_plain_lines_end_with_the_verdict(tmp_path):
    summary = read_run(RunDirectory(smoke(tmp_path / "r")))
    lines = printed(summary, force_terminal=False).splitlines()
    assert lines[-1] == "verdict: pass (exit 0) reports/20260314-run"
    assert any(line.startswith("heard: good morning everyone") for line in lines)
    assert (
        "ok   zero_import_errors: no import error: logs of 2 services read, no import probe, no source audit" in lines
    )


@pytest.mark.parametrize("make", RUNS)
def test_terminal_shows_every_run(tmp_path, make):
    summary = read_run(RunDirectory(make(tmp_path / "r")))
    for terminal in (True, False):
        text = printed(summary, force_terminal=terminal, color_system=None)
        assert f"verdict: {summary['verdict']} (exit {summary['exit_code']})" in text
        assert "\x1b" not in text and "\u202e" not in text
    if make is hostile:
        assert "[bold]m[/bold]" in text
    else:
        assert "reports/20260314-run" in text


def test_wrong_format_and_empty_journal(tmp_path):
    run = RunDirectory(smoke(tmp_path / "r"))
    with pytest.raises(UsageError, match="known are json, markdown, html, junit"):
        render("pdf", read_run(run))
    run.journal.write_bytes(b"")
    with pytest.raises(JournalError, match="holds no record of a run"):
        write_reports(run)
