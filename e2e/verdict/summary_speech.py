"""The parts of `run.json` about speech: latencies, their series, the transcript, and how it was understood."""

from typing import Any

from e2e.record.histogram import Histogram
from e2e.verdict.bins import bins
from e2e.verdict.curves import rounded
from e2e.verdict.facts import Facts
from e2e.verdict.judge import Verdict
from e2e.verdict.limits import unclaimed
from e2e.verdict.metrics import METRICS
from e2e.verdict.sessions import Session
from e2e.verdict.transcript import NORMALISATION

SERIES_PERCENTILES = (50, 95, 99)

MAX_SEGMENT_ROWS = 100
MAX_TEXT = 300


def _claimed(facts: Facts, verdict: Verdict) -> list[str]:
    """Metrics that may be shown: of a generator that was late, only its own lateness."""
    if verdict.generator.valid is False:
        return ["send_lateness"]
    return list(METRICS)


def latencies(facts: Facts, verdict: Verdict) -> dict[str, Any]:
    out = {}
    for metric in _claimed(facts, verdict):
        histogram = facts.latencies.get(metric)
        if histogram is not None and histogram.count:
            out[metric] = histogram.summary()
            if histogram.share_negative:
                out[metric]["negative_share"] = round(histogram.share_negative, 4)
    return out


def series(facts: Facts, verdict: Verdict) -> dict[str, Any]:
    """Columns by metric. `t` is the beginning of each step (s of the run); steps in which nothing came are left out."""
    columns = {}
    for metric in _claimed(facts, verdict):
        known = facts.latencies.series.get(metric)
        if known:
            points = list(known)
            columns[metric] = {
                "step_s": known.step,
                "t": [round(t, 3) for t, _ in points],
                "count": [h.count for _, h in points],
                **{f"p{p}": [_ms(h, p) for _, h in points] for p in SERIES_PERCENTILES},
            }
    return {"load": facts.load.to_dict(), "latency_ms": columns, "quality": facts.curve.to_dict()}


def histograms(facts: Facts, verdict: Verdict) -> dict[str, Any]:
    """Bins by metric: see `e2e.verdict.bins`."""
    known = ((metric, facts.latencies.get(metric)) for metric in _claimed(facts, verdict))
    return {metric: bins(h) for metric, h in known if h is not None and h.count}


def _ms(histogram: Histogram, p: int) -> float | None:
    return rounded(histogram.percentile(p), 1)


def lag(facts: Facts, verdict: Verdict) -> dict[str, Any]:
    """Seconds of lag that were added in each second."""
    if verdict.generator.valid is False:
        return {"slope": None, "standard_error": None, "sessions": 0, "blocks": 0}
    return facts.lag.to_dict()


def heartbeat(facts: Facts) -> dict[str, Any]:
    """`longest_gap_s`: without a ping, from the first one of a session to its close."""
    return {"expected_s": facts.heartbeat, "longest_gap_s": rounded(facts.totals.ping_gap, 3)}


def transcript(facts: Facts) -> dict[str, Any]:
    """Of the first session that heard something (else the first that listened); figures are pooled over all."""
    listened = [s for s in facts.stream if s.kind == "listen" and s.plays]
    shown = next((s for s in listened if s.text), listened[0] if listened else None)
    words, quality, totals = facts.words, facts.quality, facts.totals
    return {
        "sid": shown.sid if shown else None,
        "text": shown.text if shown else "",
        "reference": shown.reference if shown else None,
        "segments": _history(shown) if shown else [],
        "wer": rounded(words.rate),
        "words": words.reference,
        "substitutions": words.substitutions,
        "deletions": words.deletions,
        "insertions": words.insertions,
        "cer": rounded(words.characters.rate),
        "characters": words.characters.reference,
        "sessions_measured": words.sessions,
        "normalisation": NORMALISATION,
        "words_on_silence": quality.on_silence if quality.timed and not facts.wordless else None,
        "speech_s": round(quality.speech, 3),
        "coverage": rounded(quality.coverage),
        "longest_gap_s": rounded(quality.gap, 3) if quality.speech else None,
        "speaker_changes": {"said": quality.changes_said, "heard": quality.changes_heard} if quality.speech else None,
        "segment_ids": totals.ids,
        "segments_out_of_order": totals.out_of_order,
        "revisions": totals.revisions,
        "revisions_per_segment": rounded(totals.revisions / totals.ids, 3) if totals.ids else None,
        "segments_deleted": totals.deleted,
        "deleted_share": rounded(totals.deleted / totals.ids) if totals.ids else None,
        "not_claimed": unclaimed(facts),
    }


def _history(session: Session) -> list[dict[str, Any]]:
    """Its segments in the order in which they were first seen; instants are seconds of the run."""
    return [
        {
            "id": key[:100],
            "start": rounded(s.start, 3),
            "end": rounded(s.end, 3),
            "speaker": s.speaker and s.speaker[:MAX_TEXT],
            "text": s.text[:MAX_TEXT],
            "first_seen": rounded(s.first, 3),
            "last_change": rounded(s.changed, 3),
            "updates": s.updates,
            "deleted": rounded(s.deleted, 3),
            "versions": [
                {"t": rounded(t, 3), "end": rounded(end, 3), "text": text} for t, end, text in s.versions or ()
            ],
        }
        for key, s in session.history[:MAX_SEGMENT_ROWS]
    ]


def understood(session: Session) -> dict[str, Any]:
    words, quality = session.words, session.quality
    timed = quality is not None and quality.timed
    return {
        "wer": rounded(words.rate) if words else None,
        "cer": rounded(words.characters.rate) if words else None,
        "coverage": rounded(quality.coverage) if timed else None,
        "longest_gap_s": rounded(quality.gap, 3) if timed and quality.speech else None,
        "words_on_silence": quality.on_silence if timed else None,
        "revisions": session.transcript.revisions,
        "segments_deleted": session.transcript.deleted,
        "segments_out_of_order": session.transcript.out_of_order,
        "ping_gap_s": rounded(session.ping_gap, 3),
    }
