"""Word and character errors are jiwer's, also when they are pooled and taken apart again."""

import jiwer
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from e2e.verdict.transcript import normalise
from e2e.verdict.words import MAX_WORDS, WordErrors, align

word = st.sampled_from(["good", "morning", "the", "train", "is", "late", "don't", "Twenty-one,", "ÄHM", "ß", "Ⅷ"])
text = st.one_of(st.lists(word, max_size=25).map(" ".join), st.text(max_size=40))
pairs = st.lists(st.tuples(text, text), min_size=1, max_size=6)


def pooled(said_and_heard):
    words = WordErrors()
    for said, heard in said_and_heard:
        part = WordErrors()
        part.measure(said, heard)
        words.pool(part)
    return words


@given(pairs)
@example([("one two", ""), ("one", "one one one"), ("", "ghost")])
def test_rates_equal_jiwer_on_the_same_strings(texts):
    words = pooled(texts)
    known = [(normalise(said), normalise(heard)) for said, heard in texts if normalise(said)]
    if not known:
        assert words.rate is None and words.characters.rate is None and words.sessions == 0
        return
    said, heard = [list(side) for side in zip(*known, strict=True)]
    assert words.rate == jiwer.wer(said, heard)
    assert words.characters.rate == jiwer.cer(said, heard)
    assert words.sessions == len(known)
    for errors, output in ((words, jiwer.process_words), (words.characters, jiwer.process_characters)):
        theirs = output(said, heard)
        assert errors.hits == theirs.hits and errors.substitutions == theirs.substitutions
        assert errors.deletions == theirs.deletions and errors.insertions == theirs.insertions


@given(text.filter(normalise), text)
def test_each_error_lies_somewhere_in_the_reference(said, heard):
    said, heard = normalise(said), normalise(heard)
    alignment = align(said, heard)
    for errors, places, size in (
        (alignment.words, alignment.word_errors, len(said.split(" "))),
        (alignment.characters, alignment.character_errors, len(said)),
    ):
        assert sum(n for _, n in places) == errors.wrong and errors.reference == size
        assert [i for i, _ in places] == sorted(i for i, _ in places)
        assert all(0 <= i <= size and n > 0 for i, n in places)


def test_by_hand():
    alignment = align("the train is late again", "a train late again again now")
    assert (alignment.words.hits, alignment.words.wrong) == (3, 4)
    assert alignment.words.rate == pytest.approx(4 / 5)
    assert alignment.word_errors == ((0, 1), (2, 1), (5, 2))


def test_a_text_without_end_is_not_measured():
    words = WordErrors()
    assert words.measure("one two", "x " * (MAX_WORDS + 2)) is None and words.measure(None, "x") is None
    assert (words.unmeasured, words.sessions, words.rate) == (2, 0, None)
