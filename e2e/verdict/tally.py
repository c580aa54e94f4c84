"""What is only counted: totals over the sessions, and the samples of the generator itself."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from e2e.record.histogram import Histogram
from e2e.verdict.bounded import Bounded
from e2e.verdict.sessions import Session

Record = dict[str, Any]

MAX_LATE_SHARE = 0.01
"""Share of chunks that may be later than half their interval."""

SATURATED = 0.95
"""Share of a core above which it has nothing left to give."""

MOST = ("open_files", "planned", "active")
MOST_PLAYING = ("steal", "foreign")
"""Fields of `generator` records whose largest value is kept; shares of the machine only count while audio is sent."""


@dataclass(slots=True)
class Totals:
    """Counters over the sessions of the stream; probes are not among them.

    `left` are those that the load ended: some before they were open or ready, and with chunks not sent. `ids` counts
    segment ids, `ping_gap` is the longest time (s) without a ping after the first, up to the close.
    """

    sessions: int = 0
    connected: int = 0
    reached: int = 0
    failed: int = 0
    planned: int = 0
    sent: int = 0
    transcripts: int = 0
    displaced: int = 0
    bytes: int = 0
    left: int = 0
    left_unopened: int = 0
    left_unready: int = 0
    left_chunks: int = 0
    unsettled: int = 0
    close_codes: Counter = field(default_factory=Counter)
    backlog: int = 0
    backlog_chunks: float = 0.0
    ids: int = 0
    revisions: int = 0
    deleted: int = 0
    out_of_order: int = 0
    ping_gap: float | None = None
    probes: int = 0
    probe_chunks: int = 0

    def settle(self, session: Session, *, closed: bool) -> None:
        """Count a session of the stream, once; `closed`: its last record came."""
        record = session.closed or {}
        self.sessions += 1
        self.connected += session.opened is not None
        self.reached += session.reached
        self.planned += session.planned
        self.sent += session.sent or 0
        self.transcripts += session.transcripts
        self.displaced += session.displaced
        self.left += session.left is not None
        self.left_chunks += max(0, session.planned - (session.sent or 0) - session.unsent)
        self.bytes += record.get("bytes_sent") or 0
        self.unsettled += bool(session.plays) and not closed
        backlog = record.get("backlog_max_bytes") or 0
        self.backlog = max(self.backlog, backlog)
        if session.sent and record.get("bytes_sent"):
            self.backlog_chunks = max(self.backlog_chunks, backlog * session.sent / record["bytes_sent"])
        self.ids += session.transcript.ids
        self.revisions += session.transcript.revisions
        self.deleted += session.transcript.deleted
        self.out_of_order += session.transcript.out_of_order
        if session.kind == "listen" and session.ping_gap is not None:
            self.ping_gap = max(self.ping_gap or 0.0, session.ping_gap)
        if record.get("code") is not None:
            self.close_codes[str(record["code"])] += 1


@dataclass(slots=True)
class Generator:
    """Samples of the generator itself, once a second, while audio was sent: loop lag in ms, and what the pacer counted.

    `late` counts the chunks sent later than half their interval; `lateness` is actual - intended instant in ms.
    `saturated` counts the seconds, after the first, in which the core was full and chunks were late; `streams_ok` is
    the largest number of streams in a second in which nothing was amiss (None: there was no such second). `most` holds
    the largest value of the other figures of a sample (`MOST`, and `MOST_PLAYING` while audio was sent), as known.
    """

    samples: int = 0
    cpu_sum: float = 0.0
    cpu_max: float = 0.0
    rss_mb: float = 0.0
    lag: Histogram = field(default_factory=Histogram)
    lateness: Histogram = field(default_factory=Histogram)
    sent: int = 0
    late: int = 0
    saturated: int = 0
    streams_ok: int | None = None
    most: dict[str, float] = field(default_factory=dict)

    def sends(self, record: Record) -> None:
        self.sent += record.get("n") or 0
        self.late += record.get("late") or 0
        if record.get("lateness"):
            self.lateness.merge(Histogram.from_dict(record["lateness"]))

    def sample(self, record: Record, sends: Record, *, playing: bool, chunk: float) -> None:
        """Take a `generator` record; `sends` is the pacer's of the same second, `chunk` the shortest one in ms."""
        cpu, lag = record.get("cpu") or 0.0, record.get("loop_lag_ms") or 0.0
        self.rss_mb = max(self.rss_mb, record.get("rss_mb") or 0.0)
        for name in (*MOST, *MOST_PLAYING) if playing else MOST:
            if record.get(name) is not None:
                self.most[name] = max(self.most.get(name, 0), record[name])
        if not playing:
            return
        n, late = sends.get("n") or 0, sends.get("late") or 0
        if late > n * MAX_LATE_SHARE:
            self.saturated += bool(self.samples) and cpu >= SATURATED
        elif n and lag <= chunk:
            # None is left where all streams had ended by the end of the second.
            self.streams_ok = max(self.streams_ok or 0, sends.get("streams") or 0) or None
        self.samples += 1
        self.cpu_sum += cpu
        self.cpu_max = max(self.cpu_max, cpu)
        self.lag.add(lag)


class Drains:
    """Ends of sessions that the run waited for in the logs. `rows` and `unseen` hold the first of them."""

    def __init__(self) -> None:
        self.rows: Bounded[Record] = Bounded(500)
        self.unseen: dict[bool, Bounded[Record]] = {True: Bounded(200), False: Bounded(200)}  # by whether required
        self.required = 0
        self.waited_s = 0.0
        self.awaited: set[str] = set()

    def add(self, record: Record) -> None:
        required = bool(record.get("required"))
        self.rows.add(record)
        self.required += required
        self.awaited.add(str(record.get("awaited")))
        if not record.get("seen"):
            self.unseen[required].add(record)
        elif required:
            self.waited_s = max(self.waited_s, record.get("waited_s") or 0.0)
