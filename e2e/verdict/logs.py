"""The log lines that a report quotes, and the errors in them, grouped so that a line a second stays one entry."""

from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any

from e2e.verdict.bounded import Bounded

_RECENT = 256
_SAME = 40
_GROUPS = 100

PROBE, AUDIT = "probe", "audit"
"""The sources of what the import probe saw, and of what the static audit found."""


@dataclass(slots=True)
class LogLine:
    t: float
    service: str
    n: int
    level: str
    text: str
    mark: str | None = None


@dataclass(slots=True)
class ImportProblem:
    """One import that failed, however often the log repeats it. `phase` is where it was first seen.

    What only the audit found has no phase, and is of every service that runs from the tree: `backend, pusher`.
    """

    service: str
    kind: str
    module: str | None
    name: str | None
    file: str | None
    line: int | None
    phase: str | None
    source: str
    evidence: list[str]
    t: float
    count: int = 1

    @property
    def title(self) -> str:
        """`ImportError: Geolocation from models.geolocation (backend, routers/x.py:12, stream)`."""
        what = f"{self.name} from {self.module}" if self.name and self.module else self.module or self.name or "unnamed"
        place = f"{self.file}:{self.line}" if self.file and self.line else self.file
        return f"{self.kind}: {what} ({', '.join(p for p in (self.service, place, self.phase) if p)})"


@dataclass(slots=True)
class ImportProblems:
    """Import errors by what failed and where; `total` counts every line, and every failure that no line tells.

    What several sources saw is one problem: with the log's evidence if it has any, and all of them as its source.
    """

    groups: dict[tuple, ImportProblem] = field(default_factory=dict)
    total: int = 0
    ungrouped: int = 0

    def fold(self, record: dict[str, Any]) -> None:
        self.total += 1
        known = self._seen_by(record, (PROBE,))
        if known is not None:
            self.total -= known.count
            known.source, known.count = f"{record.get('source') or 'log'}, {PROBE}", 1
            known.evidence, known.kind = _evidence(record), record.get("kind") or known.kind
            return
        key = _key(record)
        if key in self.groups:
            self.groups[key].count += 1
        elif len(self.groups) >= _GROUPS:
            self.ungrouped += 1
        else:
            self.groups[key] = _problem(record, record.get("source") or "log", _evidence(record))

    def fold_probed(self, record: dict[str, Any]) -> None:
        """A failure that the import probe saw: an error by its rule."""
        known = self._seen_by(record)
        if known is not None:
            if PROBE not in known.source:
                known.source = f"{known.source}, {PROBE}"
                if known.line is None:
                    known.file, known.line = record.get("file"), record.get("line")
            elif known.source == PROBE:
                known.count += record.get("count") or 1
                self.total += record.get("count") or 1
        elif len(self.groups) >= _GROUPS:
            self.ungrouped += 1
        else:
            where = f"{record.get('file')}:{record.get('line')}"
            said = f"{where}: {record.get('kind')}: {record.get('reason')} [{record.get('rule')}]"
            problem = _problem(record, PROBE, [said])
            problem.count = record.get("count") or 1
            self.total += problem.count
            self.groups[PROBE, *_key(record)] = problem

    def join_audit(self, services: list[str], findings: list[dict[str, Any]]) -> None:
        """What the audit found in a tree from which these services run; last of all, when the rest is known."""
        for finding in findings:
            seen = [p for p in self.groups.values() if p.service in services and _same_statement(p, finding)]
            for problem in seen:
                problem.source = f"{problem.source}, {AUDIT}"
            if seen:
                continue
            self.total += 1
            if len(self.groups) >= _GROUPS:
                self.ungrouped += 1
                continue
            record = {"phase": None, **finding, "service": ", ".join(services)}
            said = f"{finding.get('file')}:{finding.get('line')}: {finding.get('code')} {finding.get('message')}"
            self.groups[AUDIT, *_key(record)] = _problem(record, AUDIT, [said])

    def of(self, service: str) -> list[ImportProblem]:
        return [problem for problem in self if service in problem.service.split(", ")]

    def _seen_by(self, record: dict[str, Any], sources: tuple[str, ...] = ()) -> ImportProblem | None:
        """What is known of the same failure, from one of these sources."""
        what = tuple(record.get(k) for k in ("service", "module", "name"))
        if what[1] is None:
            return None
        for problem in self.groups.values():
            same = (problem.service, problem.module, problem.name) == what
            if same and (not sources or problem.source in sources) and _same_place(problem, record):
                return problem
        return None

    def __iter__(self):
        return iter(self.groups.values())


@dataclass(slots=True)
class ErrorGroup:
    """Error lines of one service with one fingerprint. `example` is the first of them."""

    service: str
    fingerprint: str
    level: str
    pattern: str
    example: str
    exception: str | None
    t: float
    count: int = 1


class ErrorLines:
    """The ERROR and CRITICAL lines that are no import errors: the first ones, and all counted by fingerprint.

    `noise` counts those that clean sessions have too, `ungrouped` those of fingerprints that came when it was full.
    """

    def __init__(self) -> None:
        self.first: Bounded[dict[str, Any]] = Bounded(50)
        self.noise = 0
        self.ungrouped = 0
        self._groups: dict[tuple[str, str], ErrorGroup] = {}

    def fold(self, record: dict[str, Any]) -> None:
        if record.get("noise"):
            self.noise += 1
            return
        self.first.add(record)
        service, text = str(record.get("service") or "?"), str(record.get("text") or "")
        key = service, str(record.get("fingerprint") or text)
        if key in self._groups:
            self._groups[key].count += 1
        elif len(self._groups) >= _GROUPS:
            self.ungrouped += 1
        else:
            level, pattern = str(record.get("level") or ""), str(record.get("pattern") or text)
            self._groups[key] = ErrorGroup(*key, level, pattern, text, record.get("exception"), record["t"])

    @property
    def groups(self) -> list[ErrorGroup]:
        """The most frequent first; of equals the earliest."""
        return sorted(self._groups.values(), key=lambda group: (-group.count, group.t))


def _key(record: dict[str, Any]) -> tuple:
    return tuple(record.get(k) for k in ("service", "kind", "module", "name", "file", "line"))


def _evidence(record: dict[str, Any]) -> list[str]:
    return [str(line) for line in record.get("evidence") or ()][-12:]


def _problem(record: dict[str, Any], source: str, evidence: list[str]) -> ImportProblem:
    return ImportProblem(
        service=record.get("service") or "?",
        kind=record.get("kind") or "ImportError",
        module=record.get("module"),
        name=record.get("name"),
        file=record.get("file"),
        line=record.get("line"),
        phase=record.get("phase"),
        source=source,
        evidence=evidence,
        t=record["t"],
    )


def _same_place(problem: ImportProblem, record: dict[str, Any]) -> bool:
    """Whether both may be of the same statement.

    A log names the importing file by its whole path, or only the file that lacks the name, which has no line.
    """
    ours, theirs = (problem.file, problem.line), (record.get("file"), record.get("line"))
    if None in ours or None in theirs:
        return True
    short, long = sorted((str(ours[0]), str(theirs[0])), key=len)
    return ours[1] == theirs[1] and (long == short or long.endswith(f"/{short}"))


def _same_statement(problem: ImportProblem, finding: dict[str, Any]) -> bool:
    """Whether what ran and failed is what the audit found. Of `import a.gone.x`, Python names `a.gone`."""
    ours, theirs = problem.module, finding.get("module")
    if not ours or not theirs or (problem.name or None) != (finding.get("name") or None):
        return False
    return (ours == theirs or theirs.startswith(f"{ours}.")) and _same_place(problem, finding)


class Excerpt:
    """Lines worth quoting: those that the catalogue knows, and the first and last others while sessions streamed.

    A life-cycle record names its line by number; the line itself may come just before it or just after.
    """

    def __init__(self) -> None:
        self.marked: Bounded[LogLine] = Bounded(400)
        self.others: Bounded[LogLine] = Bounded(60)
        self.probe: Bounded[LogLine] = Bounded(12)
        self.last: deque[LogLine] = deque(maxlen=60)
        self.in_window = 0
        self.streaming_since: float | None = None
        self.closed = False
        self._marks: Counter[str] = Counter()
        self._recent: OrderedDict[tuple[str, int], LogLine] = OrderedDict()
        self._awaited: OrderedDict[tuple[str, int], str] = OrderedDict()

    def line(self, line: LogLine, *, probing: bool) -> None:
        key = (line.service, line.n)
        _remember(self._recent, key, line)
        if probing:
            self.probe.add(line)
        if not self.closed:
            self.last.append(line)
        if not self.closed and self.streaming_since is not None:
            self.in_window += 1
            self.others.add(line)
        if key in self._awaited:
            self.mark(*key, self._awaited.pop(key))

    def mark(self, service: str, n: int | None, mark: str) -> str | None:
        """Name what a line says; returns its text when it has already been read."""
        if n is None:
            return None
        line = self._recent.get((service, n))
        if line is None:
            _remember(self._awaited, (service, n), mark)
            return None
        if line.mark is None:
            line.mark = mark
            self._marks[mark] += 1
            if self._marks[mark] <= _SAME:
                self.marked.add(line)
        return line.text

    def close(self) -> None:
        """The services are being stopped: what they log from now on is not of the sessions."""
        self.closed = self.streaming_since is not None

    def quote(self, limit: int) -> tuple[list[LogLine], int]:
        """At most `limit` lines in order of time, and how many lines of the streaming time are not among them."""
        since = self.streaming_since
        if since is None:
            lines = list(self.last)[-limit:]
            return lines, 0
        # The first of every kind, then the second, ...: a line that comes once must not drown in one that repeats.
        rank: Counter[str | None] = Counter()
        marked = []
        for line in self.marked:
            if line.t >= since or line.mark == "import_error":
                rank[line.mark] += 1
                marked.append((rank[line.mark], line))
        marked.sort(key=lambda pair: pair[0])
        chosen = {(x.service, x.n): x for _, x in marked[:limit]}
        for line in (*self.others, *self.last):
            if len(chosen) >= limit:
                break
            if line.t >= since:
                chosen.setdefault((line.service, line.n), line)
        lines = sorted(chosen.values(), key=lambda x: (x.t, x.service, x.n))
        return lines, max(0, self.in_window - sum(x.t >= since for x in lines))


def _remember(store: OrderedDict, key: tuple[str, int], value: Any) -> None:
    store[key] = value
    if len(store) > _RECENT:
        store.popitem(last=False)
