"""The life-cycle lines that the services log, as data: which line means which event, and what it tells.

Patterns are matched at the start of the message (after level and logger), so that a line which merely quotes another
is no event. A uid is any run of characters without a space. Most lines end in ` UID SESSION`; some versions leave
one or both out.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from e2e.observe.lines import Line
from e2e.protocol.pusher import PATH as PUSHER_PATH

_TAIL = r"(?: (?P<uid>\S+))?(?: (?P<session>\S+))?\s{0,4}$"
_PEER = r"(?P<peer>\('[^']*', \d+\)|\S+)"
_NUMBERS = ("code", "count", "timeout", "bytes", "sample_rate")
_IDS = ("uid", "session", "conversation")

BACKEND, PUSHER, EITHER = ("backend",), ("pusher",), ("backend", "pusher")


@dataclass(frozen=True, slots=True)
class Event:
    """A life-cycle event as read from a line. `detail` holds what else the line said, by name."""

    event: str
    uid: str | None = None
    session: str | None = None
    conversation: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """`opening` is literal text that the line holds where the pattern begins or near it: the quick look."""

    event: str
    services: tuple[str, ...]
    opening: str
    pattern: re.Pattern[str]


def _entry(event: str, services: tuple[str, ...], opening: str, rest: str) -> Entry:
    """An entry whose line begins with the literal `opening`."""
    return Entry(event, services, opening, re.compile(re.escape(opening) + rest))


# The first match wins: `X ended` stands before `X UID`.
CATALOGUE: tuple[Entry, ...] = (
    _entry("startup_complete", EITHER, "Application startup complete.", r"\s*$"),
    Entry(
        "websocket_accepted",
        EITHER,
        ' - "WebSocket ',
        re.compile(rf'{_PEER} - "WebSocket (?P<target>\S+)" \[accepted\]'),
    ),
    Entry(
        "websocket_refused",
        EITHER,
        ' - "WebSocket ',
        re.compile(rf'{_PEER} - "WebSocket (?P<target>\S+)" (?P<code>\d{{3}})\b'),
    ),
    # The word differs by uvicorn's version and protocol implementation.
    _entry("websocket_refused", EITHER, "ASGI callable returned without ", r"(?:sending|completing) handshake"),
    _entry("listen_ended", BACKEND, "_listen ended", _TAIL),
    _entry("listen_started", BACKEND, "_listen ", r"(?P<uid>\S+)(?: (?P<session>\S+))?"),
    _entry("handler_ended", BACKEND, "_stream_handler ended", _TAIL),
    _entry(
        "handler_started",
        BACKEND,
        "_stream_handler ",
        r"(?P<uid>\S+)(?: (?P<session>\S+)(?: (?P<language>\S+) (?P<sample_rate>\d+) (?P<codec>\S+))?)?",
    ),
    _entry("conversation_created", BACKEND, "Created new stub conversation: ", r"(?P<conversation>\S+)" + _TAIL),
    _entry(
        "conversation_resumed",
        BACKEND,
        "Resuming conversation ",
        r"(?P<conversation>\S+?)\. Will timeout in (?P<timeout>[\d.]+)s\.?" + _TAIL,
    ),
    _entry(
        "lifecycle_manager_started",
        BACKEND,
        "Starting conversation lifecycle manager ",
        r"\(timeout: (?P<timeout>[\d.]+)s\)" + _TAIL,
    ),
    _entry("speaker_id_loaded", BACKEND, "Speaker ID: loaded ", r"(?P<count>\d+) person embeddings" + _TAIL),
    _entry("integrations_triggered", EITHER, "trigger_realtime_integrations", _TAIL),
    _entry(
        "processing_finalized",
        BACKEND,
        "finalize_processing_conversations ",
        r"len\(processing\): (?P<count>\d+)" + _TAIL,
    ),
    _entry(
        "client_disconnected",
        BACKEND,
        "Client disconnected: ",
        r"code=(?P<code>\S+) reason=(?P<reason>.{0,300}?)" + _TAIL,
    ),
    _entry(
        "conversation_timeout",
        BACKEND,
        "Conversation ",
        r"(?P<conversation>\S+) timeout reached \((?P<timeout>[\d.]+)s\)\. Processing\S*" + _TAIL,
    ),
    _entry("conversation_processed", BACKEND, "Conversation processed by pusher: ", r"(?P<conversation>\S+)" + _TAIL),
    _entry("session_inactive", BACKEND, "Session timeout due to inactivity ", r"\((?P<timeout>[\d.]+)s\)" + _TAIL),
    _entry(
        "process_requested",
        BACKEND,
        "Sent process_conversation request to pusher: ",
        r"(?P<conversation>\S+)" + _TAIL,
    ),
    _entry("buffer_flushed", EITHER, "Flushed final private cloud buffer: ", r"(?P<bytes>\d+) bytes" + _TAIL),
    _entry("audio_queue_warning", EITHER, "Warning: audio_bytes_queue size ", r"(?P<count>\d+)" + _TAIL),
    _entry(
        "pusher_lost", BACKEND, "Pusher ", r"(?P<channel>\S+) Connection closed(?:: (?P<reason>.{0,300}?))?" + _TAIL
    ),
    _entry("trigger_started", PUSHER, "_websocket_util_trigger", _TAIL),
    _entry("pusher_conversation", PUSHER, "Pusher received conversation_id: ", r"(?P<conversation>\S+)" + _TAIL),
    _entry(
        "pusher_process_request",
        PUSHER,
        "Pusher received process_conversation request: ",
        r"(?P<conversation>\S+)" + _TAIL,
    ),
    _entry(
        "speaker_sample_queued",
        PUSHER,
        "Queued speaker sample request: ",
        r"person=(?P<person>\S+), (?P<count>\d+) segments" + _TAIL,
    ),
    # The backend says the same words in other places, of its own client.
    _entry("pusher_disconnected", PUSHER, "WebSocket disconnected", _TAIL),
)

EVENTS = frozenset(entry.event for entry in CATALOGUE)

# What tells the two services apart: events that only one of them has, and the paths that only one of them serves.
_OWN_EVENTS = {
    service: frozenset(entry.event for entry in CATALOGUE if entry.services == (service,)) for service in EITHER
}
_OWN_PATHS = {
    "backend": re.compile(r"/v\d+/(?!trigger/)"),
    "pusher": re.compile(rf"/health$|{re.escape(PUSHER_PATH)}$"),
}
_ACCESS = re.compile(rf'{_PEER} - "[A-Z][A-Za-z]+ (?P<path>/[^\s?"]*)')


def _hint(service: str) -> Callable[[str], re.Match[str] | None]:
    """One look that tells most lines to be no life-cycle line."""
    openings = {re.escape(entry.opening) for entry in CATALOGUE if service in entry.services}
    literal = "|".join(sorted(openings))
    return re.compile(rf"(?:{_PEER}(?= - \"WebSocket ))|{literal}").match


def _candidates(service: str) -> dict[str, tuple[Entry, ...]]:
    """The entries that a line which begins with an opening may be; those of a peer's line under an empty one."""
    own = [entry for entry in CATALOGUE if service in entry.services]
    peers = [entry for entry in own if entry.opening.startswith(" - ")]
    found = {e.opening: tuple(o for o in own if o.opening.startswith(e.opening)) for e in own}
    return found | {"": tuple(peers)}


_HINTS = {service: _hint(service) for service in EITHER}
_CANDIDATES = {service: _candidates(service) for service in EITHER}


def recognise(service: str, line: Line) -> Event | None:
    """The life-cycle event that the line of this service tells, or None."""
    if (hint := _HINTS[service](line.message)) is None:
        return None
    candidates = _CANDIDATES[service]
    for entry in candidates.get(hint[0], candidates[""]):
        if match := entry.pattern.match(line.message):
            return _event(entry.event, match)
    return None


def proves(service: str, line: Line, event: Event | None) -> bool:
    """Whether only this service can have said the line, which `recognise` gave as `event`.

    That is an event of its own, or a request or upgrade of a path of its own in uvicorn's access log.
    """
    if access := _ACCESS.match(line.message):
        return bool(_OWN_PATHS[service].match(access["path"]))
    return event is not None and event.event in _OWN_EVENTS[service]


def _event(event: str, match: re.Match[str]) -> Event:
    found = {name: value for name, value in match.groupdict().items() if value is not None}
    ids = {name: found.pop(name, None) for name in _IDS}
    if target := found.pop("target", None):
        url = urlsplit(target)
        found["path"] = url.path
        # On the backend the `uid` parameter is ignored in favour of the token: it proves nothing there.
        if url.path == PUSHER_PATH:
            ids["uid"] = next(iter(parse_qs(url.query).get("uid", ())), None)
    detail = {name: _number(value) if name in _NUMBERS else value for name, value in found.items()}
    return Event(event, **ids, detail=detail)


def _number(text: str) -> int | float | None:
    """A number of the log; None where the service printed a word, such as `code=None`."""
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        return None
