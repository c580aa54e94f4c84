"""Which latencies moved beyond noise between two runs, and whether speech was understood less well."""

from dataclasses import asdict, dataclass, replace
from statistics import median, quantiles
from typing import Any

from e2e.verdict.change import BETTER, OTHER, WORSE, Area, Change
from e2e.verdict.expect import SMALLEST_MS, SMALLEST_SHARE
from e2e.verdict.metrics import METRICS
from e2e.verdict.ranks import holm, rank_sum, shift, tail
from e2e.verdict.samples import STRETCH_SECONDS

ALPHA = 0.01
"""Share of comparisons of equal runs in which anything at all is called moved."""

MIN_BLOCKS = 8
"""Blocks of each run below which nothing is said: seven against seven could not be significant among many metrics."""

TAIL_SAMPLES = 20
"""Samples of a block from which its 95th percentile is not simply its largest."""

TAIL_BLOCKS = 40
"""Blocks of each run from which, where they are shorter than that, it is asked whether only the slowest moved."""

SMALLEST_WER = 1.0
"""Percentage points by which the word error rate has to differ to be of interest."""

WORDS = "word_error_rate"

_VALUES = ("before", "after", "spread", "shift")

_NOT_COMPARED = frozenset({"heartbeat_offset", "send_lateness"})
"""The same as `heartbeat`; the generator's own."""


@dataclass(frozen=True, slots=True)
class Smallest:
    """A latency that moved by less than so many ms is of no interest, nor by less than this share of what it was, or of
    how wide the middle half of the blocks lay, where that is more."""

    share: float = SMALLEST_SHARE
    ms: float = SMALLEST_MS


def how_it_is_tested(smallest: Smallest) -> str:
    return (
        f"Samples of one session are alike, so blocks are compared: sessions, or stretches of {STRETCH_SECONDS:g} s "
        "where a run has few. A latency moved where the medians of the blocks (or their 95th percentiles, of blocks "
        f"with {TAIL_SAMPLES} samples) differ by the rank-sum test of Mann and Whitney (of {TAIL_BLOCKS} shorter ones "
        "also the slowest tenth, by the quantile test), two-sided, corrected by Holm "
        f"over all that is tested, at {ALPHA:.0%}; and the shift (Hodges-Lehmann) is at least {smallest.ms:g} ms, and "
        f"{100 * smallest.share:.3g} % of the median before or of the width of their middle half, whichever is more. "
        f"Of equal runs, at most {ALPHA:.0%} show a move. Below {MIN_BLOCKS} blocks of each run nothing is said."
    )


@dataclass(slots=True)
class Move:
    """One statistic of one metric. `unit` is `session`, `stretch` (of time) or `utterance`. Values are ms, of the word
    error rate percent; `before` and `after` are medians of the blocks, `spread` is how wide the middle half of those
    before lies, `p` is the adjusted p-value. `says` is `slower`, `quicker`, `same`, `small` (certain, and smaller than
    what matters) or `few` (too few blocks; `before` and `after` are then those of all samples, and claim nothing).
    """

    metric: str
    statistic: str
    unit: str
    blocks: tuple[int, int]
    before: float | None
    after: float | None
    spread: float = 0.0
    shift: float | None = None
    p: float | None = None
    says: str = "few"

    def to_dict(self) -> dict[str, Any]:
        rounded = {n: v if (v := getattr(self, n)) is None else round(v, 3) for n in _VALUES}
        return {**asdict(self), **rounded, "p": None if self.p is None else float(f"{self.p:.3g}")}


def compare_samples(before: dict[str, Any], after: dict[str, Any], smallest: Smallest = Smallest()) -> list[Move]:
    """Each metric that both runs have; the entries are those of `Digest.samples`."""
    moves, tests = [], []
    for metric in (*METRICS, WORDS):
        if metric in _NOT_COMPARED or metric not in before or metric not in after:
            continue
        unit, old, new = _blocks(before[metric], after[metric])
        if metric == WORDS and unit == "stretch":
            unit = "utterance"
        blocks = len(old), len(new)
        if not unit:
            whole = before[metric].get("p50"), after[metric].get("p50")
            moves.append(Move(metric, "p50", "session", blocks, *whole))
            continue
        long = all(median(row[2] for row in rows) >= TAIL_SAMPLES for rows in (old, new))
        for column, statistic in enumerate(("p50", "p95") if long else ("p50",)):
            a, b = [row[column] for row in old], [row[column] for row in new]
            low, _, high = quantiles(a)
            move = Move(metric, statistic, unit, blocks, median(a), median(b), high - low, shift(a, b))
            if metric == WORDS:
                # Most utterances are understood as well as before: the rates differ, not the middle.
                move.before, move.after = before[metric].get("rate"), after[metric].get("rate")
                move.shift = (move.after or 0.0) - (move.before or 0.0)
            moves.append(move)
            tests.append((move, rank_sum(a, b)))
        if not long and metric != WORDS and min(blocks) >= TAIL_BLOCKS:
            moves.append(_slowest(moves[-1], [row[0] for row in old], [row[0] for row in new]))
            tests.append((moves[-1], tail([row[0] for row in old], [row[0] for row in new])))
    for (move, _), p in zip(tests, holm([p for _, p in tests]), strict=True):
        move.p = p
        move.says = _said(move, p, smallest)
    return moves


def _slowest(middle: Move, old: list[float], new: list[float]) -> Move:
    """The 95th percentile of the blocks, where each is too short to have one of its own."""
    low, high = (sorted(side)[-(-95 * len(side) // 100) - 1] for side in (old, new))
    return replace(middle, statistic="p95", before=low, after=high, shift=high - low)


def _blocks(before: dict[str, Any], after: dict[str, Any]) -> tuple[str, list[list[float]], list[list[float]]]:
    """What is compared: sessions where both have enough of them, else stretches; no unit: neither has."""
    for unit, name in (("sessions", "session"), ("stretches", "stretch")):
        old, new = before.get(unit) or [], after.get(unit) or []
        if min(len(old), len(new)) >= MIN_BLOCKS:
            return name, old, new
    return "", before.get("sessions") or [], after.get("sessions") or []


def _said(move: Move, p: float, smallest: Smallest) -> str:
    if p > ALPHA or move.shift is None:
        return "same"
    size = abs(move.shift)
    if move.metric == WORDS:
        matters = size >= SMALLEST_WER
    else:
        # A median near zero (segments may be seen before their end) would make every share of it large.
        matters = size >= smallest.ms and size >= smallest.share * max(abs(move.before or 0.0), move.spread)
    return ("slower" if move.shift > 0 else "quicker") if matters else "small"


def moved(moves: list[Move], *, words: bool) -> Area:
    """The area of the latencies, or (`words`) that of the word error rate."""
    area = Area("words", "Word error rate") if words else Area("latencies", "Latencies")
    mine = [m for m in moves if (m.metric == WORDS) is words]
    decided = {m.metric for m in mine if m.says != "few"}
    for move in mine:
        if move.says in ("slower", "quicker"):
            area.add(Change(WORSE if move.says == "slower" else BETTER, *_told(move)))
        elif move.says == "small":
            area.add(Change(OTHER, _told(move)[0], f"certain, and smaller than what matters: {_told(move)[1]}"))
    changed = {m.metric for m in mine if m.says in ("slower", "quicker", "small")}
    area.same = len(decided - changed)
    area.compared = ", ".join(m for m in (*METRICS, WORDS) if m in decided - changed)
    few = [m for m in mine if m.says == "few"]
    if few and decided:
        area.unknown.append(f"too few sessions (each run needs {MIN_BLOCKS}): {', '.join(m.metric for m in few)}")
    elif few:
        area.unknown.append(f"too few sessions: {max(min(m.blocks) for m in few)} of {MIN_BLOCKS}")
    if not mine:
        area.unknown.append("not measured in both runs")
    return area


def _told(move: Move) -> tuple[str, str]:
    """`ready p50 slower`, `40.1 ms → 243 ms, shift +203 ms (8 and 8 sessions, p = 0.0003)`"""
    units = {"stretch": f"stretches of {STRETCH_SECONDS:g} s"}.get(move.unit, f"{move.unit}s")
    word = move.says if move.metric != WORDS else {"slower": "higher", "quicker": "lower"}.get(move.says, move.says)
    numbers = f"{amount(move.metric, move.before)} → {amount(move.metric, move.after)}"
    by = f"shift {'+' if (move.shift or 0) > 0 else ''}{amount(move.metric, move.shift)}"
    sure = f"{move.blocks[0]} and {move.blocks[1]} {units}, p = {move.p:.2g}"
    return f"{move.metric} {move.statistic} {word}".replace(f"{WORDS} p50", WORDS), f"{numbers}, {by} ({sure})"


def amount(metric: str, value: float | None) -> str:
    if value is None:
        return "unknown"
    number = round(value, 1) + 0.0  # no -0.0
    if metric == WORDS:
        return f"{number:.1f} %"
    return f"{number:.1f} ms" if abs(number) < 100 else f"{number:.0f} ms"
