import numpy as np
import pytest

from e2e.record.histogram import Histogram
from e2e.verdict.lag import Samples, Slope


def sampled(lags, start=100.0, offset=0.0):
    """A session whose lag is lags[k] in second k + 1 of its audio."""
    samples, histogram = Samples(), Histogram()
    samples.begin(start, offset)
    for k, lag in enumerate(lags, 1):
        samples.cursor = offset + k - lag
        samples.until(start + k + 0.5, lambda due, ms: histogram.add(ms))
    return samples, histogram


def test_lag_by_hand():
    samples, histogram = sampled([1.0, 2.0, 0.5], offset=60.0)
    assert histogram.count == 3 and (histogram.min, histogram.max) == (pytest.approx(500), pytest.approx(2000))
    slope = samples.slope()
    # x = 61, 62, 63; y = 1, 2, 0.5: sum of products -0.5, of squares 2.
    assert slope.value == pytest.approx(-0.25) and slope.error is None


def test_slope_is_that_of_least_squares_and_pools_sessions_at_their_own_levels():
    random, pooled, products, squares = np.random.default_rng(5), Slope(), 0.0, 0.0
    for level in (0.5, 3.0, 20.0):
        x = np.arange(1, 181)
        y = level + 0.1 * x + random.normal(0, 0.3, 180)
        alone = sampled(y)[0].slope()
        assert alone.value == pytest.approx(np.polyfit(x, y, 1)[0], rel=1e-6)
        pooled.merge(alone)
        products, squares = products + ((x - x.mean()) * y).sum(), squares + ((x - x.mean()) ** 2).sum()
    assert pooled.sessions == 3 and pooled.blocks == 54
    assert pooled.value == pytest.approx(products / squares)
    assert abs(pooled.value - 0.1) < 3 * pooled.error < 0.01


def test_the_error_knows_that_neighbours_are_alike():
    """A walk around 0: plain least squares is far too sure of a slope."""
    random, inside, sure = np.random.default_rng(1), 0, 0
    x = np.arange(1, 601)
    for _ in range(200):
        y, level = [], 0.0
        for shock in random.normal(0, 0.5, 600):
            level = 0.5 * level + shock
            y.append(level)
        slope = sampled(y)[0].slope()
        left = y - np.mean(y) - slope.value * (x - x.mean())
        plain = (left @ left / 598 / ((x - x.mean()) ** 2).sum()) ** 0.5
        inside += abs(slope.value) < 2 * slope.error
        sure += abs(slope.value) < 2 * plain
    assert inside >= 0.85 * 200 and inside > sure + 20


def test_hours_take_no_more_memory_than_minutes():
    samples, _ = sampled([2.0 + 0.001 * k for k in range(30_000)])
    assert len(samples._blocks) <= 64 and samples.n == 30_000
    assert samples.slope().value == pytest.approx(0.001)


def test_nothing_sampled_is_no_slope():
    assert Samples().slope().value is None and Slope().to_dict()["standard_error"] is None
    assert sampled([2.0])[0].slope().value is None
