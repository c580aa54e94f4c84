"""What the services' logs have said so far, for those parts of a run that wait for it."""

import asyncio

from e2e.clients.timing import Clock
from e2e.engine.scenario import Drain
from e2e.record.journal import Journal, Record

MAX_CONVERSATIONS = 10_000
"""Of so many users the last conversation is remembered: users come and go for as long as a soak lasts."""


class LogWatch:
    """Follows the life-cycle records of a journal for the event that the drain waits for.

    A user who listened is owed that event. Once it has come and the session is closed, that is journalled and the user
    forgotten.
    """

    def __init__(self, journal: Journal, drain: Drain) -> None:
        self._journal, self._drain = journal, drain
        self._logs: set[str] = set()
        self._unread = False  # somebody listened while no log of the backend was read
        self._known: set[str] = set()  # from the first attempt to connect on
        self._owed: set[str] = set()
        self._open: set[str] = set()
        self._seen: set[str] = set()
        self._handlers: dict[str, str] = {}
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
            self._known.add(uid)
            self._seen.discard(uid)  # what the log said of this user before is of another session
        elif event == "open" and not self.reads("backend"):
            self._unread = True
        elif event == "open":
            for users in (self._known, self._owed, self._open):
                users.add(uid)
        elif event == "failed" and uid not in self._owed:
            self._forget(uid)
        elif event == "closed":
            self._open.discard(uid)
            if record["by"] == "server":
                # The backend tells of a client that left, not of one that it has sent away.
                self._forget(uid)
            self._settle(uid)

    def _line(self, uid: str, record: Record) -> None:
        event, session = record["event"], record.get("session")
        if uid in self._known:
            if event == "handler_started" and session:
                self._handlers[uid] = session
            if event == self._drain.event and (session is None or self._handlers.get(uid, session) == session):
                self._seen.add(uid)
        if event in ("conversation_created", "conversation_resumed") and record.get("conversation"):
            self._conversations.pop(uid, None)
            self._conversations[uid] = record["conversation"]
            if len(self._conversations) > MAX_CONVERSATIONS:
                del self._conversations[next(iter(self._conversations))]
        self._settle(uid)

    def _settle(self, uid: str) -> None:
        if uid in self._seen and uid in self._owed and uid not in self._open:
            self._forget(uid)
            self._write(uid, True)
            self._changed.set()

    def _forget(self, uid: str) -> None:
        for users in (self._known, self._owed, self._seen):
            users.discard(uid)
        self._handlers.pop(uid, None)

    def reads(self, service: str) -> bool:
        """Whether the log of a service is being read."""
        return service in self._logs

    def conversation_of(self, uid: str) -> str | None:
        """The conversation that the backend's log named last for a uid."""
        return self._conversations.get(uid)

    async def drain(self, clock: Clock) -> None:
        """When all sessions are over: wait for the event of every uid that is still owed it, and journal the rest."""
        drain, began = self._drain, clock()
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
