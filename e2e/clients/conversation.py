"""A stored conversation in the journal: what it is, and its segments in records that the journal keeps whole."""

from collections.abc import Iterator
from typing import Any

from e2e.record.journal import Journal

MAX_CHARS = 24_000
MAX_SEGMENTS = 200
"""Of one record: far enough below what the journal takes, so that no text is cut that somebody will compare."""


def write_conversation(journal: Journal, sid: str, uid: str, by: str, found: dict[str, Any]) -> None:
    """Journal what `Api.conversation` found: its segments first, then what it is. `by` says how its id was known."""
    transcript = found.get("transcript") or []
    for batch in _batches(transcript):
        segments = [{"id": item["id"], "text": item["text"]} for item in batch]
        journal.write("stored", sid=sid, conversation=found.get("conversation"), segments=segments)
    rest = {name: value for name, value in found.items() if name != "transcript"}
    whole = len(transcript) == (found.get("segments") or 0)
    journal.write("conversation", sid=sid, uid=uid, by=by, **rest, whole=whole)


def _batches(segments: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    chars = 0
    for segment in segments:
        size = len(segment["text"]) + len(segment["id"])
        if batch and (chars + size > MAX_CHARS or len(batch) >= MAX_SEGMENTS):
            yield batch
            batch, chars = [], 0
        batch.append(segment)
        chars += size
    if batch:
        yield batch
