"""Findings of the protocol: each session's records go through its state table, and what they violate is gathered.

Only open sessions hold a table. Memory is bounded by the number of codes, and by the limits of the tables themselves.
"""

from dataclasses import dataclass, field
from typing import Any

from e2e.protocol import listen, pusher
from e2e.protocol.findings import CODES, Finding, Rule, malformed
from e2e.protocol.listen_table import ListenTable
from e2e.protocol.machine import Machine
from e2e.protocol.pusher_table import PusherTable
from e2e.verdict.bounded import BoundedCounter
from e2e.verdict.sessions import Session

Record = dict[str, Any]

MAX_SIDS = 5
"""Sessions of a finding that are named."""

MAX_HELD = 1_000
"""Findings that wait for the end of their session, over all sessions; one beyond counts at once."""

MAX_NAME = 80

_TABLES: dict[str, type[Machine]] = {"listen": ListenTable, "pusher": PusherTable}


def _known_fields() -> dict[str, frozenset[str]]:
    fields = {kind: frozenset(cls.__struct_fields__) | {"type"} for kind, cls in listen.TYPED.items()}
    return fields | {"pusher.201": frozenset(pusher.ConversationProcessed.__struct_fields__)}


_FIELDS = _known_fields()
_SEGMENT = frozenset(listen.Segment.__struct_fields__)


@dataclass(slots=True)
class Group:
    """All findings of one code: how often, in how many sessions, and the first ones in full."""

    code: str
    count: int = 0
    sessions: int = 0
    first: Finding | None = None
    sids: list[str] = field(default_factory=list)

    @property
    def rule(self) -> Rule:
        return CODES[self.code]

    def add(self, sid: str, finding: Finding) -> None:
        self.count += 1
        self.first = self.first or finding
        if finding.n == 1:
            self.sessions += 1
            if len(self.sids) < MAX_SIDS:
                self.sids.append(sid)

    def to_dict(self) -> dict[str, Any]:
        """A row of `findings` in `run.json`. `sid`, `t` and `evidence` are of the first one."""
        first = self.first
        assert first is not None
        return {
            "code": self.code,
            "title": self.rule.title,
            "severity": self.rule.severity,
            "sid": self.sids[0],
            "sids": self.sids,
            "t": first.t,
            "count": self.count,
            "sessions": self.sessions,
            "evidence": list(first.evidence),
        }


class Findings:
    """What the sessions of a run said against their protocol, and what they said that is not known and not judged."""

    def __init__(self) -> None:
        self.groups: dict[str, Group] = {}
        self.judged = 0
        self.profile, self._slower = "auto", 1.0
        self.profiles: set[str] = set()
        self.unknown = BoundedCounter(100)
        self._tables: dict[str, Machine] = {}
        self._held: dict[str, list[Finding]] = {}
        self._held_count = 0

    def target(self, target: Record) -> None:
        """Of the `run` record: by which profile to judge, and how much slower the stand-in's timers run."""
        self.profile = str(target.get("profile") or "auto")
        timers = target.get("timers")
        self._slower = float(timers) if isinstance(timers, int | float) else 1.0

    # Records of sessions, in the order of the journal

    def session(self, session: Session, record: Record) -> None:
        event = record.get("event")
        if event == "open":
            if session.sid not in self._tables:
                self.judged += session.kind in _TABLES
                self._feed(session, "open", record)
        elif event == "closed":
            self._feed(session, "closed", record, record)

    def stream(self, session: Session, record: Record) -> None:
        self._feed(session, f"stream.{record.get('event')}", record)

    def sent(self, session: Session, record: Record) -> None:
        kind = record.get("kind")
        self._feed(session, "sent.pusher.104" if kind == "pusher.104" else "sent", record, record.get("data"))

    def message(self, session: Session, record: Record) -> None:
        kind, data, problem = str(record.get("kind")), record.get("data"), record.get("problem")
        if problem is None and kind == "unknown":
            problem = "unknown type"  # a journal of before the reason was told
        if problem is not None:
            if malformed(str(problem)) == "unknown":
                self._unknown_type(kind, data, str(problem))
                self._feed(session, "unknown", record)
            else:
                self._feed(session, "malformed", record, (problem, data))
            return
        if kind == "transcript":
            if type(data) is list:
                for item in data:
                    if type(item) is dict and not _SEGMENT.issuperset(item):
                        self._unknown_fields("transcript", _SEGMENT, item)
        elif type(data) is dict:
            known = _FIELDS.get(kind)
            if known is not None and not known.issuperset(data):
                self._unknown_fields(kind, known, data)
        self._feed(session, kind, record, data)

    def settle(self, session: Session) -> None:
        """After the session's last record."""
        table = self._tables.pop(session.sid, None)
        if table is not None and session.kind == "listen" and not session.probe:
            self.profiles.add(table.profile.name)
        held = self._held.pop(session.sid, ())
        self._held_count -= len(held)
        if not session.displaced:
            for finding in held:
                self._count(session.sid, finding)

    # What is made of them

    @property
    def errors(self) -> list[Group]:
        return [group for group in self.ordered() if group.rule.severity == "error"]

    def ordered(self) -> list[Group]:
        """Errors first, then by code."""
        return sorted(self.groups.values(), key=lambda group: (group.rule.severity != "error", group.code))

    def _feed(self, session: Session, event: str, record: Record, data: Any = None) -> None:
        table = self._tables.get(session.sid)
        if table is None:
            if session.kind not in _TABLES:
                return
            table = _TABLES[session.kind](self.profile, self._slower)
            if session.closed is not None and session.closed is not record:
                table.state = "closed"  # and it still speaks
            else:
                self._tables[session.sid] = table
        for finding in table.feed(event, record["t"], data):
            if CODES[finding.code].whole and self._held_count < MAX_HELD:
                self._held.setdefault(session.sid, []).append(finding)
                self._held_count += 1
            else:
                self._count(session.sid, finding)

    def _count(self, sid: str, finding: Finding) -> None:
        group = self.groups.get(finding.code)
        if group is None:
            group = self.groups[finding.code] = Group(finding.code)
        group.add(sid, finding)

    def _unknown_type(self, kind: str, data: Any, problem: str) -> None:
        name = data.get("type") if kind == "unknown" and isinstance(data, dict) else kind
        self.unknown.count(str(name)[:MAX_NAME] if problem != "binary frame" else "(binary frame)")

    def _unknown_fields(self, kind: str, known: frozenset[str], data: dict[str, Any]) -> None:
        for name in data.keys() - known:
            self.unknown.count(f"{kind}.{name}"[:MAX_NAME])


def words(group: Group) -> str:
    """`L-012 transcript before ready (s1 at 4.210 s; 3 times in 2 sessions)`."""
    first = group.first
    assert first is not None
    times = f"; {group.count} times" if group.count > 1 else ""
    times += f" in {group.sessions} sessions" if group.sessions > 1 else ""
    return f"{group.code} {group.rule.title} ({group.sids[0]} at {first.t:.3f} s{times})"
