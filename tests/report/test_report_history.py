"""The page of a directory's history, also with names that nobody would choose in good faith."""

import io
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from rich.console import Console

from e2e.record.history import RunRow
from e2e.report.page import render_history
from e2e.report.terminal_blocks import show_blocks
from e2e.report.view_history import history_blocks, history_page

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)> \x1b[31m \u202e {{ 7*7 }} [bold]b'


def runs(count=5, **more):
    rows = [
        RunRow(
            f"2026031{k}-smoke",
            scenario="smoke",
            target="standin",
            started=f"2026-03-1{k}T09:00:00",
            verdict="pass" if k % 2 else "fail",
            users=1,
            chunks_planned=10,
            chunks_sent=10 - k,
            wer=k / 100,
            import_errors=0,
            p95={"ready": 40.0 + k, "first_segment": 900.0},
        )
        for k in range(count)
    ]
    return [replace(row, **more) for row in reversed(rows)]


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))


def page(rows, total=None):
    text = render_history(history_page("Runs in reports", rows, len(rows) if total is None else total))
    tags = Tags()
    tags.feed(text)
    return text, tags.seen


def test_trends_and_a_table_with_links_to_the_reports():
    text, tags = page(runs())
    assert next(a["href"] for tag, a in tags if tag == "a") == "20260314-smoke/report.html"
    for trend in ("verdict", "ready p95", "first_segment p95", "word error rate", "chunks lost", "import errors"):
        assert f"<strong>{trend}</strong>" in text
    assert "regressions</strong>" not in text  # none was compared
    assert len([a for tag, a in tags if tag == "circle"]) == 6 * 5
    assert not [tag for tag, a in tags if tag in ("script", "link", "img") or "src" in a]


def test_points_lie_in_their_box_the_newest_to_the_right():
    (group,) = history_page("x", runs(), 5).groups
    (ready,) = [t for t in group.trends if t.title == "ready p95"]
    assert [p.x for p in ready.points] == sorted(p.x for p in ready.points)
    assert [p.y for p in ready.points] == sorted((p.y for p in ready.points), reverse=True)
    assert all(0 < p.x < 1000 and 0 < p.y < 200 for p in ready.points)
    assert ready.scale == "0 ms to 44 ms"
    assert (group.first, group.last) == ("2026-03-10 09:00", "2026-03-14 09:00")


def test_the_head_tells_the_newest_runs_of_each_scenario():
    told = history_page("x", [*runs(1, scenario="podcast", verdict="pass"), *runs(3, verdict="fail")], 4)
    assert told.status == "fail"
    assert told.figures[-2:] == [("podcast", "pass"), ("smoke, the newest first", "fail, fail, fail")]
    assert history_page("x", runs(3, verdict="pass"), 3).status == "pass" and history_page("x", [], 0).status == "none"


def test_only_runs_that_are_alike_share_a_curve():
    other = ({"pace": "20x"}, {"load": "3 users"}, {"faults": "ready=late"}, {"target": "local"})
    rows = [row for how in ({}, *other) for row in runs(2, **({"load": "1 users", "pace": "realtime"} | how))]
    titles = [group.title for group in history_page("x", rows, len(rows)).groups]
    assert titles == [
        "smoke on standin, 1 user, realtime",
        "smoke on standin, 1 user, 20x",
        "smoke on standin, 3 users, realtime",
        "smoke on standin, 1 user, realtime, with ready=late",
        "smoke on local, 1 user, realtime",
    ]


def test_a_run_that_was_cut_lost_nothing():
    rows = runs(3)
    rows[0] = replace(rows[0], chunks_planned=3000, chunks_sent=1, ended="did not end by itself")
    text, _ = page(rows)
    (group,) = history_page("x", rows, 3).groups
    (lost,) = [t for t in group.trends if t.title == "chunks lost"]
    assert len(lost.points) == 2 and lost.scale == "0 to 1" and "2999" not in text and ">cut</td>" in text


def test_one_run_and_none():
    assert "20260310-smoke" in page(runs(1))[0] and "<svg" not in page(runs(1))[0]
    assert "No runs yet" in page([])[0]


def test_broken_and_left_out_runs_are_named():
    rows = [*runs(2), RunRow("dead", "no run.json")]
    text, _ = page(rows, total=10)
    assert "dead: no run.json" in text and "7 more runs are left out" in text


def test_hostile_names_stay_names():
    names = {k: HOSTILE for k in ("name", "scenario", "target", "started", "verdict")}
    text, tags = page([*runs(2, **names), RunRow(HOSTILE, HOSTILE)])
    assert not [tag for tag, _ in tags if tag in ("script", "img")]
    assert "\x1b" not in text and "\u202e" not in text and "7*7" in text
    assert all(a["href"].startswith("%22%3E") for tag, a in tags if tag == "a")


def test_the_table_of_the_terminal():
    out = io.StringIO()
    show_blocks(Console(file=out, width=200), history_blocks([*runs(2), RunRow(HOSTILE, "no run.json")], total=9))
    text = out.getvalue()
    assert "20260311-smoke" in text and "41 ms" in text and "Not readable" in text and "6 more" in text
    assert "\x1b" not in text and "[bold]b" in text


@pytest.mark.skipif(not shutil.which("chromium"), reason="chromium is not installed")
def test_the_page_opens_in_a_browser_without_a_complaint(tmp_path):
    names = {k: HOSTILE for k in ("name", "scenario", "target", "verdict")}
    (tmp_path / "history.html").write_text(page([*runs(9), *runs(2, **names)])[0], encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    logging = ["--enable-logging=stderr", "--v=0", f"--user-data-dir={tmp_path / 'profile'}"]
    where = (tmp_path / "history.html").as_uri()
    done = subprocess.run(
        ["chromium", *flags, *logging, "--dump-dom", where], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and "<svg" in done.stdout and "<script" not in done.stdout
    assert "CONSOLE" not in done.stderr and "Content Security Policy" not in done.stderr
