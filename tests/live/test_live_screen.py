"""The live screen as lines, plain lines, and what hostile words cannot do to either."""

import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console, Group

from e2e.cli.live import shows_screen
from e2e.live.screen import elapsed, screen
from e2e.live.view import PlainLines, ScreenView
from e2e.verdict.live import KINDS, LiveFigures
from tests.verdict.journals import journal

KEYS = [("q", "finish"), ("p", "pause"), ("+ -", "users")]
HOSTILE = "\x1b[2J\x1b[10A\x1b]0;title\x07\r\n\x9b1mwide 測試測試 \u202eback [bold]markup[/bold] \x00" + "x" * 500
SGR = re.compile(r"\x1b\[[\d;]*m")


def busy(path, word: str = "a word", devices: int = 3) -> LiveFigures:
    """Figures in the middle of a load, with every part that the screen has; `word` is all that services say."""
    figures = LiveFigures()
    with journal(path) as j:
        j.journal.subscribe(figures.take, *KINDS)
        load = {"model": "users", "text": "", "at_once": 10, "seconds": None, "settled": 60.0}
        j.run(options={"users": 10, "pace": "realtime", "load": load})
        j.boot()
        j.tape()
        j.write("phase", phase="stream", state="begin")
        sessions = [j.connecting(f"s{n}", f"u{n}", device=n) for n in range(devices)]
        for session in sessions:
            j.open(session)
            j.ready(session)
            j.speech(session, j.begin(session), said=((word, 0.5, 2.0),))
        j.failed(sessions[0], "closed", word)
        j.closed(sessions[0], code=1011, by="server", chunks=10)
        j.import_error(module=word)
        j.write("import_audit", service="backend", tree="/srv", errors=2)
        j.write("error_line", service=word, level="ERROR", text=word, n=9, noise=False)
        j.write("message", sid="s1", kind=word, data=word, bytes=9)
        for service in ("backend", "pusher"):
            j.write("resources", service=service, cpu=0.5, rss_mb=310.0)
        for _ in range(2):
            j.at(j.time - j.journal.origin + 1)
            j.write("generator", cpu=0.43, rss_mb=120.0, loop_lag_ms=1.2, open_sessions=2, planned=3, active=2)
        j.write("arrivals", started=3, dropped=7)
    return figures


def text_of(figures, width=80, height=24, keys=KEYS) -> list[str]:
    return [line.plain for line in screen(figures, keys, width, height)]


def test_one_screen_says_all_that_matters(tmp_path):
    lines = text_of(busy(tmp_path))
    shown = "\n".join(lines)
    assert len(lines) <= 24
    assert lines[0].startswith("smoke against standin  streaming 0:")
    assert "3 of 10 devices" in shown and "10 of 300 chunks of these" in shown
    for words in (
        *("2 playing", "2 of 3 devices at work, 2 sessions open", "7 arrivals dropped", "late by p50 0.4 ms"),
        *("healthy, 50% of a core, 310 MB", "43% of a core, 120 MB, loop late by 1.2 ms", "transcript", "ping"),
        *(
            "ready",
            "first segment",
            "import 1, audit 2, log 1",
            "failed 1",
            "closed 1011 × 1",
            "closed",
            "a word",
        ),
        *("q finish", "p pause", "+ - users", "Ctrl-C interrupt"),
    ):
        assert words in shown, (words, shown)


def test_what_is_known_of_some_sessions_only_says_so(tmp_path, monkeypatch):
    figures = busy(tmp_path, devices=5)
    assert "protocol 0" in "\n".join(text_of(figures))
    monkeypatch.setattr("e2e.verdict.live.FOLLOWED", 2)
    monkeypatch.setattr("e2e.live.screen.FOLLOWED", 2)
    shown = text_of(figures, 100, 40)
    assert any("protocol (in 2 sessions) 0" in line for line in shown)
    (lag,) = [line for line in shown if line.startswith("transcript lag")]
    (ready,) = [line for line in shown if line.startswith("ready")]
    assert lag.endswith("of 2 at a time") and "at a time" not in ready


@pytest.mark.parametrize("word", ("a word", HOSTILE), ids=("plain", "hostile"))
def test_no_line_is_ever_wider_and_no_screen_higher_than_the_terminal(tmp_path, word):
    figures = busy(tmp_path, word)
    for width in (1, 5, 9, 12, 20, 39, 40, 60, 79, 80, 81, 200):
        for height in (1, 2, 3, 10, 23, 24, 60):
            lines = text_of(figures, width, height)
            assert 1 <= len(lines) <= height
            assert all(cell_len(line) <= width for line in lines), (width, height, lines)


def test_where_there_is_little_room_what_matters_most_stays(tmp_path):
    lines = text_of(busy(tmp_path), height=6)
    assert lines[0].startswith("smoke") and lines[-1].startswith("q finish")
    assert any(line.startswith("errors") for line in lines) and any(line.startswith("stream ") for line in lines)


def test_words_of_services_cannot_move_the_cursor_or_colour_anything(tmp_path):
    figures = busy(tmp_path, HOSTILE)
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=50, color_system="standard")
    console.print(Group(*screen(figures, KEYS, 200, 60)))
    written = SGR.sub("", console.file.getvalue())
    assert "[bold]markup" in written  # no markup of rich's either
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", written)
    plain = Console(file=io.StringIO(), width=80)
    lines = PlainLines(plain, figures)
    lines.take({"t": 1.0, "type": "session", "event": "failed", "error": HOSTILE})
    lines.take({"t": 1.0, "type": "import_error", "service": HOSTILE, "module": HOSTILE})
    lines.take({"t": 1.0, "type": "service", "service": HOSTILE, "event": "exited"})
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", plain.file.getvalue())
    assert plain.file.getvalue().count("\n") == 3


def test_before_anything_is_known_there_is_a_screen_too():
    figures = LiveFigures()
    assert text_of(figures)[-1] == "Ctrl-C interrupt   " or text_of(figures, keys=[])[-1].startswith("Ctrl-C")


def test_boot_has_a_bar_of_services(tmp_path):
    figures = LiveFigures()
    with journal(tmp_path) as j:
        j.journal.subscribe(figures.take, *KINDS)
        j.run()
        j.launch("pusher")
        j.launch("backend")
        j.healthy("pusher")
        assert any("1 of 2 services healthy" in line and line.startswith("boot") for line in text_of(figures))


def test_while_paused_the_screen_says_so_and_promises_no_end(tmp_path):
    figures = busy(tmp_path)
    assert "left" in text_of(figures)[0]
    figures.take({"t": figures.t, "type": "control", "what": "pause", "by": "key p", "users": 3})
    assert "paused" in text_of(figures)[0] and "left" not in text_of(figures)[0]
    figures.take({"t": figures.t, "type": "control", "what": "finish", "by": "key q", "users": 3})
    assert "finishing" in text_of(figures)[0] and "left" not in text_of(figures)[0]


def test_while_the_run_drains_both_views_say_what_for_of_how_many_and_for_how_long(tmp_path):
    console, figures = Console(file=io.StringIO(), width=100), LiveFigures()
    plain = PlainLines(console, figures)
    with journal(tmp_path) as j:
        j.journal.subscribe(figures.take, *KINDS)
        j.journal.subscribe(plain.take, *plain.KINDS)
        j.run(drain={"event": "handler_ended", "required": False, "at_most_s": 75.0})
        ended = {"awaited": "handler_ended", "seen": True, "waited_s": 0.0, "required": False}
        j.write("drain", uid="u0", **ended)  # while the load lasted: nobody waits for this one
        j.write("phase", phase="drain", state="begin", users=5)
        for n in (1, 2):
            j.write("drain", uid=f"u{n}", **ended)
        (line,) = [line for line in text_of(figures) if line.startswith("awaited")]
        assert line == "awaited   handler_ended in the logs: 3 of 5 users, at most 75 s"
        j.at(6)
        j.write("generator", planned=0, active=0)
        for n in (3, 4, 5):
            j.write("drain", uid=f"u{n}", **ended)
        assert not any(line.startswith("awaited") for line in text_of(figures))
    said = console.file.getvalue().splitlines()
    assert said[-2].endswith("s  waiting for handler_ended in the logs: 5 of 5 users, at most 75 s")
    assert said[-1].endswith("waiting for handler_ended in the logs: 3 of 5 users, at most 75 s, 0:05 so far")


def test_a_line_is_never_cut_within_a_number(tmp_path):
    figures = busy(tmp_path, "closed after 30 of 3,000 chunks")
    for width in range(29, 50):
        line, full = (
            [line for line in text_of(figures, cells, 60) if line.startswith(" ") and "s closed after" in line][-1]
            for cells in (width, 300)
        )
        kept = line.removesuffix("…")
        assert full.startswith(kept), line
        assert not re.match(r"\d[.,]?\d", full[len(kept) - 1 :]) or kept == full, line


def test_elapsed_time_is_as_short_as_it_can_be():
    assert [elapsed(s) for s in (-1, 7.9, 60, 3599, 3600, 90061)] == [
        *("0:00", "0:07", "1:00", "59:59", "1:00:00", "25:01:01"),
    ]


def test_the_screen_is_drawn_and_taken_away_again(tmp_path):
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=24)
    with ScreenView(console, busy(tmp_path), lambda: KEYS) as view:
        view.hide()
        view.show()
    written = console.file.getvalue()
    assert "streaming" in written and written.count("\x1b[?25l") == written.count("\x1b[?25h") == 2


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("env", "file", "shown"),
    (
        ({}, Terminal(), True),
        ({}, io.StringIO(), False),
        ({"FORCE_COLOR": "1"}, io.StringIO(), False),
        ({"NO_COLOR": "1"}, Terminal(), False),
        ({"CI": "true"}, Terminal(), False),
        ({"TERM": "dumb"}, Terminal(), False),
    ),
)
def test_there_is_a_screen_only_on_a_terminal_that_wants_one(monkeypatch, env, file, shown):
    for name in ("NO_COLOR", "CI", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert shows_screen(Console(file=file)) is shown


def test_plain_lines_tell_of_progress_every_few_seconds_by_the_time_of_the_records(tmp_path):
    console, figures = Console(file=io.StringIO(), width=80), LiveFigures()
    plain = PlainLines(console, figures)
    with journal(tmp_path) as j:
        j.journal.subscribe(figures.take, *KINDS)
        j.journal.subscribe(plain.take, *plain.KINDS)
        j.run()
        j.boot()
        j.write("phase", phase="stream", state="begin")
        j.tape()
        session = j.connecting()
        j.open(session)
        j.begin(session)
        for second in range(1, 13):
            j.at(second)
            j.write("generator", planned=1, active=1)
            j.write("arrivals", started=1, dropped=7)
        for n in range(50):
            j.failed(session, "closed", f"gone {n}")
        j.write("control", what="users", by="key +", users=2, change=1)
    lines = console.file.getvalue().splitlines()
    assert sum("0 of 100 chunks, 1 of 1 devices at work, 1 messages" in line for line in lines) == 2
    assert any("7 arrivals dropped, about 0:0" in line for line in lines)
    assert sum("failed: gone" in line for line in lines) == 20
    assert [line.split("s  ")[1] for line in lines[:3]] == ["pusher healthy", "backend healthy", "streaming"]
    assert lines[-1].endswith("by hand: users, 2 users")
