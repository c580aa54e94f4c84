"""Whole runs in which an import is broken: found by the log, by the import probe, or by both."""

import pytest

from tests.cli.conftest import STANDIN

SMOKE = ("run", "smoke", *STANDIN, "--pace", "max", "--chunks", "30", "--quiet")

# fault: what is found, in which file, by whom
BROKEN = {
    "boot": ("e2e.standin.models", "Geolocation", "broken.py", "boot", "log, probe"),
    "circular": ("e2e.standin.circle", "Structured", "circle_back.py", "boot", "log, probe"),
    "route": ("e2e.standin.models", "ConversationPhoto", "broken.py", "services", "log, probe"),
    "stream": ("e2e.standin.models", "CalendarContext", "broken.py", "stream", "log, probe"),
    "background": ("e2e.standin.conversation_summary", None, "broken.py", "stream", "log, probe"),
    "swallowed": ("e2e.standin.models", "Geolocation", "broken.py", "stream", "probe"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_planted_import_error_is_found_and_named(e2e, fault):
    module, name, file, phase, source = BROKEN[fault]
    result = e2e(*SMOKE, "--fault", f"import={fault}")
    assert result.code == 1 and result.checks()["zero_import_errors"] == "fail"
    (error,) = result.run["imports"]["errors"]
    assert (error["service"], error["module"], error["name"]) == ("backend", module, name)
    assert error["file"].endswith(f"e2e/standin/{file}") and error["line"] > 1
    assert (error["phase"], error["source"]) == (phase, source)
    if fault in ("stream", "background", "swallowed"):
        assert result.run["counters"]["close_codes"] == {"1000": 1}


def test_without_the_probe_a_swallowed_failure_is_not_seen_and_the_check_says_on_what_it_stands(e2e):
    result = e2e(*SMOKE, "--fault", "import=swallowed", "--no-probe")
    assert result.code == 0
    assert "log alone: no import probe" in result.out


def test_what_was_exercised_is_in_the_report(e2e):
    result = e2e(*SMOKE)
    assert result.code == 0 and "nor seen by the import probe in backend and pusher" in result.out
    exercised = result.run["imports"]["exercised"]
    assert exercised["watch"] == ["e2e.standin.models"] and exercised["never"] == []
    assert {row["service"] for row in exercised["rows"]} == {"backend", "pusher"}
    for name in ("report.md", "report.html"):
        text = (e2e.directory / "reports/latest" / name).read_text()
        assert "where exercised" in text and "from e2e.standin.models import Document" in text
