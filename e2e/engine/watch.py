"""What the services' logs have said so far, for those parts of a run that wait for it."""

import asyncio

from e2e.clients.timing import Clock
from e2e.engine.scenario import Drain
from e2e.record.journal import Journal, Record


class LogWatch:
    """Follows the life-cycle records of a journal, and which users had a listen session at all."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._seen: dict[str, set[str]] = {}
        self._conversations: dict[str, str] = {}
        self._logs: set[str] = set()
        self._listened: set[str] = set()
        self._handlers: dict[str, str] = {}
        self._changed = asyncio.Event()
        self.close = journal.subscribe(self._read, "log_source", "session", "lifecycle")

    def _read(self, record: Record) -> None:
        if record["type"] == "log_source":
            (self._logs.add if record["state"] == "open" else self._logs.discard)(record["service"])
        elif record["type"] == "session" and record["event"] == "open" and record["kind"] == "listen":
            self._listened.add(record["uid"])
        elif record["type"] == "session" and record["event"] == "closed" and record["by"] == "server":
            # The backend tells of a client that left, not of one that it has sent away.
            self._listened.discard(record["uid"])
        elif record["type"] == "session" and record["event"] == "connecting" and record["kind"] == "listen":
            # What the log said of this user before is of another session.
            for uids in self._seen.values():
                uids.discard(record["uid"])
        elif record["type"] == "lifecycle" and record.get("uid"):
            uid, session = record["uid"], record.get("session")
            if record["event"] == "handler_started" and session:
                self._handlers[uid] = session
            if session is None or self._handlers.get(uid, session) == session:
                self._seen.setdefault(record["event"], set()).add(uid)
            if record["event"] in ("conversation_created", "conversation_resumed") and record.get("conversation"):
                self._conversations[record["uid"]] = record["conversation"]
            self._changed.set()

    def reads(self, service: str) -> bool:
        """Whether the log of a service is being read."""
        return service in self._logs

    def conversation_of(self, uid: str) -> str | None:
        """The conversation that the backend's log named last for a uid."""
        return self._conversations.get(uid)

    async def drain(self, drain: Drain, clock: Clock) -> None:
        """Wait for the drain's event of every uid that listened, and journal for each whether it came."""
        if self._listened and not self.reads("backend"):
            self._journal.write("note", text=f"not waited for `{drain.event}`: no log of the backend is read")
            return
        began = clock()
        waiting = set(self._listened)
        while waiting:
            arrived = waiting & self._seen.get(drain.event, set())
            for uid in sorted(arrived):
                self._write(drain, uid, True, clock() - began)
            waiting -= arrived
            left = drain.at_most - (clock() - began)
            if not waiting or left <= 0:
                break
            self._changed.clear()
            try:
                async with asyncio.timeout(left):
                    await self._changed.wait()
            except TimeoutError:
                continue
        for uid in sorted(waiting):
            self._write(drain, uid, False, clock() - began)

    def _write(self, drain: Drain, uid: str, seen: bool, waited: float) -> None:
        self._journal.write(
            "drain", uid=uid, awaited=drain.event, seen=seen, waited_s=round(waited, 3), required=drain.required
        )
