"""How a tape looks: least and greatest samples of equal stretches."""

import numpy as np
import pytest

from e2e.audio.envelope import POINTS, envelope
from e2e.audio.library import load_tape
from e2e.audio.tape import Tape, cut


def tape(samples, **fields):
    return Tape("t", fields.pop("codec", "pcm16"), 16_000, 0.1, cut(np.asarray(samples, dtype=np.float32)), **fields)


def test_it_covers_the_tape_in_order():
    samples = np.zeros(160_000)
    samples[:16_000] = 0.5  # the first second
    samples[-16_000:] = -0.25  # the last of ten
    pairs = envelope(tape(samples))
    tenth = len(pairs) // 10
    assert 300 < len(pairs) <= POINTS
    assert set(pairs[: tenth - 1]) == {(50, 50)} and set(pairs[tenth + 1 : -tenth - 1]) == {(0, 0)}
    assert set(pairs[-tenth + 1 :]) == {(-25, -25)}


@pytest.mark.parametrize("chunks", (1, 7, 599, 600, 601, 5_000))
def test_no_sample_is_lost_whatever_the_length(chunks):
    samples = np.zeros(chunks * 1_600)
    samples[[0, len(samples) // 2, -1]] = 0.9, -0.8, 0.7
    pairs = envelope(tape(samples))
    assert len(pairs) <= POINTS and pairs[0][1] == 90 and pairs[-1][1] == 70 and min(low for low, _ in pairs) == -80


def test_a_tape_that_plays_over_and_over_looks_the_same_each_time():
    whole = load_tape("podcast").take(300)
    once, twice = envelope(whole, 300), envelope(whole.take(600), 600)
    assert twice == once * 2 and max(high for _, high in once) > 5


def test_what_cannot_be_decoded_here_has_none():
    assert envelope(tape(np.zeros(1_600), codec="opus")) is None
