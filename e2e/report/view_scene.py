"""From a timeline of `run.json` to its scene."""

from collections.abc import Sequence
from typing import Any

from e2e.report.blocks import Lane
from e2e.report.scene import Scene, Span, Tick, Wave
from e2e.report.text import one_line, visible

Summary = dict[str, Any]

MAX_PIECES = 1_500
"""Of a difference."""

MAX_TIMES = 100
"""How often the same tape is drawn in one play."""

MAX_CHARS = 12_000
"""Of a difference, and of the stretches of a scene, as they are shown: what hides takes more room than it had."""


def scene_of(summary: Summary, timeline: Summary, rows: Sequence[Lane]) -> Scene | None:
    """`rows` are the entries of the timeline as they are shown. None: there is nothing to place."""
    if not rows:
        return None
    events = [Tick(row.t, f"{row.arrow} {row.what}".strip(), row.bad) for row in rows]
    ticks: dict[str, list[Tick]] = {}
    for row, event in zip(rows, events, strict=True):
        ticks.setdefault(row.lane, []).append(event)
    ends = [timeline["ended"], *(p["until"] for p in timeline["plays"]), *(e.t for e in events)]
    begins = [timeline["began"], *(e.t for e in events)]
    begin = min(t for t in begins if t is not None)
    pieces = _bounded(timeline["difference"] or ())
    return Scene(
        begin=begin,
        end=max([begin + 0.001, *(t for t in ends if t is not None)]),
        waves=[_wave(summary, play) for play in timeline["plays"]],
        said=_spans(timeline["said"]),
        heard=_spans(timeline["heard"]),
        ticks=ticks,
        events=events,
        difference=pieces,
        note=_note(timeline, len(pieces)),
    )


def _spans(spans: Sequence[Summary]) -> list[Span]:
    room = max(20, MAX_CHARS // (len(spans) or 1))
    return [Span(s["t"], s["until"], one_line(s["text"], room)) for s in spans]


def _bounded(pieces: Sequence[Sequence[str]]) -> list[tuple[str, str, str]]:
    """As many pieces as there is room for, made visible."""
    shown, used = [], 0
    for sign, said, heard in pieces[:MAX_PIECES]:
        piece = sign, visible(said), visible(heard)
        used += len(piece[1]) + len(piece[2])
        if used > MAX_CHARS and shown:
            break
        shown.append((sign, *(one_line(text, MAX_CHARS) for text in piece[1:])))
    return shown


def _note(timeline: Summary, shown: int) -> str:
    if timeline["difference"] is None:
        return (
            ""
            if timeline["kind"] != "listen" or not timeline["plays"]
            else "Words are not compared: what was said, or heard, is not known in words."
        )
    if len(timeline["difference"]) > shown:
        return "The first part of what was said and heard; the rest is in run.json."
    seconds = timeline["compared_s"]
    return f"Of the first {seconds:.0f} s of audio." if seconds else ""


def _wave(summary: Summary, play: Summary) -> Wave:
    """The stretch of the tape's envelope that was sent, again and again where the tape was played so."""
    named = [t for t in summary["audio"] if t["name"] == play["tape"]]
    tape = next((t for t in named if t["chunks"] == play["planned"]), named[-1] if named else None)
    points = list((tape or {}).get("envelope") or ())
    if not points or not tape["seconds"]:
        return Wave(play["t"], play["until"], [])
    times = play["seconds"] / tape["seconds"]
    if times > MAX_TIMES:  # nobody sees more of it than how loud it was at most
        points, times = [(min(low for low, _ in points), max(high for _, high in points))], MAX_TIMES
    wanted = max(1, round(len(points) * times))
    return Wave(play["t"], play["until"], [points[n % len(points)] for n in range(wanted)])
