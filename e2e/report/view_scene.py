"""From a timeline of `run.json` to its scene."""

from collections.abc import Sequence
from typing import Any

from e2e.report.blocks import Lane
from e2e.report.scene import Scene, Span, Tick, Wave

Summary = dict[str, Any]

MAX_PIECES = 1_500
"""Of a difference."""


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
    pieces = timeline["difference"]
    return Scene(
        begin=begin,
        end=max([begin + 0.001, *(t for t in ends if t is not None)]),
        waves=[_wave(summary, play) for play in timeline["plays"]],
        said=[Span(s["t"], s["until"], s["text"]) for s in timeline["said"]],
        heard=[Span(s["t"], s["until"], s["text"]) for s in timeline["heard"]],
        ticks=ticks,
        events=events,
        difference=[tuple(piece) for piece in (pieces or ())[:MAX_PIECES]],
        note=_note(timeline),
    )


def _note(timeline: Summary) -> str:
    if timeline["difference"] is None:
        return "" if timeline["kind"] != "listen" or not timeline["plays"] else "What was said is not known in words."
    if len(timeline["difference"]) > MAX_PIECES:
        return "The first part of what was said and heard; the rest is in run.json."
    seconds = timeline["compared_s"]
    return f"Of the first {seconds:.0f} s of audio." if seconds else ""


def _wave(summary: Summary, play: Summary) -> Wave:
    """The stretch of the tape's envelope that was sent."""
    named = [t for t in summary["audio"] if t["name"] == play["tape"]]
    tape = next((t for t in named if t["chunks"] == play["planned"]), named[-1] if named else None)
    points = (tape or {}).get("envelope") or ()
    share = play["seconds"] / tape["seconds"] if tape and tape["seconds"] else 0.0
    return Wave(play["t"], play["until"], points[: max(1, round(len(points) * min(1.0, share)))])
