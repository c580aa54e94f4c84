"""The curves over the run, and the histograms of the latencies."""

from collections.abc import Mapping, Sequence
from typing import Any

from e2e.report.blocks import Block, Curves, Distributions, Prose, Section
from e2e.report.curves import Bars, Curve, Line, Value, short

Summary = dict[str, Any]

MIN_POINTS = 3
"""A curve of fewer shows nothing that a number does not."""

MIN_VALUES = 5
"""The same of a histogram."""

LATENCIES = (
    *("segment_emission", "segment_stabilisation", "transcript_lag", "first_segment", "finalisation"),
    *("handshake", "ready", "pusher_processing", "heartbeat"),
)
"""Latencies that are drawn where a run has enough of them; the first two also in a comment."""

PERCENTILES = ("p50", "p95", "p99")


def curves_section(summary: Summary) -> Section | None:
    """Nothing of a run that was over before there was a curve."""
    curves = [c for c in (*_load(summary), *_latencies(summary), *_quality(summary)) if c is not None]
    if not curves:
        return None
    step = summary["series"]["load"]["step_s"]
    words = f"Over the run, {step:g} s a point; a latency has points where it came."
    return Section("curves", "Curves over time", [Prose(words), Curves(curves)])


def _load(summary: Summary) -> list[Curve | None]:
    load, end = summary["series"]["load"], summary["duration"]
    t = load["t"]

    def curve(title: str, unit: str, lines: Mapping[str, Sequence[Value]], *, extra: bool = True) -> Curve | None:
        return _curve(title, unit, t, lines, end, extra=extra)

    playing = "streams playing" + (", the pusher probe's too" if summary["counters"].get("probe_sessions") else "")
    streams = {"sessions open": "open", playing: "streams", "devices planned": "planned"}
    late = {"share of chunks": [None if v is None else v * 100 for v in load["late_share"]]}
    errors = {"sessions failed": "sessions_failed", "error lines": "error_lines", "import errors": "import_errors"}
    cpu = {name: [None if v is None else v * 100 for v in values] for name, values in load["cpu"].items()}
    return [
        curve("streams", "", {name: load[key] for name, key in streams.items()}, extra=False),
        curve("chunks sent", "a second", {"chunks": load["chunks_per_s"]}),
        _latency(summary, "send_lateness", "lateness of sends (the generator's own)"),
        curve("late by more than half a chunk", "%", late) if any(load["late_share"]) else None,
        curve("messages of the services", "a second", {"messages": load["messages_per_s"]}),
        curve("errors", "in each step", {name: load[key] for name, key in errors.items()}),
        curve("CPU", "% of a core", cpu),
        curve("memory", "MB", load["rss_mb"]),
        curve("event loop of the generator, longest stall", "ms", {"stall": load["loop_lag_ms"]}),
    ]


def _latencies(summary: Summary) -> list[Curve | None]:
    return [_latency(summary, metric, metric, extra=n > 1) for n, metric in enumerate(LATENCIES)]


def _latency(summary: Summary, metric: str, title: str, *, extra: bool = True) -> Curve | None:
    series = summary["series"]["latency_ms"].get(metric)
    if series is None:
        return None
    return _curve(title, "ms", series["t"], {p: series[p] for p in PERCENTILES}, summary["duration"], extra=extra)


def _quality(summary: Summary) -> list[Curve | None]:
    rows = summary["series"]["quality"]["by_time"]
    rates = {"word errors": "wer", "character errors": "cer", "coverage": "coverage"}
    lines = {name: [None if r[key] is None else r[key] * 100 for r in rows] for name, key in rates.items()}
    return [_curve("how well speech was understood", "%", [r["t"] for r in rows], lines, summary["duration"])]


def _curve(
    title: str, unit: str, t: Sequence[float], lines: Mapping[str, Sequence[Value]], end: float, *, extra: bool = True
) -> Curve | None:
    """None: there is not enough to draw."""
    known = [Line(name, values) for name, values in lines.items() if any(v is not None for v in values)]
    enough = max((len(line.known) for line in known), default=0) >= MIN_POINTS
    return Curve(title, unit, t, known, max(end, 0.001), extra) if enough else None


def distributions(summary: Summary) -> list[Block]:
    """Of each latency that was measured often enough to have a shape."""
    bars = []
    for metric, found in summary["histograms"].items():
        figures = summary["latency_ms"].get(metric) or {}
        if sum(found["counts"]) >= MIN_VALUES:
            notes = [(p, short(figures[p])) for p in ("p50", "p95", "p99", "max") if figures.get(p) is not None]
            bars.append(Bars(metric, "ms", found["edges"], found["counts"], notes))
    if not bars:
        return []
    return [Prose("How often each latency came, on a logarithmic scale:"), Distributions(bars)]
