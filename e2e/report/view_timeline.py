"""Timelines of sessions: as blocks of a report, and as lines of text."""

import re
from typing import Any

from e2e.durations import told
from e2e.report.blocks import Block, Lane, Lanes, Prose
from e2e.report.text import one_line
from e2e.report.view_scene import scene_of
from e2e.report.view_stream import session_status
from e2e.verdict.check import many

LANES = ["client", "backend", "pusher"]

_LANE = {"client": "client", "server": "client", "backend log": "backend", "pusher log": "pusher"}
_ID = 8
_USUAL = re.compile(r"^(the last: )?INFO:(?:[\w.]+:| +)")
_ARROW = {"client": "→", "server": "←"}


def timeline_blocks(summary: dict[str, Any]) -> list[Block]:
    """The first session is shown wherever a report is read, the others where there is room."""
    timelines = summary["timeline"]
    if not timelines:
        return [Prose("No session of the stream was opened.")]
    intro = (
        "What the client sent (→) and got (←), and what both services logged, in order of time. Ids join the lines; a "
        "line counts from when it was read. What repeats is folded; chunks of audio stand where they were due. "
    )
    beyond = summary["counters"]["sessions"] - len(timelines)
    more = f"{many(beyond, 'more session')}: `e2e report RUN --session SID` tells any of them." if beyond > 0 else ""
    return [Prose(intro + more), *(_lanes(summary, t, first=not n) for n, t in enumerate(timelines))]


def _lanes(summary: dict[str, Any], timeline: dict[str, Any], *, first: bool) -> Lanes:
    rows = [
        Lane(
            t=e["t"],
            since_ms=e["since_ms"],
            lane=_LANE.get(e["where"], e["where"].removesuffix(" log")),
            arrow=_ARROW.get(e["where"], ""),
            what=e["what"],
            detail=brief(e["detail"], timeline),
            bad=e.get("bad", False),
            doubt=doubt(e),
        )
        for e in timeline["entries"]
    ]
    lanes = [*LANES, *sorted({r.lane for r in rows} - set(LANES))]
    steps = [(f"{s['from']} → {s['to']}", told(s["ms"])) for s in timeline["steps"]]
    short = [entry_line(e, timeline) for e in timeline["entries"]]
    return Lanes(
        title(timeline),
        lanes,
        rows,
        steps,
        short,
        timeline["left_out"],
        open=first,
        extra=not first,
        scene=scene_of(summary, timeline, rows),
        status=next((session_status(s) for s in summary["sessions"] if s["sid"] == timeline["sid"]), "none"),
    )


def title(timeline: dict[str, Any]) -> str:
    """`listen s2, uid e2e-test, backend session ..., conversation ...: 52 entries`."""
    parts = [f"{timeline['kind']} {timeline['sid']}", f"uid {timeline['uid']}"]
    if timeline["server_session"]:
        parts.append(f"backend session {timeline['server_session']}")
    if timeline["conversations"]:
        parts.append(f"conversation {', '.join(timeline['conversations'][:3])}")
    return f"{', '.join(parts)}: {len(timeline['entries'])} entries"


def doubt(entry: dict[str, Any]) -> str:
    """Why an entry may be another session's; empty for most."""
    return f"({entry['ambiguous']})" if entry.get("ambiguous") else ""


def brief(detail: str, timeline: dict[str, Any]) -> str:
    """A detail without what the title says already: its long ids cut to their beginning, `INFO:logger:` left out."""
    for name in (timeline["server_session"], *timeline["conversations"]):
        if name and len(name) > 2 * _ID:
            detail = detail.replace(name, f"{name[:_ID]}…")
    return _USUAL.sub(r"\1", detail)


def entry_line(entry: dict[str, Any], timeline: dict[str, Any]) -> str:
    """An entry as text: instant, time since the one before, where, what, detail."""
    gap = "" if entry["since_ms"] is None else since(entry["since_ms"])
    mark = "!" if entry.get("bad") else " "
    rest = "  ".join(filter(None, (entry["what"], brief(entry["detail"], timeline), doubt(entry))))
    return f"{entry['t']:9.3f} {gap:>9} {mark} {entry['where']:<11} {one_line(rest)}"


def since(ms: float) -> str:
    """The time since the entry before: `+0.3 ms`, `+1.20 s`."""
    return told(ms, sign=True)
