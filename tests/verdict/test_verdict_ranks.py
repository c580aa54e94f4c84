"""The rank-sum test, against all ways to divide the ranks, and how it behaves where nothing has moved."""

from itertools import combinations

import numpy as np
import pytest

from e2e.verdict import moved, ranks
from e2e.verdict.moved import ALPHA, Smallest, compare_samples
from e2e.verdict.ranks import holm, rank_sum, shift, tail
from e2e.verdict.samples import FEW_SESSIONS, MAX_BLOCKS, MAX_VALUES, Blocks, Samples


def by_hand(before, after):
    """Two-sided p-value from every way to choose who is `before`; ties share their mean rank."""
    values = sorted([*before, *after])
    rank = {v: sum(i + 1 for i, x in enumerate(values) if x == v) / values.count(v) for v in values}
    seen = sum(rank[v] for v in before)
    sums = [sum(chosen) for chosen in combinations([rank[v] for v in (*before, *after)], len(before))]
    low, high = sum(s <= seen for s in sums), sum(s >= seen for s in sums)
    return min(1.0, 2 * min(low, high) / len(sums))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([1, 2, 3, 4, 5], [6, 7, 8, 9]),
        ([6, 7, 8, 9.5], [1, 2, 3, 4, 5, 9]),
        ([1, 1, 2, 2, 3], [2, 2, 2, 4, 5, 1]),
        ([5, 5, 5], [5, 5, 5, 5]),
        ([1], [2, 3, 4]),
        ([0.1, -3, 7, 2, 2, 8], [2, 8, 8, 8, 9]),
    ],
)
def test_the_p_value_of_few_numbers_is_exact(before, after):
    assert rank_sum(before, after) == pytest.approx(by_hand(before, after), abs=1e-12)
    assert rank_sum(after, before) == pytest.approx(rank_sum(before, after), abs=1e-12)


def test_eight_against_eight_that_do_not_overlap():
    assert rank_sum(range(8), range(8, 16)) == pytest.approx(2 / 12870)


def test_nothing_can_be_said_of_nothing():
    assert rank_sum([], [1, 2]) == rank_sum([1], []) == 1.0


@pytest.mark.parametrize("apart", (0.0, 0.4, 0.8))
@pytest.mark.parametrize("digits", (6, 0))
def test_of_many_numbers_the_approximation_says_nearly_the_same(monkeypatch, apart, digits):
    source = np.random.default_rng(5)
    before, after = source.normal(0, 1, 20).round(digits), (source.normal(0, 1, 20) + apart).round(digits)
    exact = rank_sum(list(before), list(after))
    monkeypatch.setattr(ranks, "EXACT", 0)
    assert rank_sum(list(before), list(after)) == pytest.approx(exact, rel=0.2)


def test_of_many_numbers_with_ties_the_p_value_is_that_of_scipy():
    before, after = [k * 7 % 50 / 10 for k in range(30)], [k * 11 % 50 / 10 + 0.5 for k in range(30)]
    # scipy.stats.mannwhitneyu(before, after, method="asymptotic")
    assert rank_sum(before, after) == pytest.approx(0.24272082617824575, rel=1e-12)


def test_holm_and_the_shift():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == [] and holm([0.9, 0.8]) == [1.0, 1.0]
    assert shift([1, 2, 3], [11, 12, 13]) == 10


def test_blocks_are_thinned_and_stay_whole():
    blocks = Blocks()
    for index in range(1000):
        for value in range(3):
            if index % blocks.stride == 0:
                blocks.add(index, value)
    assert MAX_BLOCKS // 2 <= len(blocks.blocks) <= MAX_BLOCKS
    assert list(blocks.blocks) == list(range(0, 1000, 8))
    assert blocks.rows() == [[1.0, 2.0, 3]] * 125


def test_a_long_block_keeps_no_value_and_says_the_same():
    blocks = Blocks()
    for value in range(3 * MAX_VALUES + 7):
        blocks.add(0, float(value))
    ((p50, p95, n),) = blocks.rows()
    assert len(blocks.blocks[0]) == 7 and n == 3 * MAX_VALUES + 7
    assert p50 == pytest.approx(n * 0.5, rel=0.001) and p95 == pytest.approx(n * 0.95, rel=0.001)


def test_stretches_of_time_are_for_runs_with_few_sessions():
    few, many = Samples(), Samples()
    for number in range(FEW_SESSIONS + 1):
        many.add(1.0, number, 0)
    for stretch in range(20):
        few.add(1.0, 0, stretch)
    assert len(few.to_dict()["stretches"]) == 20 and len(few.to_dict()["sessions"]) == 1
    assert many.to_dict()["stretches"] == []


METRICS = ("ready", "first_segment", "segment_emission", "finalisation", "handshake")


def run(source, sessions=16, each=15, level=0.0, metrics=METRICS, apart=()):
    """Sessions with a level of their own, whose samples drift: neighbours are alike."""
    rows = {}
    for metric in metrics:
        own = source.lognormal(4, 0.4, (sessions, 1))
        drift = np.cumsum(source.normal(0, 5, (sessions, each)), axis=1)
        samples = own + drift + (level if metric in apart else 0.0)
        rows[metric] = samples
    return rows


def blocks(samples):
    return {
        metric: {"sessions": [[float(np.median(s)), float(s.max()), len(s)] for s in rows], "stretches": []}
        for metric, rows in samples.items()
    }


def naive(samples):
    return {
        metric: {"sessions": [[float(x), float(x), 1] for x in rows.ravel()], "stretches": []}
        for metric, rows in samples.items()
    }


def moved_in(times, how, monkeypatch):
    """In how many of so many comparisons of equal runs anything is called moved, however small it is."""
    monkeypatch.setattr(moved, "shift", lambda a, b: 1.0)  # the test alone decides
    source = np.random.default_rng(11)
    found = (compare_samples(how(run(source)), how(run(source)), Smallest(0.0, 0.0)) for _ in range(times))
    return sum(any(m.says in ("slower", "quicker") for m in moves) for moves in found)


def test_equal_runs_are_called_moved_in_no_larger_share_than_is_stated(monkeypatch):
    # Of 200 with a chance of 1 % each, 7 or more come in less than one of 200 suites.
    assert ALPHA == 0.01
    assert moved_in(200, blocks, monkeypatch) <= 6


def test_without_blocks_the_stated_share_would_be_wrong(monkeypatch):
    """What the blocks are for: samples of one session, taken as if they knew nothing of each other."""
    assert moved_in(20, naive, monkeypatch) >= 10


def test_a_shift_is_found_and_only_where_it_is():
    source = np.random.default_rng(3)
    before = blocks(run(source, sessions=30))
    moves = compare_samples(before, blocks(run(source, sessions=30, level=200.0, apart=("ready",))))
    says = {m.metric: m.says for m in moves}
    assert says == {metric: "slower" if metric == "ready" else "same" for metric in METRICS}
    (ready,) = [m for m in moves if m.metric == "ready"]
    assert ready.shift == pytest.approx(200, rel=0.25) and ready.p < 0.001


def test_what_is_certain_but_tiny_is_no_move():
    rows = [[100.0 + k / 1000, 100.0, 5] for k in range(20)]
    later = [[value + 2.0, p95, n] for value, p95, n in rows]
    (move,) = compare_samples({"ready": {"sessions": rows}}, {"ready": {"sessions": later}})
    assert move.says == "small" and move.p < 0.001 and move.shift == pytest.approx(2.0)
    sooner = [[value / 2, p95, n] for value, p95, n in rows]
    (move,) = compare_samples({"ready": {"sessions": rows}}, {"ready": {"sessions": sooner}})
    assert move.says == "quicker"


def test_near_zero_it_is_the_spread_that_says_what_is_small():
    rows = [[20.0 * k - 200.0, 0.0, 5] for k in range(21)] * 4  # the median is 0, the middle half 200 wide
    for by, says in ((100.0, "small"), (250.0, "slower")):
        later = [[value + by, p95, n] for value, p95, n in rows]
        sides = ({"segment_emission": {"sessions": side}} for side in (rows, later))
        move = compare_samples(*sides, Smallest(share=1.0))[0]
        assert (move.says, move.shift) == (says, pytest.approx(by)) and move.before == 0.0


def test_the_tail_alone_can_move():
    rows = [[100.0 + k, 150.0 + k, 50] for k in range(20)]
    tail = [[p50, p95 + 100, n] for p50, p95, n in rows]
    moves = compare_samples({"ready": {"sessions": rows}}, {"ready": {"sessions": tail}})
    assert {m.statistic: m.says for m in moves} == {"p50": "same", "p95": "slower"}


def test_a_fifth_of_slow_sessions_moves_no_median_and_is_found():
    rows = [[100.0 + k / 10, 0.0, 1] for k in range(100)]
    slow = [[value + 500.0 * (k % 5 == 0), p95, n] for k, (value, p95, n) in enumerate(rows)]
    moves = compare_samples({"ready": {"sessions": rows}}, {"ready": {"sessions": slow}})
    assert {m.statistic: m.says for m in moves} == {"p50": "same", "p95": "slower"}
    assert moves[1].shift == pytest.approx(500, abs=10) and moves[0].shift < 10
    assert moves[1].before == pytest.approx(109.4) and moves[1].blocks == (100, 100)
    few = compare_samples({"ready": {"sessions": rows[:39]}}, {"ready": {"sessions": slow[:39]}})
    assert [m.statistic for m in few] == ["p50"]


def test_the_tail_is_counted():
    # The 2 above the 90th percentile of 20 are both of `after`: 45 of 190 ways, and none is more extreme.
    assert tail(range(10), range(10, 20)) == pytest.approx(2 * 45 / 190)
    assert tail(range(10), range(10)) == 1.0 and tail([], [1.0]) == 1.0
    assert tail([5.0] * 10, [5.0] * 10) == 1.0


def test_the_tail_of_equal_runs_is_called_moved_no_more_often_than_stated():
    source = np.random.default_rng(2)
    p = [tail(list(source.lognormal(0, 1, 60)), list(source.lognormal(0, 1, 50))) for _ in range(400)]
    assert sum(value <= 0.05 for value in p) <= 35  # 20 are expected at most


def test_few_blocks_say_nothing_and_stretches_stand_in_for_few_sessions():
    few = {"sessions": [[1.0, 1.0, 9]] * 7, "stretches": [], "p50": 1.0}
    (move,) = compare_samples({"ready": few}, {"ready": {**few, "p50": 900.0}})
    assert (move.says, move.before, move.after, move.p) == ("few", 1.0, 900.0, None)
    one = {"sessions": [[1.0, 1.0, 90]], "stretches": [[10.0 + k, 0.0, 3] for k in range(30)]}
    late = {**one, "stretches": [[60.0 + k, 0.0, 3] for k in range(30)]}
    (move,) = compare_samples({"transcript_lag": one}, {"transcript_lag": late})
    assert (move.unit, move.says, move.blocks) == ("stretch", "slower", (30, 30))
