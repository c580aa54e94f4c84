"""The sessions whose messages are understood while the run lasts: as many as are cheap beside a stream.

The first ones are followed whole (`FOLLOWED` at a time), the others up to their first words.
"""

from typing import Any

from e2e.verdict.facts import Facts
from e2e.verdict.findings import Findings
from e2e.verdict.metrics import METRICS, Latencies
from e2e.verdict.sessions import Session
from e2e.verdict.transcript import Tape
from e2e.verdict.understanding import AGAIN, BEHIND_SECONDS

Record = dict[str, Any]

FOLLOWED = 20
"""Sessions at a time whose every message is followed."""

MAX_SEGMENTS = 32
"""Segments of a session that are kept before those that will not change any more are counted."""

OF_ALL = ("connect", "handshake", "ready", *sorted(m for m in METRICS if m.startswith("step_")))
OF_ALL += ("first_segment", "first_segment_speech")
"""Latencies of every session; the others are those of the sessions that are followed whole."""


class Followed(dict[str, Session]):
    """By sid. `latencies` and `findings` are what they amount to; methods take records of sessions that are here."""

    def __init__(self) -> None:
        super().__init__()
        self.latencies = Latencies(in_series=frozenset(), in_blocks=False)
        self.findings = Findings()
        self.whole: set[str] = set()
        self._pace, self._heartbeat = "realtime", 10.0
        self._opening: dict[Any, str] = {}

    def run(self, record: Record) -> None:
        facts = Facts(run=record)
        self._pace, self._heartbeat = facts.pace, facts.heartbeat
        self.findings.target(record.get("target") or {})

    def begin(self, sid: str, record: Record) -> None:
        """A session connects."""
        self[sid] = Session(sid, str(record.get("kind") or "listen"), 0, self._pace, heartbeat=self._heartbeat)
        self._opening[record.get("device")] = sid
        if len(self.whole) < FOLLOWED:
            self.whole.add(sid)

    def event(self, session: Session, record: Record) -> None:
        event, sid = record["event"], session.sid
        session.event(record, self.latencies)
        if event in ("open", "failed"):
            self._opening.pop(session.device, None)
        if sid in self.whole:
            self.findings.session(session, record)
        if event == "closed" or (event == "failed" and session.opened is None):
            del self[sid]
            if sid in self.whole:
                self.whole.discard(sid)
                session.settle(self.latencies, record["t"])
                self.findings.settle(session)

    def left(self, device: Any) -> None:
        """The load has ended a device: of a session that was still connecting no more will come."""
        sid = self._opening.pop(device, None)
        if sid is not None:
            self.pop(sid, None)
            self.whole.discard(sid)

    def message(self, session: Session, record: Record) -> None:
        session.message(record, self.latencies)
        if session.sid not in self.whole:
            if session.first_transcript is not None:
                del self[session.sid]
            return
        self.findings.message(session, record)
        if len(session.transcript.segments) > (session.next_cut or MAX_SEGMENTS):
            settled = session.transcript.take_before(session.transcript.cursor - BEHIND_SECONDS)
            session.settle_segments(settled.values(), self.latencies)
            session.next_cut = len(session.transcript.segments) + AGAIN

    def sent(self, session: Session, record: Record) -> None:
        session.sent_record(record)
        if session.sid in self.whole:
            self.findings.sent(session, record)

    def stream(self, session: Session, record: Record, tapes: list[Tape]) -> None:
        session.stream(record, tapes, self.latencies)
        if session.sid in self.whole:
            self.findings.stream(session, record)
