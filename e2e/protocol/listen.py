"""Backend `WS /v4/listen`: its query parameters and the messages that it sends.

The heartbeat is the bare text `ping`; transcripts are a JSON array of segments; everything else is a JSON object with
a `type`. What is not known here, or has another shape than expected, is kept raw and is never an error by itself.
"""

from typing import Any, Literal
from urllib.parse import urlencode

import msgspec

PATH = "/v4/listen"

WEB_PATH = "/v4/web/listen"
"""For browsers, which cannot set headers: the first message holds the token."""

AUTH_SECONDS = 5.0
"""How long `/v4/web/listen` waits for that message."""

KEEP_ALIVE = b"\x8a\x00"
"""Two binary bytes that count as activity and hold no audio."""

LEAST_TIMEOUT, NEVER_TIMEOUT = 120, 4 * 3600
"""Seconds of silence until a conversation is processed: at least, and what -1 means."""

Codec = Literal["pcm8", "pcm16", "linear16", "opus", "opus_fs320", "aac", "lc3", "lc3_fs1030"]


class ListenParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Query parameters of `/v4/listen`; a parameter that is None is left out and the server's default holds.

    `sample_rate` is in Hz, `conversation_timeout` in seconds (clamped by the server to at least 120; -1 means 4 h).
    """

    language: str | None = "en"
    sample_rate: int | None = 16000
    codec: Codec | None = "pcm16"
    channels: int | None = 1
    include_speech_profile: bool | None = None
    conversation_timeout: int | None = None
    source: str | None = None
    custom_stt: Literal["enabled", "disabled"] | None = None
    onboarding: Literal["enabled", "disabled"] | None = None
    speaker_auto_assign: Literal["enabled", "disabled"] | None = None
    vad_gate: str | None = None
    stt_service: str | None = None
    uid: str | None = None
    client_conversation_id: str | None = None
    create_speakers: bool | None = None
    call_id: str | None = None

    def query(self) -> str:
        """The parameters as an URL query, in a fixed order."""
        pairs = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return urlencode([(n, str(v).lower() if isinstance(v, bool) else v) for n, v in pairs if v is not None])


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of transcript. `start` and `end` are seconds from the first audio of the conversation.

    A segment is sent again with the same `id` whenever its text grows or its end moves: the last one wins.
    """

    id: str
    text: str
    start: float
    end: float
    speaker: str | None = None
    speaker_id: int | None = None
    is_user: bool = False
    person_id: str | None = None
    translations: list[Any] = []
    speech_profile_processed: bool | None = None
    stt_provider: str | None = None


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Anything that the server says. `kind` is its name in counters and in the journal."""

    @property
    def kind(self) -> str:
        return _KINDS[type(self)]


class Ping(Message, frozen=True):
    """The text heartbeat, at once after accepting and then every 10 s."""


class Transcript(Message, frozen=True):
    segments: list[Segment]


class ServiceStatus(Message, frozen=True):
    """A step of the session's start (`initiating` ... `ready`), or `stt_failed`."""

    status: str
    status_text: str | None = None
    outcome: str | None = None
    provider: str | None = None
    retryable: bool | None = None
    reason: str | None = None
    retry_after: float | None = None


class ConversationSession(Message, frozen=True):
    conversation_id: str
    status: str | None = None
    recording_session_id: str | None = None
    lifecycle_version: int | None = None
    lifecycle_phase: str | None = None
    lifecycle_sequence: int | None = None


class LastMemory(Message, frozen=True):
    memory_id: str


class MemoryProcessingStarted(Message, frozen=True):
    memory: dict[str, Any]
    messages: list[Any] | None = None


class MemoryCreated(Message, frozen=True):
    memory: dict[str, Any]
    messages: list[Any] | None = None


class SegmentsDeleted(Message, frozen=True):
    segment_ids: list[str]


class Translating(Message, frozen=True):
    segments: list[Segment]


class SpeakerLabelSuggestion(Message, frozen=True):
    speaker_id: int
    segment_id: str
    person_id: str | None = None
    person_name: str | None = None


class PhotoProcessing(Message, frozen=True):
    temp_id: str
    photo_id: str


class PhotoDescribed(Message, frozen=True):
    photo_id: str
    description: str | None = None
    discarded: bool | None = None


class FreemiumThresholdReached(Message, frozen=True):
    remaining_seconds: float
    action: str | None = None


class AuthResponse(Message, frozen=True):
    """Answer to the first message of `/v4/web/listen`."""

    success: bool


class Unknown(Message, frozen=True):
    """A message of a type, or of a shape, that is not known. `problem` says why it was not understood."""

    raw: str | bytes
    type: str | None = None
    problem: str = "unknown type"


TYPED: dict[str, type[Message]] = {
    "service_status": ServiceStatus,
    "conversation_session": ConversationSession,
    "last_memory": LastMemory,
    "memory_processing_started": MemoryProcessingStarted,
    "memory_created": MemoryCreated,
    "segments_deleted": SegmentsDeleted,
    "translating": Translating,
    "speaker_label_suggestion": SpeakerLabelSuggestion,
    "photo_processing": PhotoProcessing,
    "photo_described": PhotoDescribed,
    "freemium_threshold_reached": FreemiumThresholdReached,
    "auth_response": AuthResponse,
}
_KINDS: dict[type[Message], str] = {
    **{cls: name for name, cls in TYPED.items()},
    Ping: "ping",
    Transcript: "transcript",
    Unknown: "unknown",
}

_PING = Ping()
_segments = msgspec.json.Decoder(list[Segment])
_decoders = {name: msgspec.json.Decoder(cls) for name, cls in TYPED.items()}


class _Envelope(msgspec.Struct):
    type: str


_envelope = msgspec.json.Decoder(_Envelope)


def decode(payload: str | bytes) -> Message:
    """The message in one WebSocket frame from the backend. Never raises: what is not understood is `Unknown`."""
    if payload == "ping":
        return _PING
    if isinstance(payload, bytes):
        return Unknown(raw=payload, problem="binary frame")
    name: str | None = None
    try:
        if payload.lstrip(" \t\r\n")[:1] == "[":
            return Transcript(segments=_segments.decode(payload))
        name = _envelope.decode(payload).type
        if name in _decoders:
            return _decoders[name].decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        return Unknown(raw=payload, type=name, problem=str(error))
    return Unknown(raw=payload, type=name)
