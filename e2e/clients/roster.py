"""Which sessions are open, and the pings that show that they still are."""

from typing import Protocol

PING_SECONDS = 20
"""How often a session sends a WebSocket ping."""


class Pingable(Protocol):
    """An open session."""

    def ping(self) -> None: ...


class Roster:
    """The sessions that are open. Each second a twentieth of them is pinged: each every 20 s, as a phone does it.

    One that leaves a ping unanswered until the next is dropped.
    """

    def __init__(self) -> None:
        self._groups: tuple[set[Pingable], ...] = tuple(set() for _ in range(PING_SECONDS))
        self._turn = 0
        self._joined = 0

    def __len__(self) -> int:
        return sum(map(len, self._groups))

    def join(self, session: Pingable) -> None:
        self._groups[self._joined % PING_SECONDS].add(session)
        self._joined += 1

    def leave(self, session: Pingable) -> None:
        for group in self._groups:
            group.discard(session)

    def ping_some(self) -> None:
        """To be called once a second."""
        self._turn = (self._turn + 1) % PING_SECONDS
        for session in tuple(self._groups[self._turn]):
            session.ping()
