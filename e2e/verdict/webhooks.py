"""What arrived at the webhooks of each user, held against what their sessions sent and heard."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from e2e.protocol.webhook import version
from e2e.verdict.bounded import Bounded
from e2e.verdict.metrics import REALTIME, Latencies
from e2e.verdict.sessions import Session
from e2e.verdict.transcript import Segment, segments_of

Record = dict[str, Any]

MAX_USERS = 5_000
MAX_SEGMENTS = 20_000
"""Of one user; what is beyond is counted and not judged."""

ROUNDING = 0.1
"""Seconds by which two sums of audio may differ, and the ends of two segments by a hundredth of it."""


@dataclass(slots=True)
class Hook:
    """The webhooks of one user. Sums are seconds of audio; `latest` is the longest latency (s) by kind."""

    uid: str
    kinds: dict[str, Record] = field(default_factory=dict)
    deliveries: Counter[str] = field(default_factory=Counter)
    sessions: list[Session] = field(default_factory=list)
    wanted: dict[str, float] = field(default_factory=dict)
    delivered: dict[str, float] = field(default_factory=dict)
    memories: Counter[str] = field(default_factory=Counter)
    audio_sent: float = 0.0
    audio: float = 0.0
    repeated: int = 0
    latest: dict[str, float] = field(default_factory=dict)
    named: Bounded[str] = field(default_factory=lambda: Bounded(5))
    beyond: int = 0
    _streamed: Counter[str] = field(default_factory=Counter)
    _versions: Counter[str] = field(default_factory=Counter)
    _last_hash: str | None = None

    @property
    def lost(self) -> list[str]:
        """Ids of segments whose last version, or a later one, never arrived."""
        if "realtime_transcript" not in self.kinds:
            return []
        least = -ROUNDING / 100
        return [key for key, end in self.wanted.items() if self.delivered.get(key, -1e9) - end < least]

    @property
    def doubled(self) -> list[str]:
        """Ids of segments of which a version was delivered more often than it was streamed to the devices."""
        often = (key for key, times in self._versions.items() if times > max(1, self._streamed[key]))
        return list(dict.fromkeys(key.rpartition(" ")[0] for key in often))

    @property
    def audio_missing(self) -> float:
        """Seconds of audio that were sent and did not arrive; less than 0 where more arrived than was sent."""
        return self.audio_sent - self.audio if "audio_bytes" in self.kinds else 0.0

    @property
    def every(self) -> float:
        """Seconds of audio in one delivery. A service may keep the rest of one at the end."""
        return float((self.kinds.get("audio_bytes") or {}).get("every_s") or 0.0)

    def delivery(self, record: Record, latencies: Latencies) -> None:
        kind = str(record.get("kind"))
        self.deliveries[kind] += 1
        if "named" in record:
            self.named.add(str(record["named"]))
        if kind == "realtime_transcript":
            self._transcript(record, latencies)
        elif kind == "audio_bytes":
            self.audio += float(record.get("seconds") or 0.0)
            self.repeated += record.get("hash") == self._last_hash
            self._last_hash = record.get("hash")
            self._late(kind, record["t"], self.audio, latencies)
        elif kind == "memory_created":
            self.memories[str(record.get("memory"))] += 1

    def heard(self, segments: dict[str, Segment]) -> None:
        """Segments of which a session hears no more: they are owed."""
        room = MAX_SEGMENTS - len(self.wanted)
        ends = [(key, s.end) for key, s in segments.items() if s.deleted is None and s.text.strip()]
        self.wanted |= dict(ends[:room])
        self.beyond += max(0, len(ends) - room)

    def sent(self, session: Session) -> None:
        """A session is over: how much it sent is owed."""
        for play in session.plays:
            ms = play.tape.chunk_ms if play.tape else 100.0
            self.audio_sent += (play.planned if play.sent is None else play.sent) * ms / 1000

    def _transcript(self, record: Record, latencies: Latencies) -> None:
        self.beyond += int(record.get("beyond") or 0)
        rows = record.get("segments")
        for row in rows if isinstance(rows, list) else ():
            if not isinstance(row, list) or len(row) != 3 or not isinstance(row[1], int | float):
                continue
            key, end, named = str(row[0]), float(row[1]), f"{row[0]} {row[2]}"
            if key not in self.delivered:
                if len(self.delivered) >= MAX_SEGMENTS:
                    self.beyond += 1
                    continue
                self._late("realtime_transcript", record["t"], end, latencies)
            self.delivered[key] = max(end, self.delivered.get(key, end))
            if named in self._versions or len(self._versions) < 5 * MAX_SEGMENTS:
                self._versions[named] += 1

    def streamed(self, items: list[Record]) -> None:
        """Segments that one of the user's devices was sent."""
        for item in items:
            start, end, text = item.get("start"), item.get("end"), item.get("text")
            timed = isinstance(start, int | float) and isinstance(end, int | float)
            if timed and isinstance(text, str) and len(self._streamed) < 5 * MAX_SEGMENTS:
                self._streamed[f"{item.get('id')} {version(text, float(start), float(end))}"] += 1

    def _late(self, kind: str, t: float, audio_seconds: float, latencies: Latencies) -> None:
        """From the intended instant at which the last sample of what arrived was sent."""
        session = self.sessions[0] if len(self.sessions) == 1 else None
        if session is None or session.pace != REALTIME or session.displaced or not session.plays:
            return
        due = session.due(audio_seconds, t)
        if due is not None:
            latencies.add(METRIC[kind], (t - due) * 1000, t, session.number)
            self.latest[kind] = max(t - due, self.latest.get(kind, t - due))


METRIC = {"realtime_transcript": "webhook_transcript", "audio_bytes": "webhook_audio"}


class Webhooks:
    """Of all users, as far as there is room. `refused` are requests that were no delivery."""

    def __init__(self) -> None:
        self.hooks: dict[str, Hook] = {}
        self.left_out = 0
        self.refused: Bounded[str] = Bounded(20)

    def take(self, record: Record, latencies: Latencies) -> None:
        event = record.get("event")
        if event == "refused":
            self.refused.add(f"HTTP {record.get('status')}: {record.get('why')}")
            return
        uid = str(record.get("uid"))
        hook = self.hooks.get(uid)
        if hook is None and len(self.hooks) >= MAX_USERS:
            self.left_out += event == "set"
            return
        hook = hook or self.hooks.setdefault(uid, Hook(uid))
        if event == "set":
            hook.kinds[str(record.get("kind"))] = record
        elif event == "delivery":
            hook.delivery(record, latencies)

    def connecting(self, session: Session) -> None:
        hook = self.hooks.get(str(session.uid))
        if hook is not None and session.kind == "listen" and not session.probe and len(hook.sessions) < 100:
            hook.sessions.append(session)

    def message(self, session: Session, record: Record) -> None:
        hook = self.hooks.get(str(session.uid)) if self.hooks and record.get("kind") == "transcript" else None
        if hook is not None:
            hook.streamed(segments_of(record.get("data")))

    def heard(self, session: Session, segments: dict[str, Segment], *, ended: bool = False) -> None:
        """Segments of which a session hears no more; `ended`: it is over."""
        hook = self.hooks.get(str(session.uid)) if self.hooks else None
        if hook is not None and session in hook.sessions:
            hook.heard(segments)
            if ended:
                hook.sent(session)
