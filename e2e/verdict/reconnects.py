"""Devices that come back: how long they were without a service, and for how long no audio was sent."""

from typing import Any

from e2e.verdict.metrics import REALTIME, Latencies
from e2e.verdict.sessions import Session

MAX_DEVICES = 20_000
"""Devices whose last close is remembered; of very many, those that closed longest ago are taken not to come back."""


class Reconnects:
    """Follows the listen sessions of each device. A session follows another if it began after that one's end."""

    def __init__(self) -> None:
        self._ended: dict[Any, Session] = {}
        self._before: dict[str, Session] = {}

    def connecting(self, session: Session) -> None:
        before = self._ended.pop(session.device, None)
        if before is not None and before.ended is not None and session.began >= before.ended:
            self._before[session.sid] = before

    def ready(self, session: Session, t: float, latencies: Latencies) -> None:
        before = self._before.get(session.sid)
        if before is not None and before.ended is not None and session.pace == REALTIME:
            latencies.add("reconnect_downtime", (t - before.ended) * 1000, t, session.number)

    def playing(self, session: Session, latencies: Latencies) -> None:
        before = self._before.pop(session.sid, None)
        if before is not None and before.plays and session.plays and session.pace == before.pace == REALTIME:
            play = session.plays[-1]
            gap = play.start - before.plays[-1].over
            latencies.add("reconnect_audio_gap", gap * 1000, play.start, session.number)

    def ended(self, session: Session) -> None:
        before = self._before.pop(session.sid, None)
        # A device that did not get through is without a service since it was last cut off.
        self._ended.pop(session.device, None)
        self._ended[session.device] = before if before is not None and not session.reached else session
        if len(self._ended) > MAX_DEVICES:
            del self._ended[next(iter(self._ended))]
