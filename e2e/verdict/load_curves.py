"""The run over time: load, sends, messages, errors and resources, as curves of a bounded number of points."""

from dataclasses import dataclass, field
from typing import Any, Self

from e2e.record.series import Series

Record = dict[str, Any]

MAX_SERVICES = 8
"""Services whose resources are kept."""

_LEVELS = {"open_sessions": "open", "planned": "planned", "active": "active"}
"""Fields of a `generator` record that are levels, and their names in the curves."""


@dataclass(slots=True)
class Use:
    """What a process used in a step. `cpu` sums shares of one core over `samples`, `rss_mb` is the most."""

    samples: int = 0
    cpu: float = 0.0
    rss_mb: float = 0.0

    def take(self, record: Record) -> None:
        self.samples += 1
        self.cpu += _number(record.get("cpu"))
        self.rss_mb = max(self.rss_mb, _number(record.get("rss_mb")))

    def merge(self, other: "Use") -> None:
        self.samples += other.samples
        self.cpu += other.cpu
        self.rss_mb = max(self.rss_mb, other.rss_mb)


@dataclass(slots=True)
class Step:
    """What happened in a step of time. `levels` hold the largest value; `seconds` are those that `chunks`, `late` and
    `messages` were counted over, which is not the step: samples are taken a little before or after its end."""

    levels: dict[str, float] = field(default_factory=dict)
    uses: dict[str, Use] = field(default_factory=dict)
    seconds: float = 0.0
    chunks: int = 0
    late: int = 0
    messages: int = 0
    failed: int = 0
    error_lines: int = 0
    import_errors: int = 0

    def level(self, name: str, value: Any) -> None:
        if isinstance(value, int | float):
            self.levels[name] = max(self.levels.get(name, value), value)

    def merge(self, other: Self) -> Self:
        for name, value in other.levels.items():
            self.level(name, value)
        for name, use in other.uses.items():
            self.uses.setdefault(name, Use()).merge(use)
        for name in ("seconds", "chunks", "late", "messages", "failed", "error_lines", "import_errors"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self


class LoadCurves:
    """Takes the records of a journal, in their order.

    Messages are counted from one sample of the generator to the next, so that a message costs no more than a count.
    """

    def __init__(self) -> None:
        self.steps: Series[Step] = Series(Step)
        self._messages = 0
        self._sampled = 0.0
        self._probes: set[str] = set()

    def take(self, record: Record) -> None:
        type = record["type"]
        if type == "message":
            if record.get("sid") not in self._probes:
                self._messages += 1
        elif handler := _HANDLERS.get(type):
            handler(self, record)

    def close(self, t: float) -> None:
        """Called once, at the end of the journal at `t`: what came after the last sample."""
        if self._messages:
            self._sample(t)

    def _sample(self, t: float) -> Step:
        step = self.steps.at(t)
        step.seconds += t - self._sampled
        step.messages += self._messages
        self._sampled, self._messages = t, 0
        return step

    def generator(self, record: Record) -> None:
        step = self._sample(record["t"])
        for key, name in _LEVELS.items():
            step.level(name, record.get(key))
        step.level("loop_lag_ms", record.get("loop_lag_ms"))
        step.uses.setdefault("generator", Use()).take(record)

    def sends(self, record: Record) -> None:
        step = self._sample(record["t"])
        step.level("streams", record.get("streams"))
        step.chunks += int(_number(record.get("n")))
        step.late += int(_number(record.get("late")))

    def resources(self, record: Record) -> None:
        step, name = self.steps.at(record["t"]), str(record.get("service"))
        if name in step.uses or len(step.uses) <= MAX_SERVICES:
            step.uses.setdefault(name, Use()).take(record)

    def session(self, record: Record) -> None:
        sid = str(record.get("sid"))
        if record.get("event") == "connecting" and record.get("probe"):
            self._probes.add(sid)
        elif record.get("event") == "failed" and sid not in self._probes:
            self.steps.at(record["t"]).failed += 1

    def error_line(self, record: Record) -> None:
        if not record.get("noise"):
            self.steps.at(record["t"]).error_lines += 1

    def import_error(self, record: Record) -> None:
        self.steps.at(record["t"]).import_errors += 1

    def to_dict(self) -> dict[str, Any]:
        """Columns. `t` is the beginning of each step of `step_s`, in seconds of the run; null where nothing is known.

        `open` sessions, `streams` that play, devices `planned` and `active`, `loop_lag_ms`: the most of each step.
        `chunks_per_s` and `messages_per_s`: over the seconds that they were counted in. `late_share`: chunks that left
        later than half their interval. `sessions_failed`, `error_lines`, `import_errors`: how many in each step.
        `cpu` (mean share of one core) and `rss_mb` (most): by process.
        """
        points = list(self.steps)
        steps = [step for _, step in points]
        names = sorted({name for step in steps for name in step.uses}, key=lambda n: (n == "generator", n))
        return {
            "step_s": self.steps.step,
            "t": [round(t, 3) for t, _ in points],
            **{n: [s.levels.get(n) for s in steps] for n in ("open", "streams", "planned", "active", "loop_lag_ms")},
            "chunks_per_s": [_rate(s.chunks, s.seconds, 1) for s in steps],
            "messages_per_s": [_rate(s.messages, s.seconds, 1) for s in steps],
            "late_share": [_rate(s.late, s.chunks, 5) for s in steps],
            "sessions_failed": [s.failed for s in steps],
            "error_lines": [s.error_lines for s in steps],
            "import_errors": [s.import_errors for s in steps],
            "cpu": {n: [_rate(u.cpu, u.samples, 4) if (u := s.uses.get(n)) else None for s in steps] for n in names},
            "rss_mb": {n: [round(u.rss_mb, 1) if (u := s.uses.get(n)) else None for s in steps] for n in names},
        }


def _rate(n: float, seconds: float, digits: int) -> float | None:
    return round(n / seconds, digits) if seconds else None


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) else 0.0


_KINDS = ("generator", "sends", "resources", "session", "error_line", "import_error")
_HANDLERS = {kind: getattr(LoadCurves, kind) for kind in _KINDS}
