"""`report.html` in a browser: what it shows, what can be done with it, and what it leaves alone."""

import json
import re

import pytest

from e2e.record.rundir import RunDirectory
from e2e.report.curves import Curve, Line, clock, nice, short, ticks
from e2e.report.page import as_data
from e2e.report.view_curves import MIN_VALUES
from e2e.report.write import write_reports
from tests.report.browser import chromium, needs_chromium
from tests.report.runs import busy
from tests.report.test_report_formats import hostile
from tests.verdict.journals import smoke

pytestmark = needs_chromium

LIMIT = 2_000_000
"""Bytes of a page."""

LONG_WORD = "w" * 1_000_000
EVIL = "</script><script>document.title = 'taken'</script><img src=http://evil.example/x> \x1b[31m\x00 \u202eevil"


FLOOD = [("\u202e<&" * 50 + f" {n}", 5.0 + n / 100, 5.01 + n / 100) for n in range(400)]


def evil(path):
    return busy(path, users=6, seconds=12, heard=((EVIL, 0.5, 2.0), (LONG_WORD, 2.5, 5.0), *FLOOD), title=EVIL)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """Report pages by the function that writes the journal, each made once: (path, content of run.json)."""
    made = {}

    def report(make):
        if make not in made:
            run = RunDirectory(make(tmp_path_factory.mktemp("runs") / make.__name__))
            made[make] = run.path / "report.html", write_reports(run)
        return made[make]

    return report


@pytest.fixture
def busy_page(browser, reported):
    path, summary = reported(busy)
    return browser.open(path), summary


def texts(page, selector):
    return page.run(f"[...document.querySelectorAll({selector!r})].map(e => e.textContent.trim())")


def axis(page, n=0):
    """Begin and end (s) of the time axis of a curve, by what is written at its ticks, and where."""
    ticks = page.run(
        f"[...document.querySelectorAll('.curve')[{n}].querySelectorAll('.x span')]"
        ".map(e => [parseFloat(e.style.left) / 100, e.textContent])"
    )
    assert 2 <= len(ticks) <= 6
    (a, begin), (b, end) = ((share, seconds(label)) for share, label in (ticks[0], ticks[-1]))
    rate = (end - begin) / (b - a)
    return round(begin - a * rate, 1), round(begin + (1 - a) * rate, 1)


def seconds(label):
    """`12.5 s` and `1:04:05`."""
    return sum(float(part) * 60**k for k, part in enumerate(reversed(label.removesuffix(" s").split(":"))))


@pytest.mark.parametrize("make", [smoke, busy, hostile, evil])
def test_it_asks_nobody_and_complains_of_nothing(browser, reported, make):
    path, summary = reported(make)
    page = browser.open(path)
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.complaints == []
    assert page.requests == [page.url]
    assert page.run("document.title").startswith(summary["verdict"])
    assert page.run("document.querySelectorAll('script[src], img, iframe, link, a[href^=http]').length") == 0


def test_its_policy_forbids_any_other_script(browser, reported, tmp_path):
    path, _ = reported(smoke)
    changed = tmp_path / "changed.html"
    changed.write_text(path.read_text().replace("</body>", "<script>document.title = 'taken'</script></body>"))
    page = browser.open(changed)
    assert page.run("document.title") != "taken" and "Content Security Policy" in json.dumps(page.complaints)


def test_its_figures_are_those_of_run_json(busy_page):
    page, summary = busy_page
    marks = page.run(
        "[...document.querySelectorAll('#verdict ul.marks > li')]"
        ".map(li => [li.querySelector('strong').textContent, li.querySelector('.mark').title])"
    )
    assert sorted(marks) == sorted([c["name"], c["status"]] for c in summary["checks"])
    assert [status for _, status in marks] == sorted(status for _, status in marks), "what failed comes first"
    figures = dict(zip(texts(page, ".figures dt"), texts(page, ".figures dd"), strict=True))
    counters = summary["counters"]
    assert figures["chunks sent"] == f"{counters['chunks_sent']} of {counters['chunks_planned']}"
    assert figures["server messages"] == str(counters["server_messages"])
    rows = page.run(
        "[...document.querySelectorAll('#measures .scroll table')[0].tBodies[0].rows]"
        ".map(r => [...r.cells].slice(0, 7).map(c => c.textContent))"
    )
    assert [row[:2] for row in rows] == [[m, str(h["count"])] for m, h in summary["latency_ms"].items()]
    for row, known in zip(rows, summary["latency_ms"].values(), strict=True):
        shown = [float(cell) for cell in row[2:]]
        assert shown == pytest.approx([known[p] for p in ("p50", "p90", "p95", "p99", "max")], abs=0.051, rel=0.001)


def test_its_curves_and_histograms_hold_every_value(busy_page):
    page, summary = busy_page
    data = page.run("JSON.parse(document.querySelector('#curves script').textContent)")
    load, lines = summary["series"]["load"], {}
    for chart in data["charts"]:
        lines |= {(chart["unit"], line["name"]): line["values"] for line in chart["lines"]}
    assert lines["", "sessions open"] == load["open"] and lines["", "devices planned"] == load["planned"]
    assert lines["", "streams playing, the pusher probe's too"] == load["streams"]
    assert lines["a second", "chunks"] == load["chunks_per_s"]
    assert lines["a second", "messages"] == load["messages_per_s"]
    assert lines["MB", "backend"] == load["rss_mb"]["backend"]
    assert lines["% of a core", "generator"] == [v and v * 100 for v in load["cpu"]["generator"]]
    counts = page.run(
        "Object.fromEntries([...document.querySelectorAll('.bars')].map(f => [f.querySelector('strong').textContent,"
        "[...f.querySelectorAll('tbody td:last-child')].reduce((sum, td) => sum + Number(td.textContent), 0)]))"
    )
    assert counts == {m: h["count"] for m, h in summary["latency_ms"].items() if h["count"] >= MIN_VALUES}
    assert len(counts) > 2
    tops = "[...document.querySelectorAll('.bars')].map(f => Math.max(...[...f.querySelectorAll('rect:not(.all)')]"
    assert set(page.run(f"{tops}.map(r => r.height.baseVal.value)))")) == {100}


def test_pointing_shows_the_values_of_all_curves_at_that_time(busy_page):
    page, summary = busy_page
    rest = texts(page, ".curve output")
    page.point(".curve .plot", 0.5)
    load, t = summary["series"]["load"], summary["duration"] / 2
    n = min(range(len(load["t"])), key=lambda k: (abs(load["t"][k] - t), k))
    shown = texts(page, ".curve output")
    assert shown[0] == str(load["open"][n]) and shown != rest
    messages = page.run(
        "[...document.querySelectorAll('.curve')].find(f => f.textContent.includes('messages of'))"
        ".querySelector('output').textContent"
    )
    assert messages == f"{load['messages_per_s'][n]:g}"
    crosses = page.run("[...document.querySelectorAll('.curve .cross')].map(e => e.hidden || e.style.left)")
    assert len(set(crosses)) == 1 and float(crosses[0].rstrip("%")) == pytest.approx(50, abs=0.2)
    page.mouse("mouseMoved", 2, 2)
    assert texts(page, ".curve output") == rest


def test_a_drag_zooms_all_charts_and_a_double_click_shows_all_again(busy_page):
    page, summary = busy_page
    whole = pytest.approx((0, summary["duration"]), abs=0.1)
    assert axis(page) == axis(page, 1) == whole
    drawn = "document.querySelector('.curve .plot path').getAttribute('d')"
    path = page.run(drawn)
    page.drag(".curve .plot", 0.25, 0.5)
    begin, end = axis(page)
    assert begin == pytest.approx(summary["duration"] / 4, abs=1) and end == pytest.approx(
        summary["duration"] / 2, abs=1
    )
    assert (
        axis(page) == axis(page, 1)
        and page.run("document.querySelector('.curve .plot path').getAttribute('d')") != path
    )
    box = page.place(".curve .plot", 2)
    for clicks in (1, 2):
        for type in ("mousePressed", "mouseReleased"):
            page.mouse(type, box["left"] + 30, box["top"] + 30, clicks=clicks)
    assert axis(page) == axis(page, 1) == whole
    page.run("document.querySelector('#curves button[data-do=in]').click()")
    assert axis(page) != whole
    page.run("document.querySelector('#curves button[data-do=all]').click()")
    assert axis(page) == whole


def test_a_zoomed_curve_has_a_scale_of_its_own(busy_page):
    page, summary = busy_page
    rates = [rate for rate in summary["series"]["load"]["chunks_per_s"] if rate]
    top = "Number(document.querySelectorAll('.curve')[1].querySelector('.y span').textContent)"
    assert page.run(top) == pytest.approx(nice(max(rates)))
    page.drag(".curve .plot", 0.02, 0.1)
    assert rates[0] <= page.run(top) < max(rates) / 2


def test_keys_walk_through_the_points_zoom_and_reset(busy_page):
    page, summary = busy_page
    page.run("document.querySelector('.curve .plot').focus()")
    page.key("Home")
    first = texts(page, "#curves .when")[0]
    page.key("ArrowRight", "ArrowRight")
    t = summary["series"]["load"]["t"]
    assert first == f"at {t[0]:g} s" and texts(page, "#curves .when") == [f"at {t[2]:g} s"]
    spoken = texts(page, "#curves .tools .spoken")[0]
    assert spoken.startswith(f"at {t[2]:g} s: ") and "devices planned 4" in spoken
    page.key("+", "+")
    begin, end = axis(page)
    assert begin < t[2] < end and end - begin == pytest.approx(summary["duration"] / 4, abs=1)
    page.key("End")
    assert axis(page)[1] == pytest.approx(summary["duration"], abs=1)
    page.key("-", "-")
    assert axis(page) == pytest.approx((0, summary["duration"]), abs=0.1)
    page.key("+", "Escape")
    assert axis(page) == pytest.approx((0, summary["duration"]), abs=0.1)
    assert page.run("[...document.querySelectorAll('.curve .cross')].every(e => e.hidden)")


def test_a_finger_does_what_a_mouse_does(busy_page):
    page, summary = busy_page
    page.touch(".curve .plot", 0.5)
    assert texts(page, ".curve output")[0] in map(str, summary["series"]["load"]["open"])
    assert texts(page, "#curves .when")[0].startswith("at ")
    page.touch(".curve .plot", 0.2, 0.3, 0.45, 0.6)
    begin, end = axis(page)
    assert (begin, end) == pytest.approx((summary["duration"] * 0.2, summary["duration"] * 0.6), abs=1)


def test_a_session_is_chosen_from_the_list_the_failed_one_first(busy_page):
    page, summary = busy_page
    titles = texts(page, "details.lanes > summary")
    marks = page.run("[...document.querySelectorAll('details.lanes > summary .mark')].map(e => e.title)")
    assert marks == ["fail", "pass", "pass"]
    assert "s4" in titles[0] and len(titles) == len(summary["timeline"]) == 3
    opened = "[...document.querySelectorAll('details.lanes')].map(d => d.open)"
    assert page.run(opened) == [True, False, False]
    page.run("document.querySelectorAll('details.lanes > summary')[1].click()")
    assert page.run(opened) == [False, True, False]
    scene = "details.lanes[open] .scene"
    assert page.run(f"document.querySelector('{scene} .wave path').getAttribute('d').length") > 500
    told = summary["timeline"][1]
    play = told["plays"][0]
    share = (play["t"] + 1.0 - told["began"]) / (max(play["until"], told["entries"][-1]["t"]) - told["began"])
    page.point(f"{scene} .wave", share)
    assert f"said: {told['said'][0]['text']}" in texts(page, f"{scene} .now")[0]
    assert page.run("document.querySelectorAll('details.lanes[open] tr.here').length") == 1
    page.drag(f"{scene} .plot", 0.0, 0.5, 1)
    boxes = page.run(f"[...document.querySelectorAll('{scene} svg')].map(s => s.getAttribute('viewBox').split(' ')[2])")
    assert len(set(boxes)) == 1 and float(boxes[0]) == pytest.approx(500, abs=10)


def test_differences_are_marked_by_more_than_colour(browser, reported):
    def misheard(path):
        return busy(path, users=1, seconds=20, heard=(("good warning everyone", 0.5, 2.0), ("the train is", 2.5, 5.0)))

    page = browser.open(reported(misheard)[0])
    words = "good morning warning everyone the train is late again that's fine with me"
    assert texts(page, ".difference")[0].split() == words.split()
    style = "getComputedStyle(document.querySelector('.difference {}')).textDecorationLine"
    assert page.run(style.format("del")) == "line-through" and page.run(style.format("ins")) == "underline"
    assert texts(page, ".difference del")[0] == "morning" and texts(page, ".difference ins") == ["warning"]


def test_what_sessions_say_stays_text(browser, reported):
    path, summary = reported(evil)
    assert path.stat().st_size < LIMIT
    page = browser.open(path)
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    told = summary["timeline"][0]
    page.point("details.lanes[open] .wave", 0.1)
    text = page.run("document.body.textContent")
    assert "</script><script>document.title" in text and "‹U+202E›evil" in text and "␛[31m" in text
    assert "\u202e" not in text and "\x1b" not in text
    assert "</script><script>" in texts(page, "details.lanes[open] .now")[0], told["said"]
    assert page.run("document.title") != "taken" and page.complaints == []


CUT = """[...document.querySelectorAll("td, th")].filter(e => e.getClientRects().length)
  .filter(e => e.getBoundingClientRect().right > innerWidth || e.scrollWidth > e.clientWidth + 1)
  .map(e => e.textContent.slice(0, 50))"""


@pytest.mark.parametrize("make", [busy, evil, hostile])
def test_a_phone_needs_no_scrolling_to_the_side(browser, reported, make):
    page = browser.open(reported(make)[0], 360, 700)
    for name in ("", "document.querySelectorAll('details').forEach(d => { d.name = ''; d.open = true; })"):
        page.run(name or "0")
        assert page.run("document.documentElement.scrollWidth") <= 360
        assert page.run("document.scrollingElement.scrollHeight") > 700
        assert page.run(CUT) == []


def test_a_phone_tells_the_column_of_each_cell(browser, reported):
    page = browser.open(reported(hostile)[0], 390, 800)
    cell = "[...document.querySelectorAll('td[data-label=problem]')].find(e => e.textContent)"
    label = f"getComputedStyle({cell}, '::before')"
    assert page.run(f"{label}.content").startswith('"problem')
    page = browser.open(reported(hostile)[0], 1200)
    assert page.run(f"{label}.content") == "none"


LANES = """(() => {
  const rows = [...document.querySelectorAll("#timeline details[open] > table tbody tr")];
  const shown = e => e.getBoundingClientRect().height > 0;
  const lefts = rows.map(r => Math.round(r.querySelector("[data-lane]").getBoundingClientRect().left));
  const head = document.querySelector("#timeline details[open] thead");
  return [rows.filter(shown).length > 10, shown(head), new Set(lefts).size];
})()"""


@pytest.mark.parametrize(("width", "head", "columns"), ((1200, True, 2), (500, False, 1)))
def test_lanes_where_they_fit_and_one_column_on_a_phone(browser, reported, width, head, columns):
    assert browser.open(reported(smoke)[0], width).run(LANES) == [True, head, columns]


CONTRAST = """(() => {
  const parse = c => c.match(/[\\d.]+/g).map(Number);
  const linear = v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = rgb => rgb.slice(0, 3).map(v => linear(v / 255))
    .reduce((sum, v, n) => sum + v * [.2126, .7152, .0722][n], 0);
  const ground = e => {
    for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] !== 0) return c; }
  };
  const found = [];
  for (const e of document.querySelectorAll("body *:not(script):not(title)")) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !e.getClientRects().length) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
    found.push([(a + .05) / (b + .05), e.tagName + "." + e.className]);
  }
  return [found.length, found.sort((x, y) => x[0] - y[0])[0]];
})()"""


@pytest.mark.parametrize("dark", [False, True])
def test_all_text_stands_out_from_its_ground(browser, reported, dark):
    page = browser.open(reported(busy)[0], dark=dark)
    page.run("document.querySelectorAll('details').forEach(d => { d.name = ''; d.open = true; })")
    n, (least, where) = page.run(CONTRAST)
    assert n > 200 and least >= 4.5, (least, where)


def test_the_keyboard_reaches_every_part(busy_page):
    page, _ = busy_page
    page.key("Tab")
    assert page.run("document.activeElement.className") == "skip"
    reached = "a => document.querySelector(a.getAttribute('href')).hasAttribute('tabindex')"
    assert page.run(f"[...document.querySelectorAll('nav a')].every({reached})")
    page.run("document.querySelector('.plot[tabindex=\"0\"]').focus({focusVisible: true})")
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_without_its_script_it_says_the_same(browser, reported):
    path, _ = reported(busy)
    page = browser.open(path)
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    page.reload()
    assert page.run("[...document.querySelectorAll('.tools')].every(e => e.hidden)")
    assert page.run(
        "[...document.querySelectorAll('.curve path')].every(p => p.getAttribute('d') || p.closest('.key'))"
    )
    assert re.fullmatch(r"[\d.]+ to [\d.]+", texts(page, ".curve output")[0])
    assert page.run("document.querySelectorAll('.bars title').length") > 5
    assert page.call("Page.printToPDF")["data"]


def day(path):
    """Eight hours of a thousand devices; a sample every two minutes, one or two to a point."""
    return busy(path, users=1000, seconds=8 * 3600, every=120, tape={"said": (), "reference": None})


def test_eight_hours_of_a_thousand_devices_fit(browser, reported):
    path, summary = reported(day)
    assert summary["counters"]["sessions"] == 1000 and summary["duration"] > 8 * 3600
    assert len(summary["series"]["load"]["t"]) > 150
    assert path.stat().st_size < LIMIT / 2
    page = browser.open(path)
    assert page.complaints == [] and axis(page) == pytest.approx((0, summary["duration"]), abs=30)
    assert texts(page, ".curve:nth-of-type(1) .x span") == [f"{2 * n}:00:00" for n in range(5)]


def test_a_curve_is_drawn_to_scale_with_gaps_where_nothing_is_known():
    curve = Curve("c", "ms", [0, 1, 2, 3, 4], [Line("a", [0, 50, None, 25, None])], 4.0)
    assert curve.path(curve.lines[0]) == "M0.0 100.0L250.0 0.0M750.0 50.0h1"
    assert curve.scale == ["50", "25", "0"] and curve.axis == [(n * 25, f"{n} s") for n in range(5)]
    below = Curve("c", "", [0, 10], [Line("a", [-7, 0])], 10.0)
    assert (below.low, below.high) == (-8, 0) and below.told(below.lines[0]) == "-7 to 0"
    assert below.path(below.lines[0]) == "M0.0 87.5L1000.0 0.0"
    nothing = Curve("c", "", [0], [Line("a", [0])], 1.0)
    assert nothing.scale == ["1", "0.5", "0"] and str(nothing.low) == "0.0"


def test_data_cannot_leave_its_element():
    text = as_data({"</script>": ["<!--", "\u2028\x1b\u202e", 1.5, None, "&amp;"]})
    assert not set("<>&\u2028\u202e\x1b") & set(text)
    assert json.loads(text) == {"</script>": ["<!--", "‹U+2028›␛‹U+202E›", 1.5, None, "&amp;"]}


@pytest.mark.parametrize(
    ("value", "end"), ((0, 0), (0.3, 0.3), (0.31, 0.4), (1, 1), (7, 8), (9.7, 10), (999.6, 1000), (1201, 2000))
)
def test_scales_end_with_a_round_number(value, end):
    assert nice(value) == pytest.approx(end)


def test_numbers_and_instants_are_short():
    assert [short(v) for v in (0, 0.01234, 12.345, 999, 1234.5, 2.5e6)] == [
        "0",
        "0.0123",
        "12.3",
        "999",
        "1,234",
        "2.5M",
    ]
    assert [clock(t, end) for t, end in ((1.25, 100), (245, 600), (3845, 28_800))] == ["1.25 s", "4:05", "1:04:05"]


@pytest.mark.parametrize(
    ("begin", "end", "words"),
    (
        (0, 8.68, "0 s, 2 s, 4 s, 6 s, 8 s"),
        (0, 0.3, "0 s, 0.1 s, 0.2 s, 0.3 s"),
        (10.3, 12.1, "10.5 s, 11 s, 11.5 s, 12 s"),
        (0, 119, "0 s, 50 s, 100 s"),
        (0, 305, "0:00, 1:00, 2:00, 3:00, 4:00, 5:00"),
        (290, 300, "4:50, 4:52, 4:54, 4:56, 4:58, 5:00"),
        (0, 5000, "0:00:00, 0:30:00, 1:00:00"),
        (0, 1_000_000, "0:00:00, 72:00:00, 144:00:00, 216:00:00"),
    ),
)
def test_ticks_are_round_and_few(begin, end, words):
    found = ticks(begin, end)
    assert ", ".join(word for _, word in found) == words
    assert all(0 <= place <= 100.001 for place, _ in found)
