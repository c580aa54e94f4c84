"""The comparison: cost at a comfortable load in interleaved batches, then the largest load that stays on time."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.contestants import CONTESTANTS, Contestant
from benchmarks.trial import Bench, Lengths, Trial

FEW_STREAMS = 20
"""Load of the first trial of each client; the memory of a stream is the slope from here to the comfortable load."""

NOISY = 0.03
"""Share of the core that went to others above which a missed limit is tried once more."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done: with whom, at which loads, how often, and until which instant limits are searched.

    `loads`, `few` and `most` (what the limit of open files allows) are numbers of streams, `search_until` is of the
    monotonic clock (None: no search).
    """

    names: Sequence[str]
    loads: Mapping[str, int]
    batches: int
    most: int = 60_000
    few: int = FEW_STREAMS
    few_lengths: Lengths = Lengths(2.0, 3.0)  # noqa: RUF009 - immutable
    search_lengths: Lengths = Lengths(5.0, 8.0)  # noqa: RUF009 - immutable
    search_until: float | None = None


@dataclass(slots=True)
class Comparison:
    """All trials: `few` of each client, `batches` of interleaved trials, and those of the search."""

    few: dict[str, Trial] = field(default_factory=dict)
    batches: list[dict[str, Trial]] = field(default_factory=list)
    searches: dict[str, list[Trial]] = field(default_factory=dict)

    def summary(self, name: str) -> dict[str, Any]:
        """The figures of a client: medians over its batches, and the largest number of streams that was on time."""
        trials = [batch[name] for batch in self.batches]
        jitters = [trial.jitter_ms for trial in trials if trial.jitter_ms is not None]
        return {
            "us_per_chunk": median([trial.us_per_chunk for trial in trials]),
            "streams_on_time": self.on_time(name),
            "kib_per_stream": median([self._kib_per_stream(trial) for trial in trials]),
            "jitter_ms": {key: median([jitter[key] for jitter in jitters]) for key in ("p50", "p99", "max")},
            "second_p99_ms": median([trial.second_p99_ms for trial in trials]),
            "streams": trials[0].streams if trials else None,
            "lost": sum(trial.lost for trial in trials),
            "cpu": median([trial.cpu for trial in trials]),
        }

    def on_time(self, name: str) -> int:
        """The largest number of streams that any trial saw on time."""
        return max((trial.streams for trial in self.trials() if trial.contestant == name and trial.on_time), default=0)

    def trials(self) -> list[Trial]:
        """All of them."""
        groups = [self.few.values(), *(batch.values() for batch in self.batches), *self.searches.values()]
        return [trial for group in groups for trial in group]

    def _kib_per_stream(self, trial: Trial) -> float | None:
        few = self.few[trial.contestant]
        if trial.kib is None or few.kib is None or trial.streams == few.streams:
            return None
        return round((trial.kib - few.kib) / (trial.streams - few.streams), 3)

    def raw(self) -> dict[str, Any]:
        return {
            "few": {name: trial.to_dict() for name, trial in self.few.items()},
            "batches": [{name: trial.to_dict() for name, trial in batch.items()} for batch in self.batches],
            "searches": {name: [trial.to_dict() for trial in trials] for name, trials in self.searches.items()},
        }


def median(values: Sequence[float | None]) -> float | None:
    """Median of the values that there are."""
    known = [value for value in values if value is not None]
    return round(statistics.median(known), 3) if known else None


def compare(bench: Bench, plan: Plan, say: Say) -> Comparison:
    """Run the plan, and tell of every trial."""
    comparison = Comparison()
    contestants = [CONTESTANTS[name] for name in plan.names]
    for contestant in contestants:
        trial = comparison.few[contestant.name] = bench.trial(contestant, plan.few, plan.few_lengths)
        say(line("few", trial))
    for number in range(plan.batches):
        batch: dict[str, Trial] = {}
        for contestant in contestants:
            batch[contestant.name] = bench.trial(contestant, plan.loads[contestant.name])
            say(line(f"batch {number + 1}", batch[contestant.name]))
        comparison.batches.append(batch)
    if plan.search_until is not None:
        # Each gets an equal part of what time is left; what one does not need is for those behind it.
        for n, contestant in enumerate(contestants):
            now = time.monotonic()
            until = now + max(0.0, plan.search_until - now) / (len(contestants) - n)
            comparison.searches[contestant.name] = search(bench, contestant, comparison, plan, until, say)
    return comparison


def search(
    bench: Bench, contestant: Contestant, comparison: Comparison, plan: Plan, until: float, say: Say
) -> list[Trial]:
    """Bisect the ladder of a client between the load that is known to be on time and its top, until time is up."""
    known = comparison.on_time(contestant.name)
    rungs = [known, *(rung for rung in contestant.ladder if known < rung <= plan.most)]
    low, high, trials = 0, len(rungs), []
    lengths = plan.search_lengths
    again = False
    while high - low > 1:
        middle = (low + high) // 2
        if time.monotonic() + lengths.chunks(contestant.ramp(rungs[middle])) / 10 > until:
            break
        trial = bench.trial(contestant, rungs[middle], lengths, hurry=True)
        trials.append(trial)
        say(line("search", trial))
        if trial.on_time:
            low = middle
        elif not again and noisy(trial):
            again = True
            continue
        else:
            high = middle
        again = False
    return trials


def noisy(trial: Trial) -> bool:
    """Whether others had so much of the core that a late chunk may be theirs."""
    return trial.strangers > 0 or (trial.noise is not None and sum(trial.noise.values()) > NOISY)


def line(stage: str, trial: Trial) -> str:
    """A trial in one line."""
    where = f"{stage:8} {trial.contestant:16} {trial.streams:5} streams: "
    lost = f", {trial.lost} chunks lost" if trial.lost else ""
    lost += f", {trial.strangers} streams of somebody else" if trial.strangers else ""
    if trial.jitter_ms is None or trial.noise is None:
        said = f"; it said: {trial.said.splitlines()[-1]}" if trial.said else ""
        return f"{where}never ran all at once{lost}{said}"
    sent, received = trial.messages["sent"], trial.messages["received"]
    missed = f", {received} of {sent} messages received" if received is not None and received != sent else ""
    return (
        f"{where}{trial.us_per_chunk:6.1f} us/chunk, core {trial.cpu:4.0%}, sink {trial.sink_cpu:4.0%}, jitter p50 "
        f"{trial.jitter_ms['p50']:.1f} p99 {trial.jitter_ms['p99']:.1f} max {trial.jitter_ms['max']:.0f} ms (p99 by "
        f"second {trial.second_p99_ms:.1f}), others {sum(trial.noise.values()):.1%}{lost}{missed}"
    )
