"""Timelines in every report, in a browser and on a terminal, also of sessions that say hostile things."""

import io
import re

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from e2e.durations import told
from e2e.record.rundir import RunDirectory
from e2e.report.terminal_timeline import show_timeline
from e2e.report.view_timeline import brief, since
from e2e.report.write import read_run, render
from tests.report.test_report_formats import HOSTILE, bare, hostile
from tests.verdict.journals import journal, smoke


def two_users(path):
    with journal(path) as j:
        j.run()
        j.boot()
        j.tape()
        for sid, uid in (("s1", "user-number-one"), ("s2", "user-number-two")):
            j.gone(j.stream(sid=sid, uid=uid))
        j.failed(j.connecting("s3", "user-number-three"), "refused", "HTTP 403", 403)
        j.stop()
        j.end()
    return path


def section(text: str) -> str:
    return text.partition("## Timeline")[2].partition("\n## ")[0]


def printed(timeline, **options):
    console = Console(file=io.StringIO(), width=100, **options)
    show_timeline(console, timeline)
    return console.file.getvalue()


def test_each_report_tells_of_the_failed_session_first(tmp_path):
    summary = read_run(RunDirectory(two_users(tmp_path / "r")))
    assert [t["sid"] for t in summary["timeline"]] == ["s3", "s1", "s2"]
    told = section(render("markdown", summary))
    assert told.count("<details>") == told.count("</details>") == 1
    assert "listen s3, uid user-number-three" in told and "failed  refused: HTTP 403" in told
    assert re.search("listen s1, uid user-number-one, .*: in report.html", told)
    page = render("html", summary)
    assert len(re.findall('<details class="lanes"[^>]* open>', page)) == 1 and page.count('<details class="lanes"') == 3


def test_no_line_of_one_user_is_told_of_the_other(tmp_path):
    timelines = {t["sid"]: t for t in read_run(RunDirectory(two_users(tmp_path / "r")))["timeline"]}
    assert "user-number-two" not in str(timelines["s1"]) and "user-number-one" not in str(timelines["s2"])
    assert "client_disconnected" in str(timelines["s1"]) and "client_disconnected" in str(timelines["s2"])


@pytest.mark.parametrize("make", [smoke, hostile, two_users, bare])
def test_the_terminal_shows_what_a_session_says_as_text(tmp_path, make):
    for timeline in read_run(RunDirectory(make(tmp_path / "r")))["timeline"]:
        rich, plain = printed(timeline, force_terminal=True, color_system=None), printed(timeline, force_terminal=False)
        for text in (rich, plain):
            assert "connects" in text and "\x1b" not in text and "\u202e" not in text
            if make is hostile:
                assert "[bold]" in text and "␛" in text
        assert len(plain.splitlines()) == 1 + len(timeline["entries"]) + len(timeline["steps"])


def test_hostile_sessions_stay_text_in_markdown(tmp_path):
    told = section(render("markdown", read_run(RunDirectory(hostile(tmp_path / "r")))))
    shown = MarkdownIt("commonmark", {"html": True}).enable("table").render(told)
    assert shown.count("<details>") == shown.count("</details>") == shown.count("<pre>") == 1
    assert "<script" not in shown and "<a " not in shown and "\u202e" not in shown and "\x1b" not in shown
    assert "closed 1011" in shown and HOSTILE[:20] not in shown


def test_long_timelines_leave_room_for_the_rest_of_a_comment(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run()
        session = j.connecting()
        for k in range(2000):
            name = "".join(chr(97 + int(c)) for c in str(k))
            j.write("message", sid="s1", kind=f"kind_{name}", data={"text": f"{'@x ' * 150}"}, bytes=9)
        j.closed(session)
        j.end()
    told = section(render("markdown", read_run(RunDirectory(tmp_path / "r"))))
    assert len(told) < 13_000 and "lines are left out here" in told and "closed 1000" in told


def test_long_ids_are_cut_where_the_title_has_them():
    timeline = {"server_session": "0123456789abcdef-01", "conversations": ["fedcba9876543210-02", "c1"]}
    line = "INFO:routers.transcribe:Created: fedcba9876543210-02 c1 u 0123456789abcdef-01"
    assert brief(line, timeline) == "Created: fedcba98… c1 u 01234567…"
    assert brief("ERROR:x:INFO:y", timeline) == "ERROR:x:INFO:y"


def test_durations_as_a_person_reads_them():
    assert [since(ms) for ms in (0.04, -3, 999.94, 1234)] == ["+0.0 ms", "-3.0 ms", "+999.9 ms", "+1.23 s"]
    assert told(12.5) == "12.5 ms"
