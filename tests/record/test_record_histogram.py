import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e.record.histogram import Histogram

durations = st.lists(st.floats(-10_000, 1_000_000), min_size=1, max_size=200)


def exact(values, p):
    ordered = sorted(values)
    return ordered[max(0, int(np.ceil(len(ordered) * p / 100)) - 1)]


@given(durations, st.sampled_from([1, 50, 90, 95, 99, 100]))
def test_percentiles_are_right_to_three_digits(values, p):
    assert Histogram().extend(values).percentile(p) == pytest.approx(exact(values, p), rel=1e-3, abs=0.001)


@given(durations, durations, durations)
def test_merging_in_any_order_gives_the_same_and_survives_the_journal(a, b, c):
    one = Histogram().extend(a).merge(Histogram().extend(b)).merge(Histogram().extend(c))
    other = Histogram().extend(c).merge(Histogram.from_dict(Histogram().extend(b + a).to_dict()))
    assert one.summary() == other.summary() and one.count == len(a + b + c)


def test_a_large_skewed_sample():
    values = np.random.default_rng(7).lognormal(3, 1.5, 200_000)
    histogram = Histogram().extend(values)
    for p in (50, 90, 95, 99):
        assert histogram.percentile(p) == pytest.approx(exact(values, p), rel=1e-3)
    assert histogram.max == values.max() and histogram.mean == pytest.approx(values.mean())


@pytest.mark.slow
@pytest.mark.parametrize("skew", [0.8, 1.5, 2.5])
def test_ten_million_skewed_samples(skew):
    values = np.random.default_rng(11).lognormal(4, skew, 10_000_000)
    parts = [Histogram().extend(part.tolist()) for part in np.array_split(values, 7)]
    whole = Histogram()
    for k in np.random.default_rng(3).permutation(7):
        whole.merge(parts[k])
    assert whole.count == 10_000_000
    for p in (1, 5, 25, 50, 75, 90, 95, 99, 99.9, 99.99):
        assert whole.percentile(p) == pytest.approx(float(np.percentile(values, p)), rel=1e-3)


@given(st.lists(durations, min_size=2, max_size=6), st.randoms())
def test_parts_merge_in_any_order_and_grouping(parts, random):
    def merged(groups):
        total = Histogram()
        for group in groups:
            total.merge(Histogram().extend(group))
        return total

    one = merged(parts)
    shuffled = random.sample(parts, len(parts))
    other = merged(shuffled[:1]).merge(merged(shuffled[1:]))
    for histogram in (other, Histogram().extend(value for part in parts for value in part)):
        assert histogram._counts == one._counts and (histogram.min, histogram.max) == (one.min, one.max)
        assert all(histogram.percentile(p) == one.percentile(p) for p in range(101))


def test_negative_values_are_kept_and_counted():
    histogram = Histogram().extend([-250.0, -1.0, 0.0, 10.0])
    assert histogram.share_negative == 0.5 and histogram.min == -250.0
    assert histogram.percentile(25) == pytest.approx(-250, rel=1e-3) and histogram.percentile(75) == 0


def test_an_empty_one_says_nothing():
    assert Histogram().summary() == {"count": 0, "p50": None, "p90": None, "p95": None, "p99": None, "max": None}
    assert Histogram().mean is None


def test_cumulative_counts_are_those_of_the_samples():
    values = [-3.0, 0.0, 0.4, 1.0, 1.0, 9.99, 10.0, 250.0, 99_999.0]
    histogram = Histogram().extend(values)
    bounds = [0.5, 1.0, 10.0, 100.0, 1000.0]
    assert histogram.cumulative(bounds) == [sum(v <= b for v in values) for b in bounds] == [3, 5, 7, 7, 8]
    assert Histogram().cumulative(bounds) == [0] * 5
