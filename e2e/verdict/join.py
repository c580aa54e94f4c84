"""Whose log line it is: the lives of sessions, the ids that they are known by, and the rules that join the two.

A line that names the service's session id belongs to the session with that id; else one that names a conversation to a
session of that conversation; else one that names a uid to a session of that user. Where several are left, it belongs to
the one whose life holds it. What is then still open is not guessed: the line has several owners.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from e2e.verdict.lifecycle import ENDINGS

Record = dict[str, Any]

DRAIN_SECONDS = 75.0
"""How long after a close a service may still log of the session: its handler waits for a tick of a minute."""

GRACE_SECONDS = 2.0
"""How much later than it was written a line may be read."""

_EARLY = 0.5  # s by which the service may tell of a close before the client has its answer

MAX_LIVES = 2_000
MAX_IDS = 1_000

# A shorter id may be any word of a line: it counts only at the end, where the services put uid and session.
_TELLING = 8
_WORD = re.compile(r"[\w.@|-]+")
_MOST_ODD = 100  # ids that are no such word: looked for one by one


@dataclass(slots=True, eq=False)
class Life:
    """One session of ours from its connect call to its end, `t` of the journal. `told`: conversations by the client."""

    sid: str
    uid: str | None
    kind: str
    began: float
    ended: float | None = None
    server: str | None = None
    told: set[str] = field(default_factory=set)

    def alive(self, t: float, grace: float = 0.0) -> bool:
        return self.began <= t and (self.ended is None or t <= self.ended + grace)

    def may_own(self, service: str) -> bool:
        """The backend speaks of those who listen; the pusher of whoever is behind its links."""
        return service != "backend" or self.kind == "listen"


@dataclass(slots=True, eq=False)
class Served:
    """A session as the backend knows it, by its own id. `owners`: those of ours that it may be, in the end one."""

    uid: str
    first: float
    conversations: set[str] = field(default_factory=set)
    left: float | None = None
    owners: list[Life] = field(default_factory=list)


class Roster:
    """Every session of some users, and every id that belongs to one; complete when the journal was read to its end."""

    def __init__(self, uids: Iterable[str | None]) -> None:
        self._uids = set(uids)
        self.lives: dict[str, Life] = {}
        self._of_uid: dict[str | None, list[Life]] = {uid: [] for uid in self._uids}
        self._served: dict[str, Served] = {}
        self._of_conversation: dict[str, dict[str, Life]] = {}
        self._names: dict[str, str] = {}
        self._odd: list[str] = []

    # -- reading -----------------------------------------------------------------------------------------------

    def take(self, record: Record) -> None:
        match record["type"]:
            case "session":
                self._session(record)
            case "lifecycle":
                self._logged(record)
            case "message" | "sent" | "conversation" if str(record.get("sid")) in self.lives:
                self._told(self.lives[str(record.get("sid"))], record)

    def _session(self, record: Record) -> None:
        sid, uid, event = str(record.get("sid")), record.get("uid"), record.get("event")
        life = self.lives.get(sid)
        if life is None and uid in self._uids and len(self.lives) < MAX_LIVES:
            life = self.lives[sid] = Life(sid, uid, str(record.get("kind") or "listen"), record["t"])
            self._of_uid[uid].append(life)
        if life is not None and event in ("closed", "failed"):
            # A stream that failed may stay open for a moment: its close is its end.
            life.ended = record["t"]

    def _told(self, life: Life, record: Record) -> None:
        data, kind = record.get("data"), record.get("kind")
        if record["type"] == "conversation":
            # By the log it is the last of the user, who may have several sessions: the lines themselves say more.
            if record.get("by") == "client":
                _add(life.told, record.get("conversation"))
        elif kind == "pusher.103":
            _add(life.told, data)
        elif isinstance(data, dict) and kind in ("conversation_session", "pusher.104"):
            _add(life.told, data.get("conversation_id"))

    def _logged(self, record: Record) -> None:
        uid, server = record.get("uid"), record.get("session")
        if uid not in self._uids or not isinstance(server, str):
            return
        served = self._served.get(server)
        if served is None:
            if len(self._served) >= MAX_LIVES:
                return
            served = self._served[server] = Served(uid, record["t"])
        _add(served.conversations, record.get("conversation"))
        if record.get("event") == "client_disconnected":
            served.left = record["t"]

    # -- settling ----------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Called once, at the end of the journal: which of our sessions each session id of the backend is."""
        for served in self._served.values():
            lives = self._of_uid[served.uid]
            served.owners = [x for x in lives if x.kind == "listen" and x.alive(served.first, GRACE_SECONDS)]
        for narrow in (_by_conversation, _alone, _by_end, _alone, _by_life, _alone):
            changed = True
            while changed:
                changed = False
                for server, served in self._served.items():
                    free = [x for x in served.owners if x.server in (None, server)]
                    found = narrow(served, free)
                    if found is not None and found.server is None:
                        found.server, served.owners, changed = server, [found], True
        for server, served in self._served.items():
            served.owners = [x for x in served.owners if x.server in (None, server)]
        self._index()

    def _index(self) -> None:
        for life in self.lives.values():
            for conversation in life.told:
                self._of_conversation.setdefault(conversation, {})[life.sid] = life
        for served in self._served.values():
            for conversation in served.conversations:
                self._of_conversation.setdefault(conversation, {}).update((x.sid, x) for x in served.owners)
        for what, ids in (("uid", self._of_uid), ("conversation", self._of_conversation), ("session", self._served)):
            self._names |= {name: what for name in ids if name}
        odd = [name for name in self._names if len(name) >= _TELLING and not _WORD.fullmatch(name)]
        self._odd = sorted(odd, key=len, reverse=True)[:_MOST_ODD]

    # -- asking ------------------------------------------------------------------------------------------------

    def named(self, text: str) -> dict[str, str]:
        """The ids of ours that a line holds which no catalogue knows: `uid`, `session`, `conversation`."""
        words = [name for name in self._odd if name in text]
        words += [word for word in (w.rstrip(".") for w in _WORD.findall(text)) if len(word) >= _TELLING]
        words += [word for word in text.rsplit(None, 2)[-2:] if len(word) < _TELLING]
        found: dict[str, str] = {}
        for word in words:
            if (what := self._names.get(word)) is not None:
                found.setdefault(what, word)
        return found

    def conversations(self, life: Life) -> list[str]:
        """Those that a session was told of, or that the backend names together with its id."""
        served = self._served.get(life.server or "")
        return sorted(life.told | (served.conversations if served else set()))

    def owners(self, service: str, t: float, ids: Record, event: str | None = None) -> list[Life]:
        """The sessions that a line may belong to, by what it names; more than one: nobody can tell."""
        served = self._served.get(str(ids.get("session")))
        if served is not None:
            return served.owners
        uid, conversation = ids.get("uid"), ids.get("conversation")
        lives = list(self._of_conversation.get(conversation, {}).values())
        if uid is not None:
            lives = [x for x in lives if x.uid == uid] or self._of_uid.get(uid, [])
        lives = [x for x in lives if x.may_own(service) and x.alive(t, DRAIN_SECONDS)]
        if len(lives) < 2:
            return lives
        if event in ENDINGS:
            # What ends has been left: the one that still streams is not it.
            over = [x for x in lives if x.ended is not None and x.ended - _EARLY <= t]
            return over or lives
        return [x for x in lives if x.alive(t)] or [x for x in lives if x.alive(t, GRACE_SECONDS)] or lives


def _by_conversation(served: Served, free: list[Life]) -> Life | None:
    return _only(x for x in free if x.told & served.conversations)


def _alone(served: Served, free: list[Life]) -> Life | None:
    return _only(free)


def _by_end(served: Served, free: list[Life]) -> Life | None:
    left = served.left
    if left is None:
        return None
    return _only(x for x in free if x.ended is not None and abs(x.ended - left) <= GRACE_SECONDS)


def _by_life(served: Served, free: list[Life]) -> Life | None:
    return _only(x for x in free if x.alive(served.first))


def _only(lives: Iterable[Life]) -> Life | None:
    found = list(lives)
    return found[0] if len(found) == 1 else None


def _add(ids: set[str], value: Any) -> None:
    if isinstance(value, str) and value and len(ids) < MAX_IDS:
        ids.add(value[:200])
