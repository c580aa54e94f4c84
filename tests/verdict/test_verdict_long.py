"""A session of hours: what nothing changes any more is counted and forgotten; the figures are those of the whole."""

import random

import pytest

from e2e.verdict.fold import Fold
from e2e.verdict.judge import judge
from e2e.verdict.spoken import spoken
from e2e.verdict.summary import summarise
from e2e.verdict.understanding import MAX_LIVE
from e2e.verdict.words import WordErrors

WORDS = [
    "good",
    "morning",
    "the",
    "train",
    "is",
    "late",
    "again",
    "and",
    "we",
    "want",
    "to",
    "talk",
    "about",
    "this",
    "with",
    "everyone",
]
EACH = 4.0
"""Seconds from one utterance to the next."""


def records(utterances, *, seed=1, joined=False):
    """A session that hears one segment an utterance, with a wrong word now and then; `joined`: without a pause."""
    random_, seconds = random.Random(seed), utterances * EACH
    said = [" ".join(random_.choices(WORDS, k=8)) for _ in range(utterances)]
    times = [(k * EACH + 0.5, k * EACH + 3.5) for k in range(utterances)]
    yield {"t": 0.0, "type": "run", "options": {"pace": "realtime"}}
    yield {
        "t": 0.0,
        "type": "tape",
        **{
            "name": "t",
            "chunk_ms": 100,
            "chunks": round(seconds * 10),
            "seconds": seconds,
            "reference": " ".join(said),
        },
        "utterances": [
            {"speaker": str(k % 2), "text": text, "onset": a, "end": b}
            for k, (text, (a, b)) in enumerate(zip(said, times, strict=True))
        ],
    }
    session = {"type": "session", "sid": "s", "kind": "listen", "uid": "u", "device": 0}
    yield {"t": 1.0, **session, "event": "connecting"}
    yield {"t": 1.0, **session, "event": "open", "connect_ms": 1, "handshake_ms": 1}
    yield {"t": 1.0, **session, "event": "ready", "ready_ms": 1}
    play = {"tape": "t", "planned": round(seconds * 10), "pace": "realtime", "interval_ms": 100, "start": 2.0}
    yield {"t": 2.0, "type": "stream", "sid": "s", "event": "begin", **play}
    for k, (text, (start, end)) in enumerate(zip(said, times, strict=True)):
        heard = " ".join(w if random_.random() > 0.1 else "ghost" for w in text.split() if random_.random() > 0.1)
        for share, delay in ((0.5, 0.0), (1.0, 0.8)):
            words = heard.split()[: round(8 * share)]
            times_ = {"start": start - (1.5 if joined else 0), "end": start + (end - start) * share}
            item = {"id": str(k), "text": " ".join(words), "speaker": f"SPEAKER_0{k % 2}", **times_}
            yield {"t": 2.0 + end + delay, "type": "message", "sid": "s", "kind": "transcript", "data": [item]}
    last = {"sent": round(seconds * 10), "seconds": seconds, "last_send": 2.0 + seconds - 0.1}
    yield {"t": 2.0 + seconds, "type": "stream", "sid": "s", "event": "end", **last}
    closed = {"code": 1000, "by": "client", "chunks_planned": round(seconds * 10), "chunks_sent": round(seconds * 10)}
    yield {"t": 5.0 + seconds, **session, "event": "closed", **closed}


def folded(records):
    fold, most = Fold(), 0
    for record in records:
        fold.take(record)
        for session in fold.facts.sessions.values():
            most = max(most, len(session.transcript.segments))
    facts = fold.finish()
    return facts, summarise(facts, judge(facts)), most


def test_parts_amount_to_the_whole(monkeypatch):
    _, summary, most = folded(records(1000))
    assert most <= MAX_LIVE + 1
    monkeypatch.setattr("e2e.verdict.fold_sessions.MAX_LIVE", 100_000)
    _, expected, kept = folded(records(1000))
    assert kept == 1000
    ours, theirs = summary["transcript"], expected["transcript"]
    for name in ("words", "sessions_measured", "segment_ids", "revisions", "words_on_silence", "text"):
        assert ours[name] == theirs[name], name
    for name in ("coverage", "speech_s", "longest_gap_s", "reference", "segments"):
        assert ours[name] == theirs[name], name
    assert 0 <= theirs["characters"] - ours["characters"] <= 1000 / 30  # the space at each cut
    # An alignment in parts can only be as good as that of the whole; at pauses, it is about as good.
    assert theirs["wer"] <= ours["wer"] <= theirs["wer"] + 0.002
    for metric in ("segment_emission", "segment_stabilisation", "transcript_lag"):
        assert summary["latency_ms"][metric] == expected["latency_ms"][metric]
        assert summary["series"]["latency_ms"][metric] == expected["series"]["latency_ms"][metric]
    assert summary["transcript_lag"] == expected["transcript_lag"]
    minutes = summary["series"]["quality"]["by_time"]
    assert sum(row["words"] for row in minutes) == 8000 and len(minutes) == 67
    assert [row["words"] for row in minutes] == [row["words"] for row in expected["series"]["quality"]["by_time"]]


def test_where_segments_leave_no_pause_they_are_kept():
    _, summary, most = folded(records(300, joined=True))
    assert most == 300 and summary["transcript"]["words"] == 2400


def test_part_of_what_was_said():
    facts, _, _ = folded(records(10))
    play = facts.sessions["s"].plays[0]
    whole, part = spoken([(play, 400)]), spoken([(play, 400)], 7.7, 19.9)
    assert [(u.onset, u.text) for u in part.utterances] == [(u.onset, u.text) for u in whole.utterances[2:5]]
    assert part.reference == " ".join(u.text for u in whole.utterances[2:5]) and part.timed


def test_figures_of_parts_are_one_session():
    words = WordErrors()
    for _ in range(3):
        words.measure("one two", "one")
    assert words.sessions == 3 and words.rate == pytest.approx(0.5)
