"""The life cycle of a listen session as a table, and the rules for what its messages hold.

The states before `ready` are named by the statuses that were seen, such as `initiating+stt_initiating`; `connected`
is before the first message, `greeted` before the first status. After `stt_failed` (`current`) the recogniser may be
started anew, so the state is `failed` until the next `ready`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from e2e.protocol.findings import Finding
from e2e.protocol.machine import CLOSED, NONE, Machine, Rule, Step, short
from e2e.protocol.profile import PROFILES, Profile

PING_GAP = 15.0
"""Seconds between two pings; they come every 10 s."""

CLOSING = 10.0
"""Seconds that a closing handshake may take at most: no ping comes in it."""

MAX_BACK = 1.0
"""Seconds by which the end of a segment may move back: a recogniser revises its last words."""

MAX_SEGMENTS, MAX_MEMORIES = 2_000, 200
"""How many ids a session remembers; those beyond are not followed."""

ORDER = ("initiating", "in_progress_conversations_processing", "stt_initiating")
"""The statuses before `ready`, each once."""

EVENTS = (
    *("open", "ping", "transcript", *(f"status.{name}" for name in ORDER), "status.ready", "status.stt_failed"),
    *("status.other", "conversation_session", "last_memory", "memory_processing_started", "memory_created"),
    *("segments_deleted", "translating", "speaker_label_suggestion", "photo_processing", "photo_described"),
    *("freemium_threshold_reached", "auth_response", "unknown", "malformed"),
    *("stream.begin", "stream.end", "sent", CLOSED),
)

_NOT_RECEIVED = frozenset({"open", "stream.begin", "stream.end", "sent", CLOSED})
_MAY_BE_FIRST = frozenset({"ping", "auth_response"})
_STATUS = {f: f"status.{f}" for f in (*ORDER, "ready", "stt_failed")}

CONNECTING, CONNECTED, GREETED, READY, FAILED = "connecting", "connected", "greeted", "ready", "failed"


def _starting(mask: int) -> str:
    """The state in which the statuses of `mask` (a bit each, in their order) were seen."""
    return "+".join(name for bit, name in enumerate(ORDER) if mask >> bit & 1) or GREETED


def _table(profile: Profile) -> dict[tuple[str, str], Step]:
    starting = {_starting(mask): mask for mask in range(1 << len(ORDER))}
    table: dict[tuple[str, str], Step] = {}
    for state in (*starting, READY, FAILED):
        for event in EVENTS:
            table[state, event] = _step(state, event, starting.get(state))
            if event in profile.later:
                after, codes = table[state, event]
                table[state, event] = (after, (*codes, "L-060"))
    for event in EVENTS:
        # What is first a message like any other, but for not being a ping.
        after, codes = table[GREETED, event]
        first = event in _NOT_RECEIVED or event in _MAY_BE_FIRST
        table[CONNECTED, event] = (after if event == "ping" or not first else CONNECTED, codes)
        if not first:
            table[CONNECTED, event] = (after, ("L-001", *codes))
        table[CONNECTED, CLOSED] = (CLOSED, ())
        # The journal of a run that began to be written late: no state is known to be violated.
        table[CONNECTING, event] = (CONNECTED if event == "open" else CONNECTING, ())
        table[CLOSED, event] = (CLOSED, () if event in _NOT_RECEIVED else ("L-051",))
    table[CONNECTING, CLOSED] = (CLOSED, ())
    return table


def _step(state: str, event: str, mask: int | None) -> Step:
    """One entry, for all states in which messages are expected. `mask`: the statuses seen, in a state before ready."""
    if event == CLOSED:
        return CLOSED, ()
    if event == "transcript" and mask is not None:
        return state, ("L-012",)
    if event == "status.stt_failed":
        return FAILED, ()
    if event == "status.ready":
        if mask is None:
            return READY, () if state == FAILED else ("L-013",)
        return READY, () if mask == (1 << len(ORDER)) - 1 else ("L-011",)
    name = event.removeprefix("status.")
    if name in ORDER:
        bit = ORDER.index(name)
        if mask is None:
            return state, () if state == FAILED else ("L-013",)
        if mask >> bit & 1:
            return state, ("L-013",)
        return _starting(mask | 1 << bit), ("L-010",) if mask >> bit else ()
    return state, ()


class ListenTable(Machine):
    """One listen session on the backend. See `Machine`."""

    __slots__ = ("_active", "_memories", "_playing", "_segments", "_unfollowed", "last_ping")

    prefix = "L"
    initial = CONNECTING
    tables: ClassVar = {name: _table(profile) for name, profile in PROFILES.items()}

    def __init__(self, profile: str = "auto", slower: float = 1.0) -> None:
        super().__init__(profile, slower)
        self.last_ping: float | None = None
        self._active: float | None = None
        self._playing = False
        # The end of each segment in seconds, None once it is deleted.
        self._segments: dict[str, float | None] = {}
        self._unfollowed = False
        # Whether each memory that was announced is created.
        self._memories: dict[str, bool] | None = None

    def feed(self, event: str, t: float, data: Any = None) -> tuple[Finding, ...]:
        if event == "service_status":
            status = data.get("status") if isinstance(data, dict) else None
            event = _STATUS.get(status, "status.other") if isinstance(status, str) else "status.other"
        return super().feed(event, t, data)

    # Rules

    def _open(self, t: float, data: Any) -> tuple[Finding, ...]:
        self.last_ping = self._active = t
        return NONE

    def _ping(self, t: float, data: Any) -> tuple[Finding, ...]:
        last, self.last_ping = self.last_ping, t
        if last is None or t - last <= PING_GAP:
            return NONE
        return self._gap(t, last, PING_GAP)

    def _gap(self, t: float, last: float, limit: float) -> tuple[Finding, ...]:
        if t - last <= limit * self.slower or self._may_be_silent(last):
            return NONE
        return self.found(("L-002",), t, f"no ping for {t - last:.1f} s", None)

    def _may_be_silent(self, since: float) -> bool:
        """Whether the client said nothing for so long that the pings after `since` may have stopped for that."""
        silent = self.profile.silent
        if silent is None or self._playing or self._active is None:
            return False
        return since + PING_GAP * self.slower >= self._active + silent

    def _begin(self, t: float, data: Any) -> tuple[Finding, ...]:
        self._playing, self._active = True, t
        return NONE

    def _pause(self, t: float, data: Any) -> tuple[Finding, ...]:
        self._playing, self._active = False, t
        return NONE

    def _sent(self, t: float, data: Any) -> tuple[Finding, ...]:
        self._active = t
        return NONE

    def _later(self, t: float, data: Any) -> tuple[Finding, ...]:
        if self.profile.name == "auto":
            self.use("current")
        return NONE

    def _transcript(self, t: float, data: Any) -> tuple[Finding, ...]:
        if type(data) is not list:
            return NONE
        found, segments = NONE, self._segments
        for item in data:
            try:
                key, start, end = item["id"], item["start"], item["end"]
                if end < start:
                    found += self.found(("L-020",), t, "segment", item)
                before = segments.get(key, 0.0)
                if before is None:
                    found += self.found(("L-022",), t, "segment", item)
                    continue
                if end < before - MAX_BACK and key in segments:
                    found += self.found(("L-021",), t, f"end was {before:.3f}, is {end:.3f}", item)
            except (KeyError, TypeError, ValueError, OverflowError):
                continue  # cut by the journal, or not understood: then the decoder has said so
            if key in segments or (len(segments) < MAX_SEGMENTS and short(key)):
                segments[key] = end
            else:
                self._unfollowed = True
        return found

    def _deleted(self, t: float, data: Any) -> tuple[Finding, ...]:
        ids = data.get("segment_ids") if isinstance(data, dict) else None
        found, segments = NONE, self._segments
        for key in ids if isinstance(ids, list) else ():
            if short(key) is None:
                continue
            if key in segments:
                if segments[key] is None:
                    found += self.found(("L-024",), t, "segments_deleted", key)
                segments[key] = None
            elif not self._unfollowed:
                found += self.found(("L-023",), t, "segments_deleted", key)
        return found

    def _memory_started(self, t: float, data: Any) -> tuple[Finding, ...]:
        key = _memory(data)
        if key is not None:
            if self._memories is None:
                self._memories = {}
            self._memories.setdefault(key, False)
            if len(self._memories) > MAX_MEMORIES:
                del self._memories[next(iter(self._memories))]
        return NONE

    def _memory_created(self, t: float, data: Any) -> tuple[Finding, ...]:
        key = _memory(data)
        created = None if key is None or self._memories is None else self._memories.get(key)
        if key is None or (created is None and (self._unfollowed or len(self._memories or ()) >= MAX_MEMORIES)):
            return NONE
        if created is False:
            self._memories[key] = True
            return NONE
        code = "L-041" if created else "L-040"
        if created is None:
            self._memory_started(t, data)
            self._memories[key] = True
        return self.found((code,), t, "memory_created", key)

    def _malformed(self, t: float, data: Any) -> tuple[Finding, ...]:
        # It may have named a segment or a memory: what is said of an unknown one later is no finding of its own.
        self._unfollowed = True
        return self.malformed(t, data)

    def _closed(self, t: float, data: Any) -> tuple[Finding, ...]:
        found = self.closed(t, data)
        if self.last_ping is not None:
            # The handshake of the close may have begun before a ping was due.
            found += self._gap(t, self.last_ping, PING_GAP + CLOSING)
        return found

    rules: ClassVar[Mapping[str, Rule]] = {
        "open": _open,
        "ping": _ping,
        "transcript": _transcript,
        "segments_deleted": _deleted,
        "memory_processing_started": _memory_started,
        "memory_created": _memory_created,
        "conversation_session": _later,
        "status.stt_failed": _later,
        "malformed": _malformed,
        "stream.begin": _begin,
        "stream.end": _pause,
        "sent": _sent,
        CLOSED: _closed,
    }


def _memory(data: Any) -> str | None:
    memory = data.get("memory") if isinstance(data, dict) else None
    return short(memory.get("id")) if isinstance(memory, dict) else None
