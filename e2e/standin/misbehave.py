"""Protocol faults: what a session says, changed on its way to the socket. Who listens cannot know which one is on."""

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from starlette.types import Scope

from e2e.standin import models
from e2e.standin.faults import Faults

Message = Any  # "ping", another text, an object, or a list of segments
Bend = Callable[[Message], list[Message]]

CLOSE_CODE = 4321
"""No version of the protocol has it."""

_LAST_WORD = '{"type":"last_memory","memory_id":"one more thing"}'


def bend(faults: Faults) -> Bend:
    """What is really sent in place of each message of one session."""
    if faults.get("protocol-slow") == "ping-gap":
        return _EverySecondPing()
    fault = faults.get("protocol")
    if fault == "no-first-ping":
        return _NoFirstPing()
    return _BENDS.get(fault or "", _honest)


def _honest(message: Message) -> list[Message]:
    return [message]


class _NoFirstPing:
    def __init__(self) -> None:
        self._pinged = False

    def __call__(self, message: Message) -> list[Message]:
        first = message == "ping" and not self._pinged
        self._pinged |= first
        return [] if first else [message]


class _EverySecondPing:
    def __init__(self) -> None:
        self._pings = 0

    def __call__(self, message: Message) -> list[Message]:
        self._pings += message == "ping"
        return [] if message == "ping" and self._pings % 2 == 0 else [message]


def _status(message: Message) -> str | None:
    return message.get("status") if isinstance(message, dict) and message["type"] == "service_status" else None


def _status_order(message: Message) -> list[Message]:
    match _status(message):
        case "in_progress_conversations_processing":
            return []
        case "stt_initiating":
            late = {"status": "in_progress_conversations_processing", "status_text": "Processing Conversations"}
            return [message, {"type": "service_status"} | late]
    return [message]


def _status_missing(message: Message) -> list[Message]:
    return [] if _status(message) == "stt_initiating" else [message]


def _after(status: str, *more: Callable[[], Message]) -> Bend:
    """Say more behind a status."""

    def bent(message: Message) -> list[Message]:
        return [message, *(one() for one in more)] if _status(message) == status else [message]

    return bent


def _ready() -> Message:
    return {"type": "service_status", "status": "ready", "status_text": None}


def _too_early() -> Message:
    return [models.segment(str(uuid4()), "too early", 0.0, 1.0, "standin")]


def _nobodys_deletion() -> Message:
    return {"type": "segments_deleted", "segment_ids": [str(uuid4())]}


def _sudden_memory() -> Message:
    memory = models.stub("en", "omi", time.time()) | {"status": "completed"}
    return {"type": "memory_created", "memory": memory, "messages": []}


def _segments(change: Callable[[models.Document], models.Document], *, first: bool = False) -> Bend:
    """Change each segment of a transcript; `first`: only after it was said as it is."""

    def bent(message: Message) -> list[Message]:
        if not isinstance(message, list):
            return [message]
        changed = [change(dict(item)) for item in message]
        return [message, changed] if first else [changed]

    return bent


def _back(item: models.Document) -> models.Document:
    return item | {"start": item["start"] - 5.0, "end": item["end"] - 5.0}


def _inverted(item: models.Document) -> models.Document:
    return item | {"end": item["start"] - 0.5}


def _text_as_time(item: models.Document) -> models.Document:
    return item | {"end": str(item["end"])}


def _without_id(item: models.Document) -> models.Document:
    del item["id"]
    return item


def _undead(message: Message) -> list[Message]:
    if not isinstance(message, list):
        return [message]
    return [message, {"type": "segments_deleted", "segment_ids": [item["id"] for item in message]}, message]


_BENDS: dict[str, Bend] = {
    "status-order": _status_order,
    "status-missing": _status_missing,
    "ready-twice": _after("ready", _ready),
    "early-transcript": _after("stt_initiating", _too_early),
    "segment-backwards": _segments(_back, first=True),
    "segment-inverted": _segments(_inverted),
    "segment-after-delete": _undead,
    "delete-unknown": _after("ready", _nobodys_deletion),
    "memory-without-start": _after("ready", _sudden_memory),
    "wrong-type": _segments(_text_as_time),
    "missing-field": _segments(_without_id),
    "not-json": _after("ready", lambda: str({"type": "last_memory", "memory_id": None})),
}


def speak_after_close(scope: Scope) -> None:
    """Let a text message follow the close frame of this connection, however it comes to it."""
    protocol = scope["standin.protocol"]
    protocol.transport = _LastWord(protocol.transport)


class _LastWord:
    """A transport that writes one more text frame behind a close frame."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def write(self, data: bytes) -> None:
        if data[:1] == b"\x88":
            data += bytes((0x81, len(_LAST_WORD))) + _LAST_WORD.encode()
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
