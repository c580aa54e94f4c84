"""What could be heard of a session: its audio and words in the time of the run, and where the words differ."""

from functools import partial

import pytest

from e2e.record.journal import read_journal
from e2e.verdict.audible import MAX_WORDS
from e2e.verdict.difference import difference
from e2e.verdict.timeline import read_timelines
from e2e.verdict.words import WordErrors
from tests.verdict.journals import SAID, journal, smoke


def told(path, sid="s1"):
    (timeline,) = read_timelines(partial(read_journal, path), {sid: "e2e-test"})
    return timeline


@pytest.mark.parametrize(
    ("said", "heard", "pieces"),
    (
        ("Good morning.", "good morning", [("=", "Good morning.", "good morning")]),
        ("a b c", "a c", [("=", "a", "a"), ("-", "b", ""), ("=", "c", "c")]),
        ("a c", "a, b - c", [("=", "a", "a,"), ("+", "", "b"), ("=", "c", "c")]),
        ("that's well-known", "thats well none", [("=", "that's well", "thats well"), ("~", "known", "none")]),
        ("", "x", [("+", "", "x")]),
        ("", "", []),
    ),
)
def test_a_difference_is_told_in_the_words_as_written(said, heard, pieces):
    assert difference(said, heard) == pieces


def test_a_difference_counts_what_the_word_error_rate_counts():
    said, heard = "one two three four five six", "one too three for four five sixes seven"
    errors = WordErrors()
    errors.measure(said, heard)
    pieces = difference(said, heard)
    counted = sum(max(len(a.split()), len(b.split())) for sign, a, b in pieces if sign != "=")
    assert counted == errors.wrong


def test_a_session_has_its_audio_and_words_at_instants_of_the_run(tmp_path):
    timeline = told(smoke(tmp_path / "r"))
    (play,) = timeline["plays"]
    assert play["tape"] == "podcast" and play["until"] - play["t"] == pytest.approx(play["seconds"]) == 10.0
    for spans in (timeline["said"], timeline["heard"]):
        assert [(s["text"], round(s["t"] - play["t"], 2), round(s["until"] - play["t"], 2)) for s in spans] == list(
            SAID
        )
    assert all(s["seen"] > s["until"] for s in timeline["heard"])
    assert timeline["difference"] == [("=", " ".join(t for t, _, _ in SAID), " ".join(t for t, _, _ in SAID))]
    assert timeline["compared_s"] is None


def test_a_recogniser_without_words_is_not_held_against_them(tmp_path):
    target = {"name": "standin", "standin": True, "recogniser": "vad"}
    timeline = told(smoke(tmp_path / "r", target=target))
    assert timeline["difference"] is None and len(timeline["heard"]) == 3


def test_only_what_was_sent_was_said(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run()
        j.tape()
        session = j.connecting()
        j.open(session)
        j.ready(session)
        start = j.begin(session)
        j.finish(session, start, sent=30, seconds=3.0)
        j.closed(session, 1011, "server", chunks=30)
        j.end()
    timeline = told(tmp_path / "r")
    assert [s["text"] for s in timeline["said"]] == [SAID[0][0]] and timeline["plays"][0]["seconds"] == 3.0
    assert timeline["difference"] == [("-", SAID[0][0], "")] and timeline["heard"] == []


def test_of_a_run_that_was_killed_the_audio_reaches_to_where_it_was_last_heard_of(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run()
        j.tape()
        session = j.connecting()
        j.open(session)
        j.ready(session)
        start = j.begin(session)
        j.at(start + 6)
        j.segment(session, "seg0", SAID[0][0], *SAID[0][1:])
    timeline = told(tmp_path / "r")
    assert timeline["plays"][0]["seconds"] == 6.0 and [s["text"] for s in timeline["said"]] == [
        t for t, _, _ in SAID[:2]
    ]


def test_at_another_pace_audio_takes_another_time(tmp_path):
    with journal(tmp_path / "r") as j:
        j.run(pace="20x")
        j.tape()
        session = j.connecting()
        j.open(session)
        j.ready(session)
        start = j.begin(session, pace="20x")
        j.at(start + 0.5)
        end = {"sent": 100, "seconds": 0.5, "realtime_factor": 20.0, "last_send": start + 0.49}
        j.write("stream", sid="s1", event="end", **end)
        j.closed(session)
        j.end()
    timeline = told(tmp_path / "r")
    assert timeline["plays"][0]["until"] - start == pytest.approx(0.5, abs=0.001)
    assert timeline["said"][0]["t"] - start == pytest.approx(SAID[0][1] / 20, abs=0.001)


def test_hours_of_words_are_compared_in_part(tmp_path):
    said = [(f"word{n} again", n * 2.0, n * 2.0 + 1.5) for n in range(4_000)]
    with journal(tmp_path / "r") as j:
        j.run()
        j.tape(said=said, seconds=8_000.0)
        session = j.connecting()
        start = j.begin(session, planned=80_000)
        for n, (text, onset, end) in enumerate(said):
            j.at(start + end + 1)
            j.segment(session, f"seg{n}", text, onset, end)
        j.finish(session, start, sent=80_000, seconds=8_000.0)
        j.closed(session, chunks=80_000, planned=80_000)
        j.end()
    timeline = told(tmp_path / "r")
    assert len(timeline["said"]) == len(timeline["heard"]) == 300
    assert timeline["compared_s"] == pytest.approx(MAX_WORDS, abs=1)
    assert len(timeline["difference"]) == 1 and len(timeline["difference"][0][1].split()) == MAX_WORDS
