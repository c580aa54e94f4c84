"""The live screen as lines: what it says, in which order, and what goes first where there is little room.

Each line is one `Text` that is cut at the width, never wrapped. Words of services are made visible before they get here
(`one_line`), so that they can neither move the cursor nor colour anything.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from rich.cells import set_cell_size
from rich.text import Text

from e2e.durations import told
from e2e.report.text import one_line
from e2e.verdict.followed import FOLLOWED, OF_ALL
from e2e.verdict.live import LiveFigures
from e2e.verdict.metrics import REALTIME
from e2e.verdict.transcript import segments_of

Record = dict[str, Any]

PHASES = {
    "boot": "starting and probing the services",
    "services": "each service alone: endpoints, refused auth, pusher",
    "stream": "streaming",
    "drain": "waiting for the services to finish",
    "stop": "stopping",
}

LATENCIES = (
    *("ready", "first_segment", "transcript_lag", "segment_emission", "finalisation", "pusher_processing"),
    *("memory_created", "heartbeat"),
)
"""In this order, those that there are."""

MAX_LATENCIES = 4
MAX_ERRORS = 3
LABEL = 10

Key = tuple[str, str]
"""A key, and what it does now."""


class Row(NamedTuple):
    """A line, and how much it matters: of too many, those with the largest `rank` go first."""

    rank: int
    text: Text


def screen(figures: LiveFigures, keys: Sequence[Key], width: int, height: int) -> list[Text]:
    """At most `height` lines of at most `width` cells."""
    rows = [
        Row(0, _head(figures)),
        *(Row(1, bar) for bar in _bars(figures, width)),
        *(Row(1, _line("awaited", words)) for words in (awaited_words(figures),) if words),
        Row(9, Text()),
        *_stream(figures),
        *_services(figures),
        *_latencies(figures),
        *_errors(figures),
        *_heard(figures),
    ]
    keep = max(1, height - 1)
    while len(rows) > keep:
        worst = max(row.rank for row in rows)
        del rows[max(n for n, row in enumerate(rows) if row.rank == worst)]
    lines = [row.text for row in rows] + ([_keys(keys)] if height > 1 else [])
    for line in lines:
        line.no_wrap = True
        _cut(line, width)
    return lines


def elapsed(seconds: float) -> str:
    """`0:07`, `12:00`, `1:02:03`."""
    minutes, second = divmod(int(max(0.0, seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def duration(ms: float | None) -> str:
    """`0.3 ms`, `2.18 s`."""
    return "-" if ms is None else told(ms)


def phase_words(figures: LiveFigures) -> str:
    return PHASES.get(figures.phase) or one_line(figures.phase, 40)


def awaited_words(figures: LiveFigures) -> str | None:
    """`handler_ended in the logs: 3 of 5 users, at most 75 s`, while the drain waits for that."""
    left = figures.awaited - figures.drained
    if figures.phase != "drain" or left <= 0:
        return None
    drain = figures.run.get("drain") or {}
    longest = f", at most {drain['at_most_s']:g} s" if drain.get("at_most_s") else ""
    return f"{one_line(drain.get('event') or '', 40)} in the logs: {left} of {figures.awaited} users{longest}"


def chunk_words(figures: LiveFigures) -> str:
    """`1234 of 3000 chunks`."""
    sent = min(figures.chunks_sent, figures.chunks_planned)
    return f"{sent} of {figures.chunks_planned} chunks"


def _cut(line: Text, width: int) -> None:
    """Cut a line at the width, and never within a number: `30 of 30` must not stand for `30 of 3000`."""
    if line.cell_len > width > 1:
        kept = set_cell_size(line.plain, width - 1)
        if re.match(r"[.,:]?\d", line.plain[len(kept) :]):
            line.right_crop(len(line.plain) - len(kept.rstrip("0123456789.,:")))
            line.append("…")
    line.truncate(width, overflow="ellipsis")


# -- parts -------------------------------------------------------------------------------------------------------


def _head(figures: LiveFigures) -> Text:
    run = figures.run
    target = one_line((run.get("target") or {}).get("name") or "", 30)
    head = Text(one_line(run.get("scenario") or "", 40), style="bold")
    if target:
        head.append(f" against {target}", style="dim")
    head.append(f"  {phase_words(figures)} {elapsed(figures.seconds_in_phase)}")
    left = figures.seconds_left
    if figures.paused_since is not None:
        head.append("  paused: no device begins", style="bold yellow")
    elif figures.finishing and figures.phase == "stream":
        head.append("  finishing: sessions close", style="bold yellow")
    elif left is not None:
        head.append(f", about {elapsed(left)} left")
    return head


def _bars(figures: LiveFigures, width: int) -> list[Text]:
    if figures.phase in ("boot", "services"):
        needed = list(figures.run.get("services") or ())
        up = sum(s.status == "healthy" for s in figures.services.values())
        total = max(len(needed), len(figures.services))
        return [_bar("boot", up / total if total else 0.0, f"{up} of {total} services healthy", width)]
    bars = []
    ramp = figures.ramp_share
    if ramp is not None and figures.load.get("model") != "arrivals":
        wanted = figures.load.get("at_once")
        bars.append(_bar("ramp", ramp, f"{figures.planned} of {wanted} devices", width))
    share = figures.stream_share
    if share is not None:
        words = chunk_words(figures)
        bars.append(_bar("stream", share, f"{words} of these" if bars else words, width))
    return bars


def _bar(label: str, share: float, words: str, width: int) -> Text:
    """The words are what must be read: the bar gets what is left of at most 40 cells."""
    cells = max(0, min(40, width - LABEL - len(words) - 2))
    full = round(min(1.0, max(0.0, share)) * cells)
    bar = _line(label)
    bar.append("━" * full, style="green").append("━" * (cells - full), style="bright_black")
    return bar.append(f"  {words}" if cells else words)


def _stream(figures: LiveFigures) -> list[Row]:
    if not figures.sessions and not figures.sample.get("planned"):
        return []
    rows = []
    streams = _line("streams", f"{figures.streams} playing")
    streams.append(f", {figures.active} of {figures.planned} devices at work, {figures.open_sessions} sessions open")
    if figures.dropped:
        streams.append(f", {figures.dropped} arrivals dropped", style="yellow")
    rows.append(Row(2, streams))
    sending = _line("sending", f"{figures.rate:.0f}")
    if figures.rate_planned:
        behind = figures.rate < 0.95 * figures.rate_planned
        sending.append(f" of {figures.rate_planned:.0f} chunks/s", style="yellow" if behind else "")
    else:
        sending.append(" chunks/s")
    recent, ever = figures.recent_lateness(), figures.generator.lateness
    if recent.count and str((figures.run.get("options") or {}).get("pace") or REALTIME) == REALTIME:
        median, worse = recent.percentiles(50, 99)
        words = f"p50 {duration(median)}, p99 {duration(worse)}, max {duration(recent.max)}"
        sending.append(f", late by {words}", style="" if (recent.max or 0) < 50 else "yellow")
        rows += [Row(2, sending), Row(5, _line("", f"in all: p99 {duration(ever.percentile(99))}, "))]
        rows[-1].text.append(f"max {duration(ever.max)}; more than half a chunk late: {figures.generator.late}")
    else:
        rows.append(Row(2, sending))
    if figures.messages:
        kinds = ", ".join(f"{n} {one_line(kind, 40)}" for kind, n in Counter(dict(figures.messages)).most_common(4))
        rows.append(Row(3, _line("messages", f"{figures.message_rate:.1f}/s: {kinds}")))
    return rows


def _services(figures: LiveFigures) -> list[Row]:
    rows = []
    for name, service in figures.services.items():
        status = "stopped" if service.stopped is not None else service.status
        line = _line(one_line(name, LABEL - 1)).append(
            "starting" if status == "unknown" else status, style=_STATUS.get(status, "")
        )
        used = figures.resources.get(name)
        if used:
            line.append(_used(used))
        rows.append(Row(4, line))
    sample = figures.sample
    if sample and figures.sessions:
        line = _line("generator").append(_used(sample).removeprefix(", "))
        if sample.get("loop_lag_ms") is not None:
            line.append(f", loop late by {duration(sample['loop_lag_ms'])}")
        rows.append(Row(6, line))
    return rows


def _latencies(figures: LiveFigures) -> list[Row]:
    known = dict(figures.latencies)
    shown = [metric for metric in LATENCIES if metric in known and known[metric].count][:MAX_LATENCIES]
    if not shown:
        return []
    rows = [Row(7, Text(f"{'latency':<18}{'p50':>10}{'p95':>10}{'p99':>10}{'max':>10}{'count':>9}", style="dim"))]
    for n, metric in enumerate(shown):
        histogram = known[metric]
        cells = [duration(ms) for ms in (*histogram.percentiles(50, 95, 99), histogram.max)]
        line = Text(f"{metric.replace('_', ' '):<18}{''.join(f'{c:>10}' for c in cells)}{histogram.count:>9}")
        if figures.some_followed and metric not in OF_ALL:
            line.append(f" of {FOLLOWED} at a time", style="dim")
        rows.append(Row(7 if n else 6, line))
    return rows


def _errors(figures: LiveFigures) -> list[Row]:
    findings = sum(g.count for g in dict(figures.findings.groups).values() if g.rule.severity == "error")
    counts = {
        "import": figures.imports.total,
        **({"audit": figures.found_by_audit} if figures.found_by_audit else {}),
        "log": figures.errors.first.total,
        f"protocol (in {FOLLOWED} sessions)" if figures.some_followed else "protocol": findings,
        "failed": figures.sessions["failed"],
    }
    closes = {code: n for code, n in dict(figures.close_codes).items() if code != "1000"}
    line = _line("errors")
    for n, (name, count) in enumerate(counts.items()):
        line.append(", " if n else "").append(f"{name} {count}", style="bold red" if count else "green")
    for code, count in closes.items():
        line.append(", ").append(f"closed {one_line(code, 10)} × {count}", style="bold red")
    rows = [Row(1, line)]
    for t, service, text in list(figures.last_errors)[-MAX_ERRORS:]:
        rows.append(Row(8, _line("", f"{t:.1f}s {one_line(service, 20)}: {one_line(text, 300)}", style="red")))
    failure = figures.last_failure
    if failure is not None:
        rows.append(Row(8, _line("", f"{failure['t']:.1f}s {one_line(failure.get('error'), 300)}", style="red")))
    return rows


def _heard(figures: LiveFigures) -> list[Row]:
    segments = segments_of(figures.heard)[-1:]
    words = " ".join(str(segment.get("text", "")) for segment in segments)
    return [Row(8, _line("heard", one_line(words, 200), style="italic"))] if words else []


def _keys(keys: Sequence[Key]) -> Text:
    line = Text(style="dim")
    for key, does in (*keys, ("Ctrl-C", "interrupt")):
        line.append(f"{key} ", style="bold").append(f"{does}   ")
    return line


def _line(label: str, words: str = "", style: str = "") -> Text:
    return Text().append(f"{label:<{LABEL}}", style="dim").append(words, style=style)


def _used(record: Record) -> str:
    parts = []
    if record.get("cpu") is not None:
        parts.append(f"{record['cpu']:.0%} of a core")
    if record.get("rss_mb") is not None:
        parts.append(f"{record['rss_mb']:.0f} MB")
    return "".join(f", {part}" for part in parts)


_STATUS = {"healthy": "green", "exited": "bold red", "unhealthy": "bold red"}
