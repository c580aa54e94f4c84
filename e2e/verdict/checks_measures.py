"""Checks of what was measured: latencies and word error rate."""

from e2e.verdict.check import Params, Result, failed, many, missing, not_reached, passed, reached, unknown
from e2e.verdict.expect import PERCENTILES
from e2e.verdict.facts import Facts
from e2e.verdict.generator import judge_generator
from e2e.verdict.sessions import ANY_PACE
from e2e.verdict.transcript import NORMALISATION


def percentile(check: str):
    """The rule of `p50` ... `p99`."""

    def rule(facts: Facts, params: Params) -> Result:
        metric, below = str(params.get("metric")), float(params.get("below") or 0) * 1000
        if facts.unpaced and metric not in ANY_PACE:
            return unknown(f"at pace {facts.unpaced} {metric} means nothing; run in real time to measure it")
        health = judge_generator(facts)
        if health.valid is False:
            return unknown(f"the generator was the bottleneck ({'; '.join(health.reasons)}); {metric} means nothing")
        displaced = facts.totals.displaced if metric == "segment_emission" else 0
        histogram = facts.latencies.get(metric)
        value = histogram.percentile(PERCENTILES[check]) if histogram else None
        if value is None:
            why = f": {many(displaced, 'session')} resumed a conversation" if displaced else ""
            return not_reached(facts) if not reached(facts) else unknown(f"{metric} was not observed in this run{why}")
        detail = f"{check} of {metric}: {value:.1f} ms of {histogram.count} samples, expected below {below:.0f} ms"
        detail += f"; {histogram.share_negative:.0%} are negative" if histogram.share_negative else ""
        detail += f"; without {many(displaced, 'session')} that resumed a conversation" if displaced else ""
        return passed(detail) if value < below else failed(detail)

    return rule


def word_error_rate(facts: Facts, params: Params) -> Result:
    words, below = facts.words, float(params.get("below") or 0.25)
    if not reached(facts, "listen") and not facts.folded:
        return not_reached(facts)
    if words.rate is None:
        if facts.wordless:
            return unknown("the stand-in's recogniser `vad` writes no words; run with --recogniser sphinx")
        return unknown("no reference of what was said is known; give one beside the audio (FILE.txt)")
    parts = f"{words.substitutions} substituted, {words.deletions} missed, {words.insertions} added"
    detail = f"{words.rate:.1%} of {words.words} words ({parts}), expected below {below:.0%}"
    evidence = [f"compared in {NORMALISATION}"]
    return passed(detail, evidence) if words.rate < below else missing(facts, detail, evidence)
