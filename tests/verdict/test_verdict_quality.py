"""What was understood, by hand: coverage, gaps, words on silence, speakers, and the same by minute and by load."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e.verdict import expect
from e2e.verdict.curves import Streams
from e2e.verdict.plays import Play
from e2e.verdict.quality import measure
from e2e.verdict.spoken import common, length, longest_gap, spoken, union
from e2e.verdict.transcript import Tape, Transcript
from e2e.verdict.words import WordErrors
from tests.verdict.journals import check, journal, judged

SAID = [
    {"speaker": "slt", "text": "good morning everyone", "onset": 1.0, "end": 3.0},
    {"speaker": "rms", "text": "the train is late", "onset": 4.0, "end": 6.0},
    {"speaker": "slt", "text": "again", "onset": 8.0, "end": 9.0},
]


def tape(**fields):
    record = {"name": "t", "chunk_ms": 100, "chunks": 120, "reference": "good morning everyone the train is late again"}
    return Tape.from_record({**record, "utterances": SAID, **fields})


def play(tape, chunks=120, start=50.0, offset=0.0):
    return Play(tape, "t", chunks, "realtime", 100.0, start, offset), chunks


def heard(*segments):
    transcript = Transcript()
    for k, (start, end, text, speaker) in enumerate(segments):
        transcript.fold([{"id": k, "start": start, "end": end, "text": text, "speaker": speaker}], 60.0 + k)
    return transcript.final()


def quality(segments, said, *, by_time=True, wordless=False):
    words = WordErrors()
    result, placed = measure(segments, said, words, by_time=by_time, wordless=wordless)
    return result, placed, words


def test_by_hand():
    segments = heard(
        (1.5, 4.5, "good morning the", "SPEAKER_00"),  # covers 1.5 of the first, 0.5 of the second
        (4.2, 5.0, "train is late", "SPEAKER_0"),  # up to 1.0 s of the second
        (6.5, 7.5, "ghost words", "SPEAKER_01"),  # wholly in silence
        (8.9, 11.0, "again", "SPEAKER_00"),  # covers 0.1 s of the third
    )
    result, placed, words = quality(segments, spoken([play(tape())]))
    assert (result.speech, result.covered) == (pytest.approx(5.0), pytest.approx(1.5 + 1.0 + 0.1))
    assert result.gap == pytest.approx(1.0 + 0.9)  # the end of the second and most of the third, the pause left out
    assert result.on_silence == 2
    assert (result.changes_said, result.changes_heard) == (2, 2)
    # Missed: everyone. Added: ghost, words.
    assert (words.hits, words.deletions, words.insertions, words.rate) == (7, 1, 2, 3 / 8)
    assert [(t, s.words) for t, s in placed] == [(53.0, 3), (56.0, 4), (59.0, 1)]
    assert [s.word_errors for _, s in placed] == [1, 0, 2]  # what was added stands before `again`
    assert [s.characters for _, s in placed] == [22, 18, 5]
    assert sum(s.character_errors for _, s in placed) == words.characters.wrong


def test_what_is_left_of_an_utterance_is_neither_said_nor_silence():
    # Sent up to 5 s: in the middle of the second utterance.
    said = spoken([play(tape(), 50)])
    assert said.reference == "good morning everyone" and said.unknown == [(4.0, 5.0)]
    segments = heard((1.0, 3.0, "good morning everyone", None), (4.0, 4.9, "the train", None))
    result, _, words = quality(segments, said)
    assert words.rate == 0 and result.on_silence == 0 and result.coverage == 1
    # A tape that was cut says so itself.
    cut = tape(chunks=50, utterances=SAID[:1], reference="good morning everyone", partial=[4.0, 5.0])
    assert spoken([play(cut, 50)]).unknown == [(4.0, 5.0)]
    begun = tape(chunks=20, utterances=[], reference="", partial=[1.0, 2.0])
    assert not spoken([play(begun, 20)]).timed


def test_plays_and_loops_lie_one_after_another():
    said = spoken([play(tape(), 170, start=50.0), play(tape(), 40, start=100.0, offset=17.0)])
    assert [(u.onset, u.end, u.due) for u in said.utterances] == [
        *((1, 3, 53), (4, 6, 56), (8, 9, 59), (13, 15, 65)),
        (18, 20, 103),
    ]
    assert said.unknown == [(16.0, 17.0)] and said.ended == 104.0
    assert said.reference.split().count("morning") == 3


def test_without_times_only_the_words_are_known():
    said = spoken([play(tape(utterances=[]))])
    result, placed, words = quality(heard((1.0, 2.0, "good evening", None)), said)
    assert (words.reference, result.timed, result.coverage, result.gap) == (8, 0, None, 0)
    assert [(t, s.words, s.word_errors) for t, s in placed] == [(62.0, 8, 7)]
    assert spoken([play(tape(reference=None, utterances=[]))]).reference is None


def test_a_resumed_conversation_claims_no_times():
    said = spoken([play(tape())])
    result, placed, words = quality(heard((301.0, 303.0, "good morning everyone", None)), said, by_time=False)
    assert words.deletions == 5 and result.timed == 0 and result.coverage is None
    assert sum(s.word_errors for _, s in placed) == 5


def test_silence_hears_nothing():
    said = spoken([play(tape(utterances=[], reference=""))])
    result, placed, words = quality(heard((1.0, 3.0, "ghost words", None)), said)
    assert (result.on_silence, words.rate, placed, result.coverage) == (2, None, [], None)
    assert quality([], said, wordless=True)[0].on_silence == 0


intervals = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=8)


@given(intervals, intervals)
def test_intervals_are_those_of_single_seconds(a, b):
    def seconds(pairs):
        return {x for start, end in pairs for x in range(start, end)}

    one, other = union(a), union(b)
    assert seconds(one) == seconds(a) and length(one) == len(seconds(a))
    assert seconds(common(one, other)) == seconds(a) & seconds(b)
    row, longest = 0, 0
    for x in sorted(seconds(a)):
        row = 0 if x in seconds(b) else row + 1
        longest = max(longest, row)
    assert longest_gap(one, other) == longest


def test_streams_of_a_second_are_the_most_of_it():
    streams = Streams()
    for t, by in ((2.5, 1), (4.1, 1), (4.2, 1), (4.9, -1), (6.0, -2)):
        streams.change(t, by)
    assert [streams.at(t) for t in (0, 2.9, 3, 4.05, 5, 6, 7, 99)] == [0, 1, 1, 3, 2, 2, 0, 0]
    assert streams.mean(2.0, 4.0) == (1 + 1 + 3 + 2) / 4


def test_by_minute_and_by_streams(tmp_path):
    """One session alone hears all; two at once hear half each, a minute later."""
    said = (("good morning everyone", 0.5, 2.0), ("the train is late again", 2.5, 5.0))
    with journal(tmp_path / "r") as j:
        j.run([expect.word_error_rate(below=0.4), expect.coverage(at_least=0.9), expect.words_on_silence()])
        j.boot()
        j.tape(said=said)
        j.stream(said=said)
        j.at(70.0)
        sessions = [j.connecting(f"b{k}", f"u{k}", device=k) for k in (1, 2)]
        for session in sessions:
            j.open(session)
            j.ready(session)
        starts = [j.begin(session) for session in sessions]
        for session, start in zip(sessions, starts, strict=True):
            j.at(start + 5.5)
            j.segment(session, "x", "the train is late again", 2.5, 5.0)
        for session, start in zip(sessions, starts, strict=True):
            j.finish(session, start)
            j.closed(session)
        j.end()
    _, verdict, summary = judged(tmp_path / "r")
    quality = summary["series"]["quality"]
    assert [(row["t"], row["words"], row["wer"]) for row in quality["by_time"]] == [(0.0, 8, 0.0), (60.0, 16, 0.375)]
    assert [(row["streams"], row["wer"], row["coverage"]) for row in quality["by_streams"]] == [
        ("1", 0.0, 1.0),
        ("2", 0.375, 0.625),
    ]
    assert summary["transcript"]["wer"] == 0.25 and summary["transcript"]["coverage"] == 0.75
    assert summary["transcript"]["longest_gap_s"] == 1.5
    assert check(verdict, "word_error_rate").status == "pass" and check(verdict, "words_on_silence").status == "pass"
    assert check(verdict, "coverage").status == "fail"
    assert check(verdict, "coverage").detail == "75.0% of 12 s of speech lie under a segment, at least 90%"


def test_history_of_a_segment(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run([])
        j.tape()
        session = j.connecting()
        j.open(session)
        j.ready(session)
        start = j.begin(session)
        for t, id, text, at, end in (
            (3.0, "a", "good", 0.5, 1.0),
            (4.0, "b", "late", 2.5, 3.0),
            (4.5, "a", "good morning", 0.5, 2.0),
            (5.0, "a", "good morning", 0.5, 2.1),
            (5.5, "a", "good morning", 0.5, 2.1),
            (6.0, "c", "early", 1.0, 1.5),
        ):
            j.at(start + t)
            j.segment(session, id, text, at, end)
        j.at(start + 7.0)
        j.write("message", sid="s1", kind="segments_deleted", data={"segment_ids": ["b"]}, bytes=9)
        j.finish(session, start)
        j.closed(session)
        j.end()
    facts, _, summary = judged(tmp_path / "r")
    words, segments = summary["transcript"], summary["transcript"]["segments"]
    assert [(s["id"], s["updates"], s["deleted"] is not None) for s in segments] == [
        *(("a", 2, False), ("b", 0, True), ("c", 0, False)),
    ]
    assert [(round(v["t"] - start, 1), v["end"], v["text"]) for v in segments[0]["versions"]] == [
        *((3.0, 1.0, "good"), (4.5, 2.0, "good morning"), (5.0, 2.1, "good morning")),
    ]
    assert segments[0]["last_change"] == pytest.approx(start + 4.5, abs=0.02)
    assert (words["revisions"], words["revisions_per_segment"], words["segment_ids"]) == (2, 0.667, 3)
    assert (words["segments_deleted"], words["deleted_share"], words["segments_out_of_order"]) == (1, 0.3333, 1)
    assert words["text"] == "good morning early"
    # Emission of a, b, c: 2.0, 1.0, 4.5 s; stabilisation of a (4.5 - 2.1) and c (4.5), b is gone.
    emission, stable = facts.latencies["segment_emission"], facts.latencies["segment_stabilisation"]
    assert (emission.count, emission.max, emission.min) == (3, pytest.approx(4500, abs=25), pytest.approx(1000, abs=25))
    assert (stable.count, stable.max, stable.min) == (2, pytest.approx(4500, abs=25), pytest.approx(2400, abs=25))
