"""One session from end to end: what the client sent, what both services logged and what came back, in order of time.

The journal is read twice: once for who is who (`e2e.verdict.join`), once for what happened. Only the sessions that were
asked for are kept, and of those no more than `e2e.verdict.entries` allows.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from typing import Any

from e2e.verdict.audible import Audible
from e2e.verdict.entries import Entry
from e2e.verdict.facts import Facts, wordless
from e2e.verdict.join import GRACE_SECONDS, Life, Roster
from e2e.verdict.strand import Line, Strand
from e2e.verdict.transcript import Tape, tape_played

Record = dict[str, Any]
Journal = Callable[[Container[str]], Iterable[Record]]
"""Reads the records of a journal from its start, each time that it is called. Messages of other sessions than those
that it is called with may be left out."""

MAX_FAILED, MAX_CLEAN = 4, 2
"""Of the sessions that a report shows."""

MAX_ASKED = 20
_RECENT = 256


@dataclass(slots=True)
class Found:
    """Sessions (sid -> uid) that a name means: `wanted` holds the first `MAX_ASKED` of `total`, `some` what exists."""

    wanted: dict[str, str | None] = field(default_factory=dict)
    total: int = 0
    some: dict[str, str | None] = field(default_factory=dict)


def find_sessions(records: Iterable[Record], name: str) -> Found:
    """The sessions whose id, or whose user's, is `name`."""
    found = Found()
    for record in records:
        if record["type"] != "session" or record.get("event") != "connecting":
            continue
        sid, uid = str(record.get("sid")), record.get("uid")
        if name in (sid, uid):
            found.total += 1
            if len(found.wanted) < MAX_ASKED:
                found.wanted[sid] = uid
        if len(found.some) < 4:
            found.some[sid] = uid
    return found


def worth_telling(facts: Facts) -> dict[str, str | None]:
    """The sessions (sid -> uid) that a report shows: the first that failed, and the first that did not."""
    sessions = facts.stream
    failed = [s for s in sessions if s.problem is not None][:MAX_FAILED]
    clean = [s for s in sessions if s.problem is None][:MAX_CLEAN]
    return {s.sid: s.uid for s in (*failed, *clean)}


def read_timelines(journal: Journal, wanted: dict[str, str | None], last_t: float = 0.0) -> list[dict[str, Any]]:
    """The timelines of sessions (sid -> uid), in that order. A session that is not there is left out. `last_t`: of the
    journal, as far as known.

    Each has `sid`, `uid`, `kind`, `began`, `ended`, `server_session`, `conversations`, `steps` (`from`, `to`, `ms`: the
    time between two that belong together), `entries` (`t`, `since_ms` since the entry before, `where`, `what`,
    `detail`; where it applies `count` and `until`, `bad`, `ambiguous`), and `left_out`, the entries without room; and
    what could be heard of it, as `Audible.to_dict` says.
    """
    if not wanted:
        return []
    roster = Roster(wanted.values())
    for record in journal(roster.lives):
        roster.take(record)
    roster.settle()
    reader = _Reader(roster, {sid: Strand(roster.lives[sid]) for sid in wanted if sid in roster.lives}, last_t)
    for record in journal(wanted):
        reader.take(record)
    return [_summary(roster, strand) | reader.audible[strand.life.sid].to_dict() for strand in reader.finish()]


def _summary(roster: Roster, strand: Strand) -> dict[str, Any]:
    life, entries = strand.life, strand.entries.ordered()
    return {
        "sid": life.sid,
        "uid": life.uid,
        "kind": life.kind,
        "began": life.began,
        "ended": life.ended,
        "server_session": life.server,
        "conversations": roster.conversations(life)[:10],
        "steps": strand.steps.to_list(),
        "entries": entries,
        "left_out": strand.entries.left_out,
    }


class _Around:
    """How many sessions there are at a time, of the whole run: a line without any id is only told where it is one."""

    def __init__(self) -> None:
        self._ended: dict[str, float | None] = {}
        self._order: deque[str] = deque()

    def take(self, record: Record) -> None:
        sid, event = str(record.get("sid")), record.get("event")
        if event == "connecting":
            self._ended[sid] = None
        elif event in ("closed", "failed") and sid in self._ended:
            self._ended[sid] = record["t"]
            self._order.append(sid)
        while self._order and self._over(self._order[0], record["t"] - 2 * GRACE_SECONDS):
            self._ended.pop(self._order.popleft(), None)

    def _over(self, sid: str, t: float) -> bool:
        ended = self._ended.get(sid)
        return sid not in self._ended or (ended is not None and ended < t)

    def only(self, t: float) -> str | None:
        there = [sid for sid in self._ended if not self._over(sid, t - GRACE_SECONDS)]
        return there[0] if len(there) == 1 else None


class _Reader:
    """The second reading: each record to the strand whose it is."""

    def __init__(self, roster: Roster, strands: dict[str, Strand], last_t: float) -> None:
        self._roster, self._strands = roster, strands
        self._around = _Around()
        self.audible = {sid: Audible(sid, strand.life.kind) for sid, strand in strands.items()}
        self._tapes: list[Tape] = []
        self._line: dict[str, Line] = {}  # of each service, the last: what it means is told right after it
        self._recent: OrderedDict[tuple[str, Any], list[Entry]] = OrderedDict()
        self._last_t = last_t

    def take(self, record: Record) -> None:
        self._last_t = max(self._last_t, record["t"])
        type = record["type"]
        handler = _HANDLERS.get(type)
        if handler is not None:
            handler(self, record)
        elif (strand := self._strands.get(str(record.get("sid")))) is not None:
            strand.other(record)

    def finish(self) -> Iterable[Strand]:
        for service in tuple(self._line):
            self._flush(service)
        for strand in self._strands.values():
            strand.finish(self._last_t)
        return self._strands.values()

    def run(self, record: Record) -> None:
        for audible in self.audible.values():
            audible.wordless = wordless(record)

    # -- of one session ----------------------------------------------------------------------------------------

    def session(self, record: Record) -> None:
        self._around.take(record)
        if strand := self._strands.get(str(record.get("sid"))):
            strand.session(record)
            self.audible[strand.life.sid].session(record)

    def tape(self, record: Record) -> None:
        if len(self._tapes) < 1000:
            self._tapes.append(Tape.from_record(record))

    def stream(self, record: Record) -> None:
        strand = self._strands.get(str(record.get("sid")))
        if strand is None:
            return
        self.audible[strand.life.sid].stream(record, self._tapes)
        if record.get("event") == "begin":
            tape = tape_played(self._tapes, str(record.get("tape")), int(record.get("planned") or 0))
            strand.begins(record, tape.chunk_ms if tape else 100.0)
        else:
            strand.ends(record)

    def message(self, record: Record) -> None:
        if strand := self._strands.get(str(record.get("sid"))):
            strand.message(record)
            self.audible[strand.life.sid].message(record)

    def sent(self, record: Record) -> None:
        if strand := self._strands.get(str(record.get("sid"))):
            strand.sent(record)

    def conversation(self, record: Record) -> None:
        if strand := self._strands.get(str(record.get("sid"))):
            strand.conversation(record)

    def device(self, record: Record) -> None:
        for strand in self._strands.values():
            if strand.device == record.get("device") and strand.life.alive(record["t"]):
                strand.left(record)

    # -- of the logs -------------------------------------------------------------------------------------------

    def log(self, record: Record) -> None:
        service = str(record.get("service"))
        self._flush(service)
        text, level = str(record.get("text")), record.get("level")
        ids = {k: record[k] for k in ("uid", "session") if record.get(k) is not None}
        self._line[service] = Line(service, record.get("n"), record["t"], level, text, ids)

    def lifecycle(self, record: Record) -> None:
        service = str(record.get("service"))
        line = self._line.get(service)
        if line is None or line.n != record.get("n"):
            return
        known = {k: record[k] for k in ("uid", "session", "conversation") if record.get(k) is not None}
        line.event, line.ids = str(record.get("event")), line.ids | known
        self._flush(service)

    def _flush(self, service: str) -> None:
        """What is known of a service's last line is all that will be known."""
        line = self._line.pop(service, None)
        if line is None:
            return
        if line.event is None or not line.ids:
            line.ids = self._roster.named(line.text) | line.ids
        owners = self._roster.owners(service, line.t, line.ids, line.event)
        doubt = None
        if not line.ids and (line.event is not None or line.is_error):
            owners, doubt = self._only(line), "no id: the only session of the run at that time"
        for life in owners:
            strand = self._strands.get(life.sid)
            if strand is not None:
                others = [other.sid for other in owners if other is not life]
                why = f"or of {', '.join(others[:4])}" if others else doubt
                self._remember(line, strand.logged(line, why))

    def _only(self, line: Line) -> list[Life]:
        life = self._roster.lives.get(self._around.only(line.t) or "")
        return [life] if life is not None and life.alive(line.t, GRACE_SECONDS) and life.may_own(line.service) else []

    def _remember(self, line: Line, entry: Entry) -> None:
        self._recent.setdefault((line.service, line.n), []).append(entry)
        if len(self._recent) > _RECENT:
            self._recent.popitem(last=False)

    def import_error(self, record: Record) -> None:
        service = str(record.get("service"))
        line = self._line.get(service)
        if line is not None and line.n == record.get("n"):
            line.ids = {k: record[k] for k in ("uid", "session") if record.get(k) is not None} | line.ids
            self._flush(service)
        for entry in self._recent.get((service, record.get("n")), ()):
            entry.what, entry.plural, entry.bad = "import error", "import errors", True


_KINDS = (
    "run",
    "session",
    "tape",
    "stream",
    "message",
    "sent",
    "conversation",
    "device",
    "log",
    "lifecycle",
    "import_error",
)
_HANDLERS = {kind: getattr(_Reader, kind) for kind in _KINDS}
