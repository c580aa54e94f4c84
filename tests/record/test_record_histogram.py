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


def test_negative_values_are_kept_and_counted():
    histogram = Histogram().extend([-250.0, -1.0, 0.0, 10.0])
    assert histogram.share_negative == 0.5 and histogram.min == -250.0
    assert histogram.percentile(25) == pytest.approx(-250, rel=1e-3) and histogram.percentile(75) == 0


def test_an_empty_one_says_nothing():
    assert Histogram().summary() == {"count": 0, "p50": None, "p90": None, "p95": None, "p99": None, "max": None}
    assert Histogram().mean is None
