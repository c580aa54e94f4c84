"""The runs of a directory in an embedded database, which holds nothing that their `run.json` do not hold too.

It is read anew from them wherever one has changed, and made anew where it is damaged or of another version.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from e2e.errors import JournalError
from e2e.record.journal import FILE_NAME

DATABASE = ".history.sqlite"
SCHEMA = 2

MAX_METRICS = 60
_MAX_CHARS = 200
_WHOLE = ("complete", "finished")
_BUSY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run as `run.json` sums it up. `problem` says why nothing is known of it; `p95` is in ms, by metric; `started`
    is the wall clock (ISO), `duration` seconds, `wer` a share. `regressions`: None where it was not compared. `load`,
    `pace` and `faults` (of the stand-in) are what it was run with, `ended` is how it ended.
    """

    name: str
    problem: str | None = None
    scenario: str | None = None
    target: str | None = None
    started: str | None = None
    verdict: str | None = None
    exit_code: int | None = None
    duration: float | None = None
    users: int | None = None
    load: str | None = None
    pace: str | None = None
    faults: str | None = None
    ended: str | None = None
    sessions: int | None = None
    ready: int | None = None
    chunks_planned: int | None = None
    chunks_sent: int | None = None
    chunks_left: int | None = None
    wer: float | None = None
    import_errors: int | None = None
    regressions: int | None = None
    p95: dict[str, float] = field(default_factory=dict)

    @property
    def cut(self) -> bool:
        """It did not come to its end."""
        return self.ended is not None and self.ended not in _WHOLE

    @property
    def chunks_lost(self) -> int | None:
        """What was neither sent nor left when the load ended; not known of a run that was cut."""
        if self.cut or self.chunks_planned is None or self.chunks_sent is None:
            return None
        return max(0, self.chunks_planned - self.chunks_sent - (self.chunks_left or 0))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


_COLUMNS = [f.name for f in fields(RunRow)]
_OF_SCENARIO = "WHERE ?1 IS NULL OR scenario = ?1 OR problem IS NOT NULL"


class History:
    """The runs below `root`. A context manager."""

    def __init__(self, root: Path, *, rebuild: bool = False) -> None:
        """Raises JournalError: there is no such directory."""
        if not root.is_dir():
            raise JournalError(f"no directory {root}: name one that holds runs, such as reports")
        self._root = root
        self._database = _opened(root / DATABASE, rebuild)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def refresh(self) -> None:
        """Read what has changed since the last time."""
        try:
            self._refresh()
        except sqlite3.OperationalError:
            # Somebody writes it, for longer than anybody waits.
            self._database.close()
            self._database = _connected(None)
            self._refresh()

    def _refresh(self) -> None:
        known = dict(self._database.execute("SELECT name, signature FROM runs"))
        found = {path.name: _signature(path) for path in _run_directories(self._root)}
        with self._database:
            self._database.executemany("DELETE FROM runs WHERE name = ?", [(n,) for n in known if n not in found])
            for name, signature in found.items():
                if known.get(name) != signature:
                    row = read_row(self._root / name)
                    values = [json.dumps(v) if isinstance(v, dict) else v for v in row.to_dict().values()]
                    marks = ", ".join("?" * (len(values) + 1))
                    self._database.execute(f"INSERT OR REPLACE INTO runs VALUES ({marks})", [*values, signature])

    def runs(self, scenario: str | None = None, limit: int | None = None) -> list[RunRow]:
        """The newest first. Of a run that could not be read the scenario is not known: it is always among them."""
        rows = self._database.execute(
            f"SELECT {', '.join(_COLUMNS)} FROM runs {_OF_SCENARIO} "
            "ORDER BY COALESCE(started, '') DESC, name DESC LIMIT ?2",
            (scenario, -1 if limit is None else limit),
        )
        return [RunRow(*row[:-1], p95=json.loads(row[-1])) for row in rows]

    def scenarios(self) -> list[str]:
        """Their names, of the runs that could be read."""
        rows = self._database.execute("SELECT DISTINCT scenario FROM runs WHERE scenario IS NOT NULL ORDER BY scenario")
        return [name for (name,) in rows]

    def count(self, scenario: str | None = None) -> int:
        return self._database.execute(f"SELECT COUNT(*) FROM runs {_OF_SCENARIO}", (scenario,)).fetchone()[0]


def _opened(path: Path, rebuild: bool) -> sqlite3.Connection:
    """The database; an empty one in place of one that is no use, and in memory where none can be written."""
    if rebuild:
        _remove(path)
    for _ in range(2):
        try:
            return _connected(path)
        except sqlite3.OperationalError:
            break  # not writable, or in use for longer than anybody waits
        except (sqlite3.DatabaseError, _OtherVersionError):
            _remove(path)
    return _connected(None)


class _OtherVersionError(Exception):
    """The database was written by another version."""


def _connected(path: Path | None) -> sqlite3.Connection:
    database = sqlite3.connect(path or ":memory:", timeout=_BUSY_SECONDS)
    try:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        tables = database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
        if version != SCHEMA and (version or tables):
            raise _OtherVersionError
        if not tables:
            with database:
                database.execute(f"CREATE TABLE runs ({', '.join(_COLUMNS)}, signature, PRIMARY KEY (name))")
                database.execute(f"PRAGMA user_version = {SCHEMA}")
        with closing(database.execute(f"SELECT {', '.join(_COLUMNS)}, signature FROM runs")) as rows:
            for _ in rows:
                pass
    except BaseException:
        database.close()
        raise
    return database


def _remove(path: Path) -> None:
    for name in (path, path.with_name(f"{path.name}-journal")):
        try:
            name.unlink(missing_ok=True)
        except OSError:
            continue


def _run_directories(root: Path) -> Iterator[Path]:
    for path in sorted(root.iterdir()):
        if not path.is_symlink() and _may_be_run(path):
            yield path


def _may_be_run(path: Path) -> bool:
    try:
        return (path / FILE_NAME).is_file() or (path / "run.json").is_file()
    except OSError:
        return True  # nobody may look into it, which is then said of it


def _signature(path: Path) -> str:
    """Differs when there is something new to be read."""
    try:
        state = (path / "run.json").stat()
    except OSError:
        return "none"
    return f"{state.st_mtime_ns} {state.st_size}"


def read_row(path: Path) -> RunRow:
    """What `run.json` of a run directory says; what is wrong with it is the row's `problem`."""
    name = path.name.encode(errors="backslashreplace").decode()
    try:
        summary = json.loads((path / "run.json").read_bytes())
    except FileNotFoundError:
        return RunRow(name, "no run.json: it still runs, or was killed; `e2e report` makes it from the journal")
    except (OSError, ValueError, RecursionError) as error:
        return RunRow(name, f"run.json cannot be read: {error}"[:_MAX_CHARS])
    if not isinstance(summary, dict) or not isinstance(summary.get("verdict"), str):
        return RunRow(name, "run.json is none of a run")
    counters, options = _dict(summary.get("counters")), _dict(summary.get("options"))
    load, faults = _dict(options.get("load")), _dict(summary.get("target_details")).get("faults")
    latencies, comparison = _dict(summary.get("latency_ms")), _dict(summary.get("comparison"))
    p95 = {str(m)[:_MAX_CHARS]: _number(_dict(h).get("p95")) for m, h in list(latencies.items())[:MAX_METRICS]}
    areas = comparison.get("areas") if isinstance(comparison.get("areas"), list) else []
    return RunRow(
        name,
        **{key: _text(summary.get(key)) for key in ("scenario", "target", "started", "verdict", "pace", "ended")},
        exit_code=_whole(summary.get("exit_code")),
        duration=_number(summary.get("duration")),
        users=_whole(options.get("users")),
        load=_text(load.get("text")),
        faults=_text(", ".join(sorted(map(str, faults)))) if isinstance(faults, list) and faults else None,
        sessions=_whole(counters.get("sessions")),
        ready=_whole(counters.get("sessions_ready")),
        chunks_planned=_whole(counters.get("chunks_planned")),
        chunks_sent=_whole(counters.get("chunks_sent")),
        chunks_left=_whole(counters.get("chunks_left_by_load")),
        wer=_number(_dict(summary.get("transcript")).get("wer")),
        import_errors=_whole(_dict(summary.get("imports")).get("lines")),
        regressions=sum(_whole(_dict(a).get("worse")) or 0 for a in areas) if comparison else None,
        p95={metric: value for metric, value in p95.items() if value is not None},
    )


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return None if value is None else str(value).encode(errors="backslashreplace").decode()[:_MAX_CHARS]


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and abs(value) < 1e15 else None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return None if number is None else int(number)
