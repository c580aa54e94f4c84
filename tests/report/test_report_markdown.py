"""`report.md` under the limit of a comment, whatever a run holds, and whole in its structure, whatever that says."""

import re
from dataclasses import replace
from html import unescape

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from e2e.record.rundir import RunDirectory
from e2e.report import blocks as b
from e2e.report.curves import Curve, Line
from e2e.report.markdown import LIMIT, render_markdown
from e2e.report.text import markdown, markup
from e2e.report.view import build_view
from e2e.report.write import read_run
from tests.report.test_report_formats import HOSTILE, hostile
from tests.verdict.journals import smoke

COMMENT = 65_536
"""Characters that GitHub takes of a comment."""

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
FOLD = re.compile(r"<details( open)?><summary>([^\n]*)</summary>\n|</details>\n")
LIVE = re.compile(r"(?i)@\w|#\d|\bGH-\d|www\.|https?://(?!\u2060|127\.0\.0\.1(?!\.\w)|localhost)")


def check_structure(text: str, sections: list[str]) -> None:
    """Nothing from outside opens, closes, links or mentions anything."""
    assert len(text) <= LIMIT < COMMENT
    tokens = PARSER.parse(text)
    headings = [token.tag for token in tokens if token.type == "heading_open"]
    assert headings == ["h1"] + ["h2"] * len(sections)
    depth = 0
    for token in tokens:
        if token.type == "html_block":
            fold = FOLD.fullmatch(token.content)
            assert fold, token.content
            depth += -1 if fold[2] is None else 1
            assert depth in (0, 1) and not LIVE.search(unescape(fold[2] or "")) and "<" not in (fold[2] or "")
        assert token.type != "code_block"
        if token.type == "fence":
            assert token.info == "text" and token.markup not in token.content.split("\n")
            # Closed by a line of its own: else what follows would be in it.
            first, last = token.map
            assert text.split("\n")[last - 1] == token.markup and last - first == token.content.count("\n") + 2
        for child in token.children or ():
            assert child.type in ("text", "text_special", "strong_open", "strong_close", "code_inline", "softbreak"), (
                child.type,
                token.content,
            )
            assert not LIVE.search(child.content), child.content
    assert depth == 0
    check_tables(text, tokens)
    assert re.search(r"Run .*, exit code \d+\.\n\Z", text)


def check_tables(text: str, tokens: list) -> None:
    cells = None
    for n, token in enumerate(tokens):
        if token.type == "thead_open":
            types = [t.type for t in tokens[n : n + 500]]
            cells = types[: types.index("thead_close")].count("th_open")
        elif token.type == "tr_open" and cells:
            row = text.split("\n")[token.map[0]] if token.map else ""
            # The parser would fill up a row that is too short, and cut one that is too long.
            assert row.startswith("| ") and row.endswith(" |")
            assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == cells + 1, row


def enormous(path) -> dict:
    """`run.json` of a run in which there was more of everything than any report has room for."""
    summary = read_run(RunDirectory(hostile(path)))
    long = HOSTILE * 3
    for status in ("fail", "inconclusive", "pass"):
        check = {"name": f"check {HOSTILE}", "status": status, "detail": long, "evidence": [long] * 30}
        summary["checks"] += [check] * 60
    summary["title"], summary["sentence"] = long, long * 5
    summary["notes"], summary["not_shown"] = [long] * 100, [long] * 100
    for name in ("endpoints", "sessions", "auth_refused", "lifecycle", "timeline"):
        summary[name] = (summary[name] * 200)[:200]
    summary["excerpt"]["lines"] = (summary["excerpt"]["lines"] * 500)[:500]
    summary["errors"]["groups"] = (summary["errors"]["groups"] * 100)[:100]
    summary["imports"]["errors"] = (summary["imports"]["errors"] * 100)[:100]
    summary["counters"]["messages_by_type"] = {f"{HOSTILE}{n}": n for n in range(100)}
    summary["counters"]["close_codes"] = {str(n): n for n in range(3000)}
    summary["transcript"] |= {"text": long * 50, "reference": long * 50}
    summary["command"] = ["e2e", *[long] * 50]
    return summary


def test_an_enormous_run_fits_into_a_comment(tmp_path):
    view = build_view(enormous(tmp_path / "r"))
    text = render_markdown(view)
    check_structure(text, view.sections)
    assert "## Verdict" in text and "see report.html" in text
    assert len(text) > LIMIT * 0.8, "there is room for more of it"
    # Of the checks those come first that did not hold, and the others are counted.
    assert text.count("❌ ") > 50 and re.search(r"\d+ more lines: see report\.html", text)


def test_a_usual_run_is_told_whole(tmp_path):
    view = build_view(read_run(RunDirectory(smoke(tmp_path / "r"))))
    text = render_markdown(view)
    check_structure(text, view.sections)
    assert not re.search(r"more (row|line)s?: see|Left out", text) and len(text) < 20_000


def test_what_matters_least_shrinks_first(tmp_path):
    view = build_view(read_run(RunDirectory(smoke(tmp_path / "r"))))
    rows = [[str(n), "x" * 200] for n in range(120)]
    table = b.Table(["n", "text"], rows)
    long = replace(view, sections=[replace(s, blocks=[*s.blocks, table, table]) for s in view.sections])
    text = render_markdown(long)
    check_structure(text, view.sections)
    parts = dict(re.findall(r"^## ([^\n]*)\n(.*?)(?=^## |\Z)", text, re.S | re.M))
    told = {section.id: parts[section.title].count("x" * 100) for section in view.sections}
    assert told["verdict"] > told["stream"] >= told["log"] >= told["timeline"] and told["stream"] > 0
    assert "more rows: see report.html" in parts["Timeline"]


NASTY = st.sampled_from(
    (
        *("```", "````text", "~~~", "`", "|", "\\", "\\|", "<details>", "</details>", "</summary>", "<!--", "<script>"),
        *(
            "@user",
            "@org/team",
            "#12",
            "GH-1",
            "https://evil.example",
            "http://127.0.0.1.evil.example",
            "www.x.example",
        ),
        *(
            "\n",
            "\r\n",
            "\n\n",
            "    ",
            "\t",
            "# ",
            "- ",
            "12. ",
            "> ",
            "---",
            "===",
            "***",
            "__x__",
            "[a](b)",
            "![a](b)",
        ),
        *("[a]: b", "$x$", "&lt;", "&#124;", "\x1b[31m", "\x00", "\u202e", "\ud800", "\U0001f600", "word", "a_b", " "),
        *("| --- |", "<a href=x>", "a@b.example", "mailto:a@b.example", ":tada:", "\u2028", "é"),
    )
)
HARD = st.lists(NASTY | st.text(max_size=5), max_size=12).map("".join)
LONG = HARD | st.tuples(HARD, st.integers(1, 100)).map(lambda pair: pair[0] * pair[1])
LINES = st.tuples(st.lists(HARD, max_size=4), st.integers(1, 30)).map(lambda pair: pair[0] * pair[1])
STATUS = st.sampled_from(("pass", "fail", "inconclusive", "none"))


def table(rows, marked):
    cells = [[row, row[::-1], "1"] for row in rows]
    return b.Table(["a", "b", "n"], cells, ["fail"] * len(cells) if marked else [], frozenset({2}))


BLOCKS = st.one_of(
    LONG.map(b.Prose),
    LINES.map(b.Items),
    LINES.map(lambda lines: b.Pairs([(line, line) for line in lines])),
    st.builds(table, LINES, st.booleans()),
    LINES.map(lambda lines: b.Marks([b.Mark("fail", line, line, [line] * 9) for line in lines])),
    st.builds(b.Mark, STATUS, LONG, LONG, st.lists(LONG, max_size=2)).map(lambda mark: b.Marks([mark] * 80)),
    st.builds(b.Log, LONG, LINES, st.booleans()),
    LONG.map(b.Code),
    LINES.map(lambda lines: b.Timeline(["x"], [b.Moment(1.0, line, line, line, bad=True) for line in lines], 1.0)),
    st.builds(b.SideBySide, HARD, LONG, HARD, LONG),
    st.builds(lambda title, lines: b.Lanes(title, [], [], [(title, title)] * 9, lines), LONG, LINES),
    HARD.map(lambda name: b.Curves([Curve(name, name, (0.0, 1.0), [Line(name, (1.0, None))] * 9, 1.0)] * 9)),
)
IDS = ("verdict", "endpoints", "stream", "timeline")


# A failing example of this size would take minutes to shrink.
@settings(max_examples=25, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(st.lists(st.lists(BLOCKS, max_size=4), min_size=1, max_size=len(IDS)), LONG, LONG)
def test_no_text_breaks_out_of_its_place(parts, title, sentence):
    sections = [b.Section(name, f"Part {name}", blocks) for name, blocks in zip(IDS, parts, strict=False)]
    figures = [(title, sentence)] * 9
    check_structure(render_markdown(b.View(title, title, "fail", 1, sentence, figures, sections)), sections)


@pytest.mark.parametrize("escape", (markdown, markup))
@given(text=LONG, limit=st.integers(20, 700))
@settings(max_examples=100, deadline=None)
def test_escaped_text_has_the_length_that_was_asked_for(escape, text, limit):
    assert len(escape(text, limit)) <= limit


@pytest.mark.parametrize(
    ("text", "kept"),
    (
        ("http://127.0.0.1:10220, then", True),
        ("see http://localhost/x", True),
        ("(http://127.0.0.1:1).", True),
        ("http://127.0.0.1.evil.example", False),
        ("http://127.0.0.1@evil.example", False),
        ("http://127.0.0.1:80@evil.example", False),
        ("https://evil.example", False),
    ),
)
def test_only_addresses_of_this_machine_stay_links(text, kept):
    assert ("://&#8288;" not in markdown(text)) is kept
