"""What a device says to the backend beside audio: text messages, each a JSON object with a `type`."""

import base64
from typing import Any

import msgspec


class _Said(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """A text message. `kind` is its name in the journal, `text` what goes over the wire."""

    @property
    def kind(self) -> str:
        return str(type(self).__struct_config__.tag)

    @property
    def text(self) -> str:
        return msgspec.json.encode(self).decode()


class Auth(_Said, frozen=True, tag="auth"):
    """The first message on `/v4/web/listen`. The token never appears in `repr`."""

    token: str

    def __repr__(self) -> str:
        return "Auth(token=...)"


class SuggestedTranscript(_Said, frozen=True, tag="suggested_transcript"):
    """What the device's own recogniser heard; taken with `custom_stt=enabled` alone.

    `segments` are objects with at least `text`, `start` and `end` (seconds from the first audio).
    """

    segments: list[dict[str, Any]]
    stt_provider: str


class SpeakerAssigned(_Said, frozen=True, tag="speaker_assigned"):
    """The user says who speaks in segments: a person's id, or `user` for themselves."""

    speaker_id: int
    person_id: str
    person_name: str
    segment_ids: list[str]


class ImageChunk(_Said, frozen=True, tag="image_chunk"):
    """Piece `index` of `total` of an image, whose pieces put together are its bytes in base64."""

    id: str
    index: int
    total: int
    data: str


def image_chunks(image: bytes, image_id: str, chunk_chars: int = 8192) -> list[ImageChunk]:
    """The messages that carry an image, `chunk_chars` characters of base64 in each."""
    text = base64.b64encode(image).decode()
    pieces = [text[at : at + chunk_chars] for at in range(0, len(text), chunk_chars)] or [""]
    return [ImageChunk(id=image_id, index=n, total=len(pieces), data=piece) for n, piece in enumerate(pieces)]
