"""Whose life-cycle lines they are: a line proves something only of the session that it belongs to."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from e2e.verdict.bounded import BoundedCounter
from e2e.verdict.sessions import Session

Record = dict[str, Any]

ENDINGS = frozenset({"client_disconnected", "handler_ended", "listen_ended"})
"""Events that may come late, when the same user has already connected again."""

_MAX_EVENTS = 200


@dataclass(slots=True)
class Lifecycle:
    """Events of the run's own sessions (`own`, and the `first` record of each), and those that were somebody else's.

    `anonymous` are lines without a user while several sessions listened: nobody knows whose they are.
    """

    counts: BoundedCounter = field(default_factory=lambda: BoundedCounter(_MAX_EVENTS))
    own: Counter[str] = field(default_factory=Counter)
    first: dict[str, Record] = field(default_factory=dict)
    anonymous: BoundedCounter = field(default_factory=lambda: BoundedCounter(_MAX_EVENTS))
    strangers: BoundedCounter = field(default_factory=lambda: BoundedCounter(_MAX_EVENTS))
    _sessions: dict[str | None, list[Session]] = field(default_factory=dict)
    _listening: int = 0
    _only: Session | None = None

    def connecting(self, session: Session) -> None:
        """From here on, lines of its user may belong to this session."""
        if session.kind == "listen":
            self._listening += 1
            self._only = session if self._listening == 1 else None
        self._sessions.setdefault(session.uid, []).append(session)

    def forget(self, session: Session) -> None:
        sessions = self._sessions.get(session.uid, [])
        if session in sessions:
            sessions.remove(session)
        if not sessions:
            self._sessions.pop(session.uid, None)

    def take(self, record: Record) -> None:
        event, uid = str(record.get("event")), record.get("uid")
        self.counts.count(event)
        if len(self.own) >= _MAX_EVENTS and event not in self.own:
            return
        session = self._owner(event, uid, record)
        if session is not None:
            self.own[event] += 1
            self.first.setdefault(event, record)
            session.logged(record)
        elif uid is None:
            self.anonymous.count(event)
        elif uid not in self._sessions:
            self.strangers.count(event)

    def _owner(self, event: str, uid: str | None, record: Record) -> Session | None:
        if uid is not None:
            # The backend speaks of those who listen; the pusher of whoever is behind its links.
            every = record.get("service") == "pusher"
            sessions = [s for s in self._sessions.get(uid, ()) if every or s.kind == "listen"]
        else:
            sessions = [self._only] if self._only else []
        server = record.get("session")
        if server is not None and record.get("service") == "backend":
            sessions = [s for s in sessions if s.server_session in (None, server)]
            sessions = [s for s in sessions if s.server_session == server] or sessions
        if event in ENDINGS:
            # What ends has begun: the late end of a session before this run is not ours.
            return next((s for s in sessions if s.events and event not in s.events), None)
        return sessions[-1] if sessions else None
