"""What became of the stream, for `run.json`: conversations, memories, photos, and deliveries to webhooks."""

from typing import Any

from e2e.verdict.checks_devices import hook_problems
from e2e.verdict.facts import Facts
from e2e.verdict.stored import by_user, wrong_with

MAX_ROWS = 100
MAX_WORDS = 20


def became(facts: Facts) -> dict[str, Any]:
    """The first `MAX_ROWS` of each; where something is wrong, first."""
    users, sessions = by_user(facts.stream), [s for s in facts.stream if s.kind == "listen"]
    read = [(s, wrong_with(s, users)) for s in sessions if s.conversation is not None]
    read.sort(key=lambda row: not row[1])
    return {
        "conversations": [
            {
                "sid": session.sid,
                **{
                    name: (session.conversation or {}).get(name)
                    for name in ("conversation", "by", "state", "language", "source", "segments", "photos")
                },
                "streamed": session.compared.streamed if session.compared.possible else None,
                "same": session.compared.same if session.compared.possible else None,
                "wrong": wrong[:MAX_WORDS],
            }
            for session, wrong in read[:MAX_ROWS]
        ],
        "memories": [
            {"sid": s.sid, "id": m.id, "status": m.status, "problem": m.problem}
            for s in sessions
            for m in s.told.created
        ][:MAX_ROWS],
        "photos": [{"sid": s.sid, "id": key, "state": state} for s in sessions for key, state in s.told.photos.items()][
            :MAX_ROWS
        ],
        "webhooks": _webhooks(facts),
    }


def _webhooks(facts: Facts) -> list[dict[str, Any]]:
    within = _within(facts)
    rows = []
    for hook in facts.webhooks.hooks.values():
        for kind in hook.kinds:
            rows.append(
                {
                    "uid": hook.uid,
                    "kind": kind,
                    "deliveries": hook.deliveries[kind],
                    "held": _held(hook, kind),
                    "latest_s": round(hook.latest[kind], 3) if kind in hook.latest else None,
                    "problems": hook_problems(hook, within, kind)[:MAX_WORDS],
                }
            )
    rows.sort(key=lambda row: not row["problems"])
    return rows[:MAX_ROWS]


def _held(hook: Any, kind: str) -> str:
    match kind:
        case "realtime_transcript":
            return f"{len(hook.delivered)} of {len(hook.wanted)} segments"
        case "audio_bytes":
            return f"{hook.audio:.1f} of {hook.audio_sent:.1f} s of audio"
        case "memory_created":
            return f"{len(hook.memories)} conversations"
    return ""


def _within(facts: Facts) -> float:
    """What the run allowed, in seconds."""
    wanted = [e for e in facts.run.get("expectations") or () if isinstance(e, dict)]
    limits = [e.get("within") for e in wanted if e.get("check") == "webhooks_delivered"]
    return float(limits[0]) if limits and isinstance(limits[0], int | float) else float("inf")
