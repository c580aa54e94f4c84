"""The versions of the protocol that are told apart."""

from dataclasses import dataclass

PROFILE_NAMES = ("2026-03", "current", "auto")


@dataclass(frozen=True, slots=True)
class Profile:
    """What a version allows. `later`: messages that it does not have, though they are known from a later one.

    `silent`: seconds without a message of the client after which its pings may stop; None: they never may.
    """

    name: str
    listen_closes: frozenset[int]
    pusher_closes: frozenset[int]
    later: frozenset[str] = frozenset()
    silent: float | None = None


# 1006 is what a client says of a connection that died. 1009 and 1012 come from the server's library: a frame that is
# too large, a shutdown.
_LISTEN = frozenset({1000, 1001, 1003, 1006, 1008, 1009, 1011, 1012})
_REFUSED = frozenset({4001, 4004})
_PUSHER = frozenset({1000, 1001, 1006, 1008, 1009, 1011, 1012})

LATER = frozenset({"conversation_session", "status.stt_failed"})
"""What only a later version than `2026-03` says: the sign by which `auto` knows one."""

INACTIVITY = 90.0
"""Seconds without a message of the client after which `2026-03` stops its pings, and `current` closes."""

PROFILES: dict[str, Profile] = {
    "2026-03": Profile("2026-03", _LISTEN, _PUSHER, later=LATER, silent=INACTIVITY),
    "current": Profile("current", _LISTEN | _REFUSED, _PUSHER),
    # What either of them allows, until a message tells which one it is.
    "auto": Profile("auto", _LISTEN | _REFUSED, _PUSHER, silent=INACTIVITY),
}
