"""Developer webhooks: what a user sets on the backend, and what the pusher then posts to the user's address."""

from hashlib import blake2b
from typing import Any, Literal, get_args
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

WebhookKind = Literal["realtime_transcript", "audio_bytes", "memory_created", "day_summary"]
KINDS: tuple[str, ...] = get_args(WebhookKind)

DEFAULT_AUDIO_SECONDS = 5.0
"""How much audio one delivery holds, unless the address says it."""

_PATH = "/v1/users/developer/webhook"


def path(kind: str) -> str:
    """Where the address of a kind is set: `POST` with `{"url": ...}`."""
    return f"{_PATH}/{kind}"


def toggle_path(kind: str, on: bool) -> str:
    return f"{_PATH}/{kind}/{'enable' if on else 'disable'}"


def with_interval(url: str, seconds: float | None) -> str:
    """An address of `audio_bytes` with the seconds of audio that each delivery shall hold behind a comma."""
    return url if seconds is None else f"{url},{seconds:g}"


def split_interval(url: str) -> tuple[str, float]:
    """An address of `audio_bytes` and its seconds; what is no number above 0 is the default."""
    address, _, words = url.partition(",")
    try:
        seconds = float(words)
    except ValueError:
        return address, DEFAULT_AUDIO_SECONDS
    return address, seconds if 0 < seconds < 3600 else DEFAULT_AUDIO_SECONDS


def with_query(url: str, **values: str | int) -> str:
    """The address with more query parameters, behind those that it has."""
    parts = urlsplit(url)
    query = [*parse_qsl(parts.query, keep_blank_values=True), *((k, str(v)) for k, v in values.items())]
    return urlunsplit(parts._replace(query=urlencode(query)))


class Delivered(msgspec.Struct, frozen=True):
    """A segment as it was delivered. What else it holds is not looked at."""

    id: str
    text: str = ""
    start: float = 0.0
    end: float = 0.0


def version(text: str, start: float, end: float) -> str:
    """What a segment says and when, as a short hash: the same version has the same wherever it is seen."""
    return blake2b(f"{text}\0{start}\0{end}".encode("utf-8", "replace"), digest_size=6).hexdigest()


class _Body(msgspec.Struct):
    segments: list[Delivered]
    session_id: str | None = None


_body = msgspec.json.Decoder(_Body)


def segments_of(body: bytes) -> list[Delivered]:
    """The segments in the body of a `realtime_transcript` delivery.

    Raises:
        ValueError: it is something else.
    """
    try:
        return _body.decode(body).segments
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise ValueError(str(error)) from error


def memory_id_of(body: bytes) -> str | None:
    """The id of the conversation that a `memory_created` delivery holds; None where it says none."""
    try:
        data: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None
    found = data.get("id") if isinstance(data, dict) else None
    return found if isinstance(found, str) else None
