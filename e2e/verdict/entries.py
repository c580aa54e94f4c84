"""The entries of one timeline as they come, with what repeats folded, so that hours take no more than minutes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

CLIENT, SERVER = "client", "server"

MAX_ENTRIES = 120
"""Of one timeline; of more, the middle is left out."""

MAX_DETAIL = 300

_KINDS = 300
_FOLDS = 3_000
_ALONE, _ALONE_ROUTINE = 3, 1


@dataclass(slots=True, eq=False)
class Entry:
    """Something that happened at `t`, or `count` things of one kind from `t` to `until`.

    `plural` is how several of them are called. `doubt` says why it may be another session's. `lags` are the least and
    most seconds by which transcripts came after the audio that they tell of.
    """

    t: float
    where: str
    what: str
    detail: str = ""
    bad: bool = False
    doubt: str | None = None
    plural: str = ""
    count: int = 1
    until: float = 0.0
    lags: list[float] = field(default_factory=list)

    def more(self, t: float, detail: str, lags: list[float]) -> None:
        self.count += 1
        self.t, self.until = min(self.t, t), max(self.until, self.t, t)
        self.detail = detail or self.detail
        self.lags = spread([*self.lags, *lags])

    def to_dict(self, before: float | None) -> dict[str, Any]:
        """For `run.json`; `before` is the `t` of the entry before."""
        what, detail = self.what, self.detail
        if self.count > 1:
            what = f"{self.count} {self.plural or self.what + ' lines'} in {self.until - self.t:.1f} s"
            detail = f"the last: {detail}" if detail else ""
        if self.lags:
            low, high = self.lags[0], self.lags[-1]
            lag = f"{low:.2f} s" if high - low < 0.005 else f"{low:.2f} to {high:.2f} s"
            detail = f"{lag} after their audio; {detail}" if self.count > 1 else f"{lag} after its audio; {detail}"
        out: dict[str, Any] = {
            "t": round(self.t, 6),
            "since_ms": None if before is None else round((self.t - before) * 1000, 3),
            "where": self.where,
            "what": what,
            "detail": cut(detail),
        }
        if self.count > 1:
            out |= {"count": self.count, "until": round(self.until, 6)}
        if self.bad:
            out["bad"] = True
        if self.doubt:
            out["ambiguous"] = self.doubt
        return out


class Entries:
    """Takes what happened to one session. The first of a kind stand alone, the others are folded by part of the stream.

    A stream of audio is cut into parts (`part`, of an instant); what comes as a beat is folded over the whole of it.
    """

    def __init__(self) -> None:
        self.alone: list[Entry] = []
        self.left_out = 0
        self.part: Callable[[float], int] = lambda t: 0
        self._era = 0
        self._seen: dict[tuple[str, str], int] = {}
        self._folds: dict[tuple, Entry] = {}

    def next_era(self) -> None:
        """What comes from now on is not folded together with what came before."""
        self._era += 1

    def mark(self, t: float, where: str, what: str, detail: str = "", *, bad: bool = False) -> Entry:
        """Something that comes a few times in a life at most: never folded."""
        entry = Entry(t, where, what, cut(detail), bad)
        self.alone.append(entry)
        return entry

    def add(self, entry: Entry, *, kind: str = "", routine: bool = False, beat: bool = False) -> Entry:
        """Something that may come any number of times, told apart by `kind` (default: `what`).

        `routine`: expected to repeat. `beat`: so regular that one line for a whole stream says it. Returns the entry
        that it went into.
        """
        entry.detail, entry.until = cut(entry.detail), entry.t
        key = (entry.where, kind or entry.what)
        if key not in self._seen and len(self._seen) >= _KINDS:
            key = (entry.where, "(other)")
        self._seen[key] = self._seen.get(key, 0) + 1
        if self._seen[key] <= (_ALONE_ROUTINE if routine or beat else _ALONE):
            self.alone.append(entry)
            return entry
        fold = (*key, self._era, 0 if beat else self.part(entry.t), entry.doubt)
        known = self._folds.get(fold)
        if known is not None:
            known.more(entry.t, entry.detail, entry.lags)
            known.bad |= entry.bad
            return known
        if len(self._folds) >= _FOLDS:
            self.left_out += 1
        else:
            self._folds[fold] = entry
        return entry

    def ordered(self) -> list[dict[str, Any]]:
        entries = sorted([*self.alone, *self._folds.values()], key=lambda e: e.t)
        gap = len(entries) - MAX_ENTRIES
        shown = entries if gap <= 0 else [*entries[: MAX_ENTRIES // 2], *entries[-MAX_ENTRIES // 2 :]]
        self.left_out += max(0, gap)
        return [e.to_dict(shown[n - 1].t if n else None) for n, e in enumerate(shown)]


def cut(text: str) -> str:
    return text if len(text) <= MAX_DETAIL else f"{text[: MAX_DETAIL - 1]}…"


def spread(values: list[float]) -> list[float]:
    """The least and the most of them."""
    return [min(values), max(values)] if values else []
