"""The documents that the services keep and send: conversations, segments, and what processing makes of them."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

Document = dict[str, Any]

_TITLE_WORDS, _OVERVIEW_WORDS = 6, 40


def iso(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).isoformat()


def unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def structured(title: str = "", overview: str = "") -> Document:
    return {"title": title, "overview": overview, "emoji": "🧠", "category": "other", "action_items": [], "events": []}


def stub(language: str, source: str, now: float) -> Document:
    """A conversation in which nothing has been said yet. `now` is Unix time in seconds."""
    return {
        "id": str(uuid4()),
        "created_at": iso(now),
        "started_at": iso(now),
        "finished_at": iso(now),
        "source": source,
        "language": language,
        "structured": structured(),
        "apps_results": [],
        "plugins_results": [],
        "photos": [],
        "geolocation": None,
        "external_data": None,
        "visibility": "private",
        "discarded": False,
        "status": "in_progress",
    }


def segment(segment_id: str, text: str, start: float, end: float, provider: str) -> Document:
    """`start` and `end` are seconds from the first audio of the conversation."""
    return {
        "id": segment_id,
        "text": text,
        "speaker": "SPEAKER_00",
        "speaker_id": 0,
        "is_user": False,
        "person_id": None,
        "start": round(start, 3),
        "end": round(end, 3),
        "translations": [],
        "speech_profile_processed": True,
        "stt_provider": provider,
    }


def summarised(segments: list[Document]) -> Document:
    """Title and overview: the first words of the transcript itself, nothing else."""
    words = " ".join(item["text"] for item in segments).split()
    title = " ".join(words[:_TITLE_WORDS]).capitalize()
    overview = " ".join(words[:_OVERVIEW_WORDS]) + (" ..." if len(words) > _OVERVIEW_WORDS else "")
    return structured(title, overview)
