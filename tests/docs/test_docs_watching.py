"""`docs/watching.md` lists every metric, as it is exported, and shows a screen that fits a terminal."""

import re
from pathlib import Path

from e2e.live.table import TABLE
from tests.live.test_live_screen import busy

TEXT = (Path(__file__).parents[2] / "docs/watching.md").read_text(encoding="utf-8")
SUFFIX = {"counter": "_total", "info": "_info"}


def test_every_metric_is_in_the_table_with_its_labels_and_nothing_else_is(tmp_path):
    figures = busy(tmp_path)
    figures.findings.groups.clear()
    rows = []
    for metric in TABLE:
        name = "_".join(part for part in ("e2e", metric.name, metric.unit) if part) + SUFFIX.get(metric.kind, "")
        labels = sorted({label for labels, _ in metric.read(figures) for label in labels})
        labels = ["code", "severity"] if metric.name == "findings" else labels
        rows.append(f"| `{name}` | {metric.kind} | {', '.join(f'`{label}`' for label in labels)} | {metric.help} |")
    assert re.findall(r"^\| `e2e_.*$", TEXT, re.M) == rows


def test_the_screen_that_is_shown_fits_a_terminal():
    (screen,) = re.findall(r"<!-- the live screen -->\n```text\n(.*?)\n```", TEXT, re.S)
    lines = screen.splitlines()
    assert len(lines) <= 24 and all(len(line) <= 80 for line in lines)
