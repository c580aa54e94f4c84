"""Pusher `WS /v1/trigger/listen`: binary frames, a 4-byte little-endian opcode and then its payload."""

import struct
from enum import IntEnum
from typing import Any
from urllib.parse import urlencode

import msgspec

PATH = "/v1/trigger/listen"

KEEP_ALIVE_SECONDS = 20.0
"""How often the backend sends opcode 100, so that an idle load balancer does not cut the link."""


class Opcode(IntEnum):
    KEEP_ALIVE = 100
    AUDIO = 101
    TRANSCRIPT = 102
    CONVERSATION = 103
    PROCESS_CONVERSATION = 104
    SPEAKER_SAMPLE = 105
    CONVERSATION_PROCESSED = 201


_OPCODE = struct.Struct("<I")
_AUDIO = struct.Struct("<Id")


def path(uid: str, sample_rate: int = 16000) -> str:
    return f"{PATH}?{urlencode({'uid': uid, 'sample_rate': sample_rate})}"


def keep_alive() -> bytes:
    return _OPCODE.pack(Opcode.KEEP_ALIVE)


def audio(first_sample: float, pcm: bytes) -> bytes:
    """Opcode 101. `first_sample` is the Unix time of the first sample in seconds, `pcm` is PCM16 little-endian."""
    return _AUDIO.pack(Opcode.AUDIO, first_sample) + pcm


def transcript(segments: list[dict[str, Any]], conversation_id: str | None) -> bytes:
    return _json(Opcode.TRANSCRIPT, {"segments": segments, "memory_id": conversation_id})


def conversation(conversation_id: str) -> bytes:
    return _OPCODE.pack(Opcode.CONVERSATION) + conversation_id.encode()


def process_conversation(conversation_id: str, language: str = "en") -> bytes:
    return _json(Opcode.PROCESS_CONVERSATION, {"conversation_id": conversation_id, "language": language})


def speaker_sample(person_id: str, conversation_id: str, segment_ids: list[str]) -> bytes:
    body = {"person_id": person_id, "conversation_id": conversation_id, "segment_ids": segment_ids}
    return _json(Opcode.SPEAKER_SAMPLE, body)


def conversation_processed(conversation_id: str, error: str | None = None) -> bytes:
    """Opcode 201, the pusher's only answer."""
    outcome = {"success": True} if error is None else {"error": error}
    return _json(Opcode.CONVERSATION_PROCESSED, {"conversation_id": conversation_id, **outcome})


def _json(opcode: Opcode, body: dict[str, Any]) -> bytes:
    return _OPCODE.pack(opcode) + msgspec.json.encode(body)


class ConversationProcessed(msgspec.Struct, frozen=True):
    """Payload of opcode 201."""

    conversation_id: str
    success: bool = False
    error: str | None = None
    terminal: bool | None = None
    fenced: bool | None = None

    @property
    def kind(self) -> str:
        return "pusher.201"


class UnknownFrame(msgspec.Struct, frozen=True):
    """A frame that is not understood, kept raw."""

    raw: str | bytes
    opcode: int | None = None
    problem: str = "unknown opcode"

    @property
    def kind(self) -> str:
        return "unknown" if self.opcode is None else f"pusher.{self.opcode}"


_processed = msgspec.json.Decoder(ConversationProcessed)


def split(frame: bytes) -> tuple[int, bytes]:
    """Opcode and payload of a frame.

    Raises:
        ValueError: shorter than an opcode.
    """
    if len(frame) < _OPCODE.size:
        raise ValueError(f"frame of {len(frame)} bytes is shorter than its opcode")
    return _OPCODE.unpack_from(frame)[0], frame[_OPCODE.size :]


def split_audio(payload: bytes) -> tuple[float, bytes]:
    """Unix time of the first sample (s) and PCM16 of a 101 payload.

    Raises:
        ValueError: shorter than its timestamp.
    """
    if len(payload) < 8:
        raise ValueError(f"audio payload of {len(payload)} bytes is shorter than its timestamp")
    return struct.unpack_from("<d", payload)[0], payload[8:]


def decode(frame: str | bytes) -> ConversationProcessed | UnknownFrame:
    """A frame from the pusher. Never raises: what is not understood is `UnknownFrame`."""
    if isinstance(frame, str):
        return UnknownFrame(raw=frame, problem="text frame")
    try:
        opcode, payload = split(frame)
    except ValueError as error:
        return UnknownFrame(raw=frame, problem=str(error))
    if opcode != Opcode.CONVERSATION_PROCESSED:
        return UnknownFrame(raw=frame, opcode=opcode)
    try:
        return _processed.decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        return UnknownFrame(raw=frame, opcode=opcode, problem=str(error))
