"""What the services' logs have said so far, for those parts of a run that wait for it."""

import asyncio
from typing import Any

from e2e.clients.timing import Clock
from e2e.engine.scenario import Drain
from e2e.record.journal import Journal, Record

MAX_USERS = 10_000
"""Of so many users more is remembered than what they are owed: users come and go for as long as a soak lasts."""


class LogWatch:
    """Follows the life-cycle records of a journal for the event that the drain waits for.

    A user who listened is owed that event. Once it has come and the session is closed, that is journalled and the user
    forgotten.
    """

    def __init__(self, journal: Journal, drain: Drain) -> None:
        self._journal, self._drain = journal, drain
        self._logs: set[str] = set()
        self._unread = False  # somebody listened while no log of the backend was read
        self._handlers: dict[str, str | None] = {}  # the newest of each user, from the first attempt to connect on
        self._owed: set[str] = set()
        self._open: set[str] = set()
        self._seen: set[str] = set()
        self._conversations: dict[str, str] = {}
        self._changed = asyncio.Event()
        self._waited: Clock = lambda: 0.0  # seconds since the drain began
        self.close = journal.subscribe(self._read, "log_source", "session", "lifecycle")

    def _read(self, record: Record) -> None:
        if record["type"] == "log_source":
            (self._logs.add if record["state"] == "open" else self._logs.discard)(record["service"])
        elif record["type"] == "lifecycle":
            if record.get("uid"):
                self._line(record["uid"], record)
        elif record["kind"] == "listen":
            self._session(record["uid"], record)

    def _session(self, uid: str, record: Record) -> None:
        event = record["event"]
        if event == "connecting":
            _remember(self._handlers, uid, None)
            self._seen.discard(uid)  # what the log said of this user before is of another session
        elif event == "open" and not self.reads("backend"):
            self._unread = True
        elif event == "open":
            self._owed.add(uid)
            self._open.add(uid)
        elif event == "failed" and uid not in self._owed:
            self._forget(uid)
        elif event == "closed":
            self._open.discard(uid)
            if record["by"] == "server" or uid not in self._owed:
                # The backend tells of a client that left, not of one that it has sent away.
                self._forget(uid)
            self._settle(uid)

    def _line(self, uid: str, record: Record) -> None:
        event, session = record["event"], record.get("session")
        if uid in self._handlers or uid in self._owed:
            if event == "handler_started" and session:
                self._handlers[uid] = session
            if event == self._drain.event and session in (None, self._handlers.get(uid) or session):
                self._seen.add(uid)
        if event in ("conversation_created", "conversation_resumed") and record.get("conversation"):
            _remember(self._conversations, uid, record["conversation"])
        self._settle(uid)

    def _settle(self, uid: str) -> None:
        if uid in self._seen and uid in self._owed and uid not in self._open:
            self._forget(uid)
            self._write(uid, True)
            self._changed.set()

    def _forget(self, uid: str) -> None:
        self._owed.discard(uid)
        self._seen.discard(uid)
        self._handlers.pop(uid, None)

    def reads(self, service: str) -> bool:
        """Whether the log of a service is being read."""
        return service in self._logs

    @property
    def owed(self) -> int:
        """How many users the drain has to wait for."""
        return len(self._owed) if self.reads("backend") else 0

    def conversation_of(self, uid: str) -> str | None:
        """The conversation that the backend's log named last for a uid."""
        return self._conversations.get(uid)

    async def drain(self, clock: Clock) -> None:
        """When all sessions are over: wait for the event of every uid that is still owed it, and journal the rest."""
        drain, began = self._drain, clock()
        if not self.reads("backend"):
            self._unread |= bool(self._owed)
            self._owed.clear()  # nothing can be said of them
        if self._unread:
            self._journal.write("note", text=f"not waited for `{drain.event}`: no log of the backend is read")
        self._waited = lambda: clock() - began
        self._open.clear()
        for uid in sorted(self._seen & self._owed):
            self._settle(uid)
        while self._owed and self.reads("backend") and (left := drain.at_most - self._waited()) > 0:
            self._changed.clear()
            try:
                async with asyncio.timeout(left):
                    await self._changed.wait()
            except TimeoutError:
                continue
        for uid in sorted(self._owed):
            self._write(uid, False)

    def _write(self, uid: str, seen: bool) -> None:
        self._journal.write(
            "drain",
            uid=uid,
            awaited=self._drain.event,
            seen=seen,
            waited_s=round(self._waited(), 3),
            required=self._drain.required,
        )


def _remember(users: dict[str, Any], uid: str, what: Any) -> None:
    """Put the newest last, and let go of the oldest."""
    users.pop(uid, None)
    users[uid] = what
    if len(users) > MAX_USERS:
        del users[next(iter(users))]
