"""Histograms in a few bins: nothing is lost, negative values keep their sign."""

import random

import pytest

from e2e.record.histogram import Histogram
from e2e.verdict.bins import MAX_BINS, bins

RNG = random.Random(7)
SAMPLES = {
    "narrow": [RNG.uniform(9, 11) for _ in range(500)],
    "latencies": [RNG.lognormvariate(3, 1) for _ in range(2000)],
    "wide": [10 ** RNG.uniform(-4, 8) for _ in range(2000)],
    "both signs": [RNG.gauss(0, 300) for _ in range(2000)],
    "negative": [-5.0, -50.0],
    "nothing but 0": [0.0] * 5,
    "beyond": [1e11, -1e11, 1.0],
}


@pytest.mark.parametrize("samples", SAMPLES.values(), ids=SAMPLES)
def test_every_sample_is_in_the_bin_between_its_edges(samples):
    found = bins(Histogram().extend(samples))
    edges, counts = found["edges"], found["counts"]
    assert len(edges) == len(counts) + 1 <= MAX_BINS + 1 and edges == sorted(set(edges))
    assert sum(counts) == len(samples) and counts[0] and counts[-1]
    for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
        # A bucket is at most 1/2048 of its value wide, and its middle is what is counted.
        slack = max(abs(low), abs(high)) / 1024 + 0.001
        least = sum(low + slack <= s < high - slack for s in samples)
        assert least <= count <= sum(low - slack <= s < high + slack for s in samples)


def test_an_empty_histogram_has_no_bins():
    assert bins(Histogram()) == {"edges": [], "counts": []}


def test_the_scale_is_as_fine_as_there_is_room_for():
    assert bins(Histogram().extend([10.1, 19.0]))["edges"] == [10, 12.5, 16, 20]
    assert len(bins(Histogram().extend([0.011, 900_000.0]))["counts"]) <= MAX_BINS
