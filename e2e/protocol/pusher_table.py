"""The life cycle of a pusher session as a table, and the rules for its answers: only 104 is answered, once, by 201."""

from collections.abc import Mapping
from typing import Any, ClassVar

from e2e.protocol.findings import Finding
from e2e.protocol.machine import CLOSED, NONE, Machine, Rule, Step, short
from e2e.protocol.profile import PROFILES

ANSWER = 30.0
"""Seconds after which a conversation that was to be processed counts as not answered, if the session was open still."""

MAX_ASKED = 1_000
"""How many conversations a session remembers; those beyond are not followed."""

CONNECTING, OPEN = "connecting", "open"
EVENTS = ("open", "pusher.201", "malformed", "unknown", "sent.pusher.104", "sent", CLOSED)
_RECEIVED = frozenset({"pusher.201", "malformed", "unknown"})


def _table() -> dict[tuple[str, str], Step]:
    table: dict[tuple[str, str], Step] = {}
    for event in EVENTS:
        table[CONNECTING, event] = (OPEN if event == "open" else CONNECTING, ())
        table[OPEN, event] = (OPEN, ())
        table[CLOSED, event] = (CLOSED, ("P-051",) if event in _RECEIVED else ())
    table[CONNECTING, CLOSED] = table[OPEN, CLOSED] = (CLOSED, ())
    return table


class PusherTable(Machine):
    """One session with the pusher. See `Machine`."""

    __slots__ = ("_asked", "_unfollowed")

    prefix = "P"
    initial = CONNECTING
    tables: ClassVar = dict.fromkeys(PROFILES, _table())

    def __init__(self, profile: str = "auto", slower: float = 1.0) -> None:
        super().__init__(profile, slower)
        # Conversation -> how many answers are due, and since when.
        self._asked: dict[str, tuple[int, float]] | None = None
        self._unfollowed = False

    def _ask(self, t: float, data: Any) -> tuple[Finding, ...]:
        key = short(data.get("conversation_id")) if isinstance(data, dict) else None
        asked = self._asked = self._asked if self._asked is not None else {}
        if key is None or (key not in asked and len(asked) >= MAX_ASKED):
            self._unfollowed = True
            return NONE
        due, since = asked.get(key, (0, t))
        asked[key] = (due + 1, since if due else t)
        return NONE

    def _answer(self, t: float, data: Any) -> tuple[Finding, ...]:
        key = short(data.get("conversation_id")) if isinstance(data, dict) else None
        if key is None or self.state == CLOSED:
            return NONE
        due = self._asked.get(key) if self._asked is not None else None
        if due is None:
            return NONE if self._unfollowed else self.found(("P-003",), t, "pusher.201", data)
        if not due[0]:
            return self.found(("P-004",), t, "pusher.201", data)
        self._asked[key] = (due[0] - 1, due[1])
        return NONE

    def _closed(self, t: float, data: Any) -> tuple[Finding, ...]:
        found = self.closed(t, data)
        for key, (due, since) in (self._asked or {}).items():
            if due and t - since >= ANSWER * self.slower:
                found += self.found(("P-005",), t, f"104 at {since:.3f} was not answered", key)
        return found

    rules: ClassVar[Mapping[str, Rule]] = {
        "pusher.201": _answer,
        "sent.pusher.104": _ask,
        "malformed": Machine.malformed,
        CLOSED: _closed,
    }
