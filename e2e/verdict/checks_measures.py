"""Checks of what was measured: latencies, lag, and how well speech was understood."""

from e2e.durations import told
from e2e.verdict.check import Params, Result, failed, many, missing, not_reached, passed, reached, unknown
from e2e.verdict.expect import PERCENTILES
from e2e.verdict.facts import Facts
from e2e.verdict.generator import judge_generator
from e2e.verdict.metrics import ANY_PACE, BY_AUDIO_TIME
from e2e.verdict.transcript import NORMALISATION
from e2e.verdict.words import Errors


def percentile(check: str):
    """The rule of `p50` ... `p99`."""

    def rule(facts: Facts, params: Params) -> Result:
        metric, below = str(params.get("metric")), float(params.get("below") or 0) * 1000
        if facts.unpaced and metric not in ANY_PACE:
            return unknown(f"at pace {facts.unpaced} {metric} means nothing; run in real time to measure it")
        health = judge_generator(facts)
        if health.valid is False:
            return unknown(f"the generator was the bottleneck ({'; '.join(health.reasons)}); {metric} means nothing")
        displaced = facts.totals.displaced if metric in BY_AUDIO_TIME else 0
        histogram = facts.latencies.get(metric)
        value = histogram.percentile(PERCENTILES[check]) if histogram else None
        if value is None:
            why = f": {many(displaced, 'session')} resumed a conversation" if displaced else ""
            return not_reached(facts) if not reached(facts) else unknown(f"{metric} was not observed in this run{why}")
        samples = many(histogram.count, "sample")
        detail = f"{check} of {metric}: {told(value)} of {samples}, expected below {told(below, digits=0)}"
        detail += f"; {histogram.share_negative:.0%} are negative" if histogram.share_negative else ""
        detail += f"; without {many(displaced, 'session')} that resumed a conversation" if displaced else ""
        return passed(detail) if value < below else failed(detail)

    return rule


def word_error_rate(facts: Facts, params: Params) -> Result:
    words = facts.words
    return _errors(facts, params, words, f"{words.rate or 0:.1%} of {words.reference} words", 0.25)


def character_error_rate(facts: Facts, params: Params) -> Result:
    characters = facts.words.characters
    return _errors(facts, params, characters, f"{characters.rate or 0:.1%} of {characters.reference} characters", 0.15)


def _errors(facts: Facts, params: Params, errors: Errors, what: str, usual: float) -> Result:
    below = float(params.get("below") or usual)
    if not reached(facts, "listen") and not facts.folded:
        return not_reached(facts)
    if errors.rate is None:
        if facts.wordless:
            return unknown("the stand-in's recogniser `vad` writes no words; run with --recogniser sphinx")
        return unknown("no reference of what was said is known; give one beside the audio (FILE.txt)")
    parts = f"{errors.substitutions} substituted, {errors.deletions} missed, {errors.insertions} added"
    detail = f"{what} ({parts}), expected below {below:.0%}"
    evidence = [f"compared in {NORMALISATION}"]
    return passed(detail, evidence) if errors.rate < below else missing(facts, detail, evidence)


def coverage(facts: Facts, params: Params) -> Result:
    quality, at_least = facts.quality, float(params.get("at_least") or 0.8)
    if not reached(facts, "listen") and not facts.folded:
        return not_reached(facts)
    if quality.coverage is None:
        return unknown(_untimed(facts))
    detail = f"{quality.coverage:.1%} of {quality.speech:.0f} s of speech lie under a segment, at least {at_least:.0%}"
    evidence = [f"longest gap: {quality.gap:.1f} s of speech"]
    return passed(detail, evidence) if quality.coverage >= at_least else missing(facts, detail, evidence)


def words_on_silence(facts: Facts, params: Params) -> Result:
    quality, at_most = facts.quality, int(params.get("at_most") or 0)
    if not reached(facts, "listen") and not facts.folded:
        return not_reached(facts)
    if facts.wordless:
        return unknown("the stand-in's recogniser `vad` writes no words; run with --recogniser sphinx")
    if not quality.timed:
        return unknown(_untimed(facts))
    detail = f"{many(quality.on_silence, 'word')} heard where nothing was said, expected at most {at_most}"
    return passed(detail) if quality.on_silence <= at_most else failed(detail)


def _untimed(facts: Facts) -> str:
    displaced = facts.totals.displaced
    why = f"; {many(displaced, 'session')} resumed a conversation" if displaced else ""
    return f"it is not known when something was said{why}: only bundled audio tells"


def lag_slope(facts: Facts, params: Params) -> Result:
    """Decided only where twice the standard error leaves no doubt."""
    below, slope, error = float(params.get("below") or 0.05), facts.lag.value, facts.lag.error
    if facts.unpaced:
        return unknown(f"at pace {facts.unpaced} lag means nothing; run in real time to measure it")
    health = judge_generator(facts)
    if health.valid is False:
        return unknown(f"the generator was the bottleneck ({'; '.join(health.reasons)}); lag means nothing")
    if not reached(facts, "listen") and not facts.folded:
        return not_reached(facts)
    if slope is None or error is None:
        return unknown("no session was sampled for the 50 s that tell a slope")
    sessions = many(facts.lag.sessions, "session")
    detail = f"{slope:+.4f} s a second (standard error {error:.4f}, {sessions}), expected below {below:g}"
    if slope + 2 * error < below:
        return passed(detail)
    return failed(detail) if slope - 2 * error >= below else unknown(f"{detail}: too uncertain to tell")


def heartbeat_gap(facts: Facts, params: Params) -> Result:
    below, gap = float(params.get("below") or 15.0), facts.totals.ping_gap
    if not reached(facts, "listen") and not facts.folded:
        return not_reached(facts)
    if gap is None:
        return unknown("no ping was received")
    detail = f"longest time without a ping: {gap:.1f} s, expected below {below:g} s"
    return passed(detail) if gap < below else failed(detail)
