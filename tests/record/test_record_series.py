from hypothesis import given
from hypothesis import strategies as st

from e2e.record.histogram import Histogram
from e2e.record.series import Series


def test_one_second_steps_until_there_are_too_many():
    series = Series(Histogram, limit=4)
    for t, ms in ((-1.0, 1.0), (0.2, 3.0), (0.9, 5.0), (3.5, 7.0)):
        series.at(t).add(ms)
    assert series.step == 1.0 and [(t, h.count, h.max) for t, h in series] == [(0, 3, 5.0), (3, 1, 7.0)]
    series.at(9.0).add(9.0)  # the tenth second: steps of 4 s
    assert series.step == 4.0 and [(t, h.count, h.max) for t, h in series] == [(0, 4, 7.0), (8, 1, 9.0)]


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(-1000, 1000)), max_size=60))
def test_nothing_is_lost_and_its_length_is_bounded(samples):
    series = Series(Histogram, limit=16)
    for t, ms in samples:
        series.at(t).add(ms)
    assert len(series) <= 16
    assert series.total().summary() == Histogram().extend(ms for _, ms in samples).summary()
    for t, ms in samples:
        assert series.at(t).min <= ms <= series.at(t).max
