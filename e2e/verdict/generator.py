"""Whether the generator kept its word: if it did not, no number of the run means anything."""

from dataclasses import dataclass, field

from e2e.verdict.facts import REALTIME, Facts, chunk_ms

MAX_LATE_SHARE = 0.01


@dataclass(slots=True)
class GeneratorHealth:
    """`valid` is None where nothing was sent in real time. `reasons` say why it is invalid."""

    valid: bool | None
    reasons: list[str] = field(default_factory=list)
    late_share: float | None = None
    chunk_ms: float | None = None


def judge_generator(facts: Facts) -> GeneratorHealth:
    """Invalid: more than 1 % of chunks later than half a chunk, or the event loop stalled for longer than a chunk.

    A chunk counts with the time of its audio. Only real time is judged: at any other pace no latency is claimed, and a
    stream then waits for a service that hears less quickly, which is no fault of the generator.
    """
    paced = [s for s in facts.stream if s.plays and s.pace == REALTIME]
    generator = facts.generator
    if (not paced and not facts.folded) or not (generator.sent or generator.samples):
        return GeneratorHealth(None)
    chunk = min((chunk_ms(s) for s in paced), default=100.0)
    late = generator.late / generator.sent if generator.sent else 0.0
    reasons = []
    if late > MAX_LATE_SHARE:
        reasons.append(f"{late:.1%} of the chunks were sent more than {chunk / 2:.0f} ms late")
    if generator.lag.max is not None and generator.lag.max > chunk:
        reasons.append(f"the event loop stalled for {generator.lag.max:.0f} ms, longer than a chunk of {chunk:.0f} ms")
    return GeneratorHealth(not reasons, reasons, late, chunk)
