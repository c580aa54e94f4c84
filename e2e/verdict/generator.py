"""Whether the generator was on time: if it did not, no number of the run means anything."""

from dataclasses import dataclass, field

from e2e.verdict.facts import Facts
from e2e.verdict.metrics import REALTIME
from e2e.verdict.tally import MAX_LATE_SHARE, SATURATED

SATURATED_SECONDS = 3

FOREIGN = {"steal": (0.1, "other machines"), "foreign": (0.2, "other programs")}
"""Shares of the machine's processor time in one second from which a late generator is put down to whoever used it."""


@dataclass(slots=True)
class GeneratorHealth:
    """`valid` is None where nothing was sent in real time. `reasons` say why it is invalid, `resources` what was short.

    `streams_ok`: the largest number of streams in a second in which the generator was on time.
    """

    valid: bool | None
    reasons: list[str] = field(default_factory=list)
    resources: list[str] = field(default_factory=list)
    late_share: float | None = None
    streams_ok: int | None = None

    def words(self) -> str:
        """What was short, why that is known, and what would have been possible."""
        short = " and ".join(self.resources) or "what was short was not seen"
        fine = "none seen" if self.streams_ok is None else f"up to {self.streams_ok}"
        return f"{short}: {'; '.join(self.reasons)}; streams on time: {fine}"


def judge_generator(facts: Facts) -> GeneratorHealth:
    """Invalid: more than 1 % of chunks later than half a chunk, or the event loop stalled for longer than a chunk, or
    its core was full (95 %) in at least three seconds, after the first, with more than 1 % of the second's chunks late.

    A chunk counts with the time of its audio. Only real time is judged: at any other pace no latency is claimed, and a
    stream then waits for a service that hears less quickly, which is no fault of the generator.
    """
    paced = [s for s in facts.stream if s.plays and s.pace == REALTIME]
    generator = facts.generator
    if (not paced and not facts.folded) or not (generator.sent or generator.samples):
        return GeneratorHealth(None)
    chunk = min((s.chunk_ms for s in paced), default=100.0)
    late = generator.late / generator.sent if generator.sent else 0.0
    reasons, resources = [], []
    if late > MAX_LATE_SHARE:
        reasons.append(f"{late:.1%} of the chunks were sent more than half their interval late")
    if generator.lag.max is not None and generator.lag.max > chunk:
        reasons.append(f"the event loop stalled for {generator.lag.max:.0f} ms, longer than a chunk of {chunk:.0f} ms")
        resources.append("event loop stalled")
    if generator.saturated >= SATURATED_SECONDS:
        reasons.append(f"its core was over {SATURATED:.0%} full in {generator.saturated} seconds with late chunks")
        resources.append("core saturated")
    for name, (share, who) in FOREIGN.items():
        most = generator.most.get(name, 0.0)
        if reasons and most >= share:
            resources.append(f"{who} used up to {most:.0%} of the processor")
    return GeneratorHealth(not reasons, reasons, resources, late, generator.streams_ok)
