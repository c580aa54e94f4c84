"""What a report says of a load: how it was sent, who arrived, whom the load ended."""

import io

from rich.console import Console

from e2e.record.rundir import RunDirectory
from e2e.report.terminal import show_verdict
from e2e.report.write import read_run, render
from e2e.verdict import expect
from tests.verdict.journals import journal, smoke

LOAD = {"model": "arrivals", "text": "arrivals of 5/s for 1m, at most 50 at once", "at_once": 50, "seconds": 60.0}


def loaded(path):
    options = {"users": 50, "load": LOAD, "phase": "spread", "mask": "shared", "pace": "realtime", "seed": 1}
    with journal(path) as j:
        j.run((expect.all_chunks_sent(),), options=options, environment={"python": "3.11.2", "loop": "uvloop"})
        j.boot()
        j.tape()
        j.gone(j.stream())
        session = j.connecting("s2", "u2", device=1)
        j.open(session)
        j.ready(session)
        start = j.begin(session)
        fields = {"cpu": 0.2, "rss_mb": 70.0, "loop_lag_ms": 1.0, "steal": 0.01, "foreign": 0.3}
        j.write("generator", **fields, open_files=77, planned=9, active=8)
        j.left(session, "stage")
        j.finish(session, start, sent=40, seconds=4.0)
        j.closed(session, chunks=40)
        j.left(j.connecting("s3", "u3", device=2), "load over")
        j.write("arrivals", started=120, dropped=13)
        j.stop()
        j.end()
    return read_run(RunDirectory(path))


def test_a_load_is_told(tmp_path):
    summary = loaded(tmp_path / "r")
    text = render("markdown", summary)
    assert summary["verdict"] == "pass"
    for words in (
        "load: arrivals of 5/s for 1m, at most 50 at once",
        "sent with: phase spread, mask shared, event loop uvloop",
        "arrivals: 120 started, 13 dropped",
        "arrivals **120 started, 13 dropped**",
        "✅ connected: 2 of 2 sessions",
        "✅ chunks sent: 140 of 200: 60 left when the load ended",
        "ended by the load (stage)",
        "ended by the load (load over)",
        "machine used by others: up to 1% by other machines, up to 30% by other programs",
        "its open files: 77 at most",
        "devices at work: 8 at most, 9 asked for at most",
    ):
        assert words in text, words
    html = render("html", summary)
    assert "120 started, 13 dropped" in html
    console = Console(file=io.StringIO(), width=200, force_terminal=False)
    show_verdict(console, summary, "reports/r")
    assert "arrivals: 120 started, 13 dropped" in console.file.getvalue()


def test_one_device_as_usual_needs_no_words(tmp_path):
    load = {"model": "users", "text": "1 device", "at_once": 1, "seconds": None}
    options = {"users": 1, "load": load, "phase": "spread", "mask": "per-send", "pace": "realtime"}
    text = render("markdown", read_run(RunDirectory(smoke(tmp_path / "r", options=options))))
    assert "load: " not in text and "arrivals" not in text
    assert "sent with: mask per-send\n" in text
