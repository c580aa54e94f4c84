"""Cutting samples into chunks, and taking less or more than a whole tape."""

import dataclasses

import numpy as np
import pytest

from e2e.audio.codec import decode_pcm16
from e2e.audio.tape import Tape, Utterance, cut
from e2e.errors import AudioError

HELLO = Utterance("a", "hello there", 0.1, 0.25)
BYE = Utterance("b", "good bye", 0.35, 0.6)


def tape(**changes):
    """Eight numbered chunks, 0.8 s."""
    values = {
        "name": "t",
        "codec": "pcm16",
        "sample_rate": 16_000,
        "chunk_seconds": 0.1,
        "chunks": tuple(bytes([n]) * 4 for n in range(8)),
        "utterances": (HELLO, BYE),
        "reference": "hello there good bye",
    }
    return Tape(**values | changes)


def numbers(taken):
    return [chunk[0] for chunk in taken.chunks]


@pytest.mark.parametrize("chunk_ms, size", [(100, 3200), (128, 4096), (10, 320), (20, 640), (1, 32)])
def test_chunks_have_one_size_and_lose_nothing(chunk_ms, size):
    samples = np.random.default_rng(1).uniform(-0.9, 0.9, 16_001).astype(np.float32)
    chunks = cut(samples, "pcm16", chunk_ms)
    assert {len(chunk) for chunk in chunks} == {size}
    played = decode_pcm16(b"".join(chunks))
    assert 0 < len(played) - len(samples) <= size // 2
    np.testing.assert_allclose(played[: len(samples)], samples, atol=1 / 32768)
    assert not played[len(samples) :].any()


def test_whole_chunks_are_not_padded():
    assert len(cut(np.zeros(3200), chunk_ms=100)) == 2


@pytest.mark.parametrize(
    "arguments, message",
    [((np.zeros(0),), "0 samples"), ((np.zeros(9), "opus"), "opus"), ((np.zeros(9), "pcm16", 0), "at least 1 ms")],
)
def test_what_cannot_be_cut(arguments, message):
    with pytest.raises(AudioError, match=message):
        cut(*arguments)


def test_a_tape_cannot_be_changed():
    assert tape().duration == pytest.approx(0.8) and tape().chunk_bytes == 4
    with pytest.raises(dataclasses.FrozenInstanceError):
        tape().chunks = ()


@pytest.mark.parametrize("chunks", [(), (b"1234", b"12")])
def test_a_tape_needs_chunks_of_one_size(chunks):
    with pytest.raises(AudioError):
        tape(chunks=chunks)


def test_take_less_keeps_what_was_said_to_the_end():
    taken = tape().take(5)
    assert numbers(taken) == [0, 1, 2, 3, 4]
    assert taken.utterances == (HELLO,) and taken.reference == "hello there"
    assert tape().take(1).reference == "" and tape().take(1).utterances == ()


def test_take_the_whole_is_the_same():
    whole = tape()
    assert whole.take(8) is whole


def test_take_more_plays_it_again_from_the_start():
    taken = tape().take(19)  # twice, and 0.3 s
    assert numbers(taken) == [*range(8), *range(8), 0, 1, 2]
    assert [u.text for u in taken.utterances] == ["hello there", "good bye"] * 2 + ["hello there"]
    assert [u.onset for u in taken.utterances] == pytest.approx([0.1, 0.35, 0.9, 1.15, 1.7])
    assert [u.end for u in taken.utterances] == pytest.approx([0.25, 0.6, 1.05, 1.4, 1.85])
    assert taken.reference == "hello there good bye hello there good bye hello there"


@pytest.mark.parametrize("count, reference", [(7, None), (8, "some words"), (9, None), (16, "some words some words")])
def test_without_utterances_only_whole_repetitions_have_a_reference(count, reference):
    assert tape(utterances=(), reference="some words").take(count).reference == reference


@pytest.mark.parametrize("reference", [None, ""])
def test_unknown_stays_unknown_and_nothing_stays_nothing(reference):
    for count in (3, 8, 11, 16):
        assert tape(utterances=(), reference=reference).take(count).reference == reference


@pytest.mark.parametrize("count", [0, -1])
def test_take_nothing_is_refused(count):
    with pytest.raises(AudioError, match="at least 1"):
        tape().take(count)


@pytest.mark.parametrize(
    "count, partial", [(8, None), (6, None), (5, (0.35, 0.5)), (3, None), (2, (0.1, 0.2)), (1, None), (13, (1.15, 1.3))]
)
def test_a_cut_tells_what_is_left_of_an_utterance(count, partial):
    assert tape().take(count).partial == (None if partial is None else pytest.approx(partial))
