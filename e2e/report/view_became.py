"""The part about what became of the stream: conversations over HTTP, memories, photos, webhooks."""

from typing import Any

from e2e.report.blocks import Block, Log, Prose, Table
from e2e.verdict.check import many

Summary = dict[str, Any]

MAX_LINES = 40


def became_blocks(summary: Summary) -> list[Block]:
    """Nothing where nothing was looked at."""
    found = summary.get("became") or {}
    blocks: list[Block] = []
    if found.get("conversations"):
        blocks += _conversations(found["conversations"])
    if found.get("memories"):
        rows = [[m["sid"], m["id"], str(m["status"]), m["problem"] or ""] for m in found["memories"]]
        status = ["fail" if m["problem"] else "pass" for m in found["memories"]]
        blocks += [
            Prose("Conversations that were processed:"),
            Table(["session", "id", "status", "problem"], rows, status),
        ]
    if photos := found.get("photos"):
        states = ", ".join(f"{sum(p['state'] == s for p in photos)} {s}" for s in sorted({p["state"] for p in photos}))
        blocks.append(Prose(f"{many(len(photos), 'photo')} sent: {states}."))
    if found.get("webhooks"):
        blocks += _webhooks(found["webhooks"])
    return blocks


def _conversations(conversations: list[dict[str, Any]]) -> list[Block]:
    rows, status, lines = [], [], []
    for row in conversations:
        compared = "not compared" if row["streamed"] is None else f"{row['same']} of {row['streamed']}"
        about = [str(row[name] or "–") for name in ("conversation", "state", "language", "source")]
        rows.append([row["sid"], *about, str(row["segments"] or 0), compared])
        status.append("fail" if row["wrong"] else "pass")
        lines += [f"{row['sid']}: {words}" for words in row["wrong"]]
    head = ["session", "conversation", "status", "language", "source", "segments", "as streamed"]
    blocks: list[Block] = [Prose("Conversations, as read over HTTP after the stream:"), Table(head, rows, status)]
    return [*blocks, Log("differences", lines[:MAX_LINES], open=True)] if lines else blocks


def _webhooks(hooks: list[dict[str, Any]]) -> list[Block]:
    rows, status, lines = [], [], []
    for row in hooks:
        late = "–" if row["latest_s"] is None else f"{row['latest_s']:.2f}"
        rows.append([str(row["uid"]), row["kind"], str(row["deliveries"]), row["held"], late])
        status.append("fail" if row["problems"] else "pass" if row["deliveries"] else "none")
        lines += [f"{row['uid']}: {words}" for words in row["problems"]]
    head = ["uid", "webhook", "deliveries", "held", "latest, s"]
    blocks: list[Block] = [Prose("Deliveries to webhooks:"), Table(head, rows, status, frozenset({2, 4}))]
    return [*blocks, Log("what was lost, doubled or late", lines[:MAX_LINES], open=True)] if lines else blocks
