"""Load models as data: when devices begin and end, as pure functions of a load and a seed."""

import math
from itertools import chain, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e import Load
from e2e.engine.curve import crossings, fill_times
from e2e.engine.options import Options, parse_load
from e2e.errors import ScenarioError, UsageError


def moves(load: Load, **share) -> list[tuple[float, str]]:
    return [(c.at, f"{'+' if c.begins else '-'}{c.place}") for c in load.changes(**share)]


# Closed loads


@pytest.mark.parametrize(
    ("load", "expected"),
    (
        (Load.users(2, ramp="4s"), [(0.0, "+0"), (2.0, "+1")]),
        (
            Load.stages(("2s", 2), ("1s", 2), ("2s", 0)),
            # The last one ends with the load itself.
            [(0.0, "+0"), (1.0, "+1"), (4.0, "-1")],
        ),
        (Load.stages((0, 2), ("3s", 2)), [(0.0, "+0"), (0.0, "+1")]),
        (Load.stages(("2s", 1), ("1s", 3), ("2s", 2), ("1s", 3)), None),
        (
            Load.spike(1, 3, after="2s", lasting="1s", total="4s"),
            [(0.0, "+0"), (2.0, "+1"), (2.0, "+2"), (3.0, "-2"), (3.0, "-1")],
        ),
        (Load.soak(2, duration="1h", ramp="2s"), [(0.0, "+0"), (1.0, "+1")]),
    ),
)
def test_places_are_wanted_and_given_up_where_the_curve_says(load, expected):
    if expected is not None:
        assert moves(load) == expected
    wanted: set[int] = set()
    for change in load.changes():
        assert (change.place in wanted) is not change.begins
        wanted ^= {change.place}
        assert len(wanted) <= load.count
        assert wanted == set(range(len(wanted)))  # the newest place is the first to go


@given(st.lists(st.tuples(st.integers(1, 100), st.integers(0, 30)), min_size=1, max_size=6))
def test_at_each_instant_there_are_as_many_places_as_the_line_has_reached(stages):
    if not any(level for _, level in stages):
        return
    load = Load.stages(*stages)
    places = 0
    for at, _, rising in crossings(load.curve):
        before, after = next(((p, q) for p, q in pairwise(load.curve) if p[0] <= at <= q[0] and p[1] != q[1]))
        level = before[1] + (at - before[0]) * (after[1] - before[1]) / (after[0] - before[0])
        places += 1 if rising else -1
        assert -1e-6 <= places - level <= 1 + 1e-6 or at in (before[0], after[0])
    assert places == stages[-1][1]


def test_a_new_device_in_a_place_has_a_number_of_its_own_whatever_ends_first():
    load = Load.soak(3, duration="1h", churn="10s")
    numbers = {load.device(place, life) for place in range(3) for life in range(50)}
    assert len(numbers) == 150
    assert load.device(2, 0) == 2


def test_lives_are_drawn_by_seed_and_device_and_are_as_long_as_said_on_average():
    load = Load.soak(3, duration="1h", churn="10s")
    lives = [load.life(7, n) for n in range(2000)]
    assert lives == [load.life(7, n) for n in range(2000)]
    assert lives != [load.life(8, n) for n in range(2000)]
    assert sum(lives) / len(lives) == pytest.approx(10, rel=0.1)
    assert Load.soak(3, churn=None).life(7, 0) is None and Load.users(3).life(7, 0) is None


# Open loads


def test_even_arrivals_come_at_their_rate_the_first_at_once():
    assert Load.arrivals(2, "2s").starts() == [0.0, 0.5, 1.0, 1.5]
    assert len(Load.arrivals(5, "2m").starts()) == 600
    assert Load.arrivals(0.5, "4s").starts() == [0.0, 2.0]


def test_a_ramp_of_arrivals_fills_the_area_under_its_line():
    starts = Load.ramping_arrivals(("10s", 10), ("10s", 10), ("10s", 0)).starts()
    assert len(starts) == 50 + 100 + 50
    assert starts == sorted(starts) and starts[0] == 0.0 and starts[-1] < 30
    assert sum(10 <= at < 20 for at in starts) == 100
    assert starts[25] == pytest.approx(math.sqrt(50))  # at^2 / 2 devices have arrived by then


def test_a_rate_that_pauses_goes_on_where_it_was():
    assert list(fill_times(((0, 1), (2, 1), (2, 0), (5, 0), (5, 1), (7, 1)), range(9))) == [0, 1, 5, 6]


def test_random_arrivals_are_decided_by_the_seed_and_come_at_the_rate_on_average():
    load = Load.arrivals(50, "40s", jitter=True)
    assert moves(load, seed=1) == moves(load, seed=1) != moves(load, seed=2)
    starts = [c.at for c in load.changes(3)]
    assert len(starts) == pytest.approx(2000, rel=0.1)
    gaps = [b - a for a, b in pairwise(starts)]
    # Of a Poisson process: the standard deviation of the gaps is their mean.
    mean = sum(gaps) / len(gaps)
    assert math.sqrt(sum((g - mean) ** 2 for g in gaps) / len(gaps)) == pytest.approx(mean, rel=0.15)


# Shares


@pytest.mark.parametrize(
    "load",
    (
        Load.users(7, ramp="5s"),
        Load.stages(("5s", 7), ("5s", 2)),
        Load.arrivals(3, "5s", jitter=True),
    ),
)
def test_workers_together_do_what_one_would(load):
    shares = [list(load.changes(5, worker, 3)) for worker in range(3)]
    assert sorted(chain.from_iterable(shares)) == sorted(load.changes(5))
    assert all(shares)


# What makes no sense


@pytest.mark.parametrize(
    "make",
    (
        lambda: Load.stages(),
        lambda: Load.stages(("30s", 0)),
        lambda: Load.stages((0, 5)),
        lambda: Load.stages(("30s", 2.5)),
        lambda: Load.stages(("30s", -1)),
        lambda: Load.stages("30s"),
        lambda: Load.stages(("soon", 5)),
        lambda: Load.spike(1, 5, after="2m", lasting="2m", total="3m"),
        lambda: Load.soak(0),
        lambda: Load.soak(5, duration="1m", ramp="2m"),
        lambda: Load.soak(5, churn="never"),
        lambda: Load.arrivals(0, "1m"),
        lambda: Load.arrivals(-1, "1m"),
        lambda: Load.arrivals(float("inf"), "1m"),
        lambda: Load.arrivals("5", "1m"),
        lambda: Load.arrivals(5, "1m", at_most=0),
        lambda: Load.ramping_arrivals(("1m", 0)),
        lambda: Load.users(True),
    ),
)
def test_a_load_that_makes_no_sense_is_refused_where_it_is_declared(make):
    with pytest.raises(ScenarioError):
        make()


def test_each_load_says_in_one_line_what_it_is():
    assert Load.users(3, ramp="10s").describe() == "3 users, begun within 10 s"
    assert Load.arrivals(5, "2m", at_most=9).describe() == "arrivals (5 a second), for 120 s, at most 9 at once"
    assert Load.stages(("30s", 10), ("1m", 0)).describe() == "stages (0 s: 0, 30 s: 10, 90 s: 0), for 90 s"


# From the command line


def asked(*, users=None, ramp=None, rate=None, stages=(), at_most=None, duration=None) -> Load | None:
    return parse_load(users, ramp, rate, stages, at_most, duration)


def test_the_command_line_says_the_same_as_a_script_would():
    assert asked() is None
    assert asked(users=5, ramp="3s") is None  # changes the load of the script
    assert asked(rate="5/s", duration=120.0) == asked(rate="5", duration=120.0) == Load.arrivals(5, "2m")
    assert asked(rate="0.5", duration=60.0, at_most=3) == Load.arrivals(0.5, "1m", at_most=3)
    assert asked(stages=("30s:100", "2m:500")) == Load.stages(("30s", 100), ("2m", 500))
    assert asked(stages=("1m:5/s", "1m:0/s"), at_most=7) == Load.ramping_arrivals(("1m", 5), ("1m", 0), at_most=7)


@pytest.mark.parametrize(
    ("wrong", "said"),
    (
        ({"rate": "5"}, "--rate needs --duration"),
        ({"rate": "many", "duration": 5.0}, "5 or 5/s"),
        ({"rate": "-5", "duration": 5.0}, "5 or 5/s"),
        ({"rate": "5", "stages": ("1m:5/s",), "duration": 5.0}, "--rate and --stage exclude each other"),
        ({"rate": "5", "users": 3, "duration": 5.0}, "--users and --rate exclude each other"),
        ({"stages": ("1m:5",), "ramp": "5s"}, "--ramp and --stage exclude each other"),
        ({"users": 5, "at_most": 3}, "--at-most"),
        ({"stages": ("1m:5",), "at_most": 3}, "--at-most"),
        ({"stages": ("1m:5", "1m:5/s")}, "write it as"),
        ({"stages": ("1m",)}, "write it as"),
        ({"stages": ("1m:five",)}, "five"),
        ({"stages": ("1m:2.5",)}, "write it as"),
        ({"stages": ("later:5",)}, "not a duration"),
    ),
)
def test_what_does_not_go_together_is_one_clear_error(wrong, said):
    with pytest.raises(UsageError, match=said):
        asked(**wrong)


def test_a_duration_is_of_the_audio_for_users_and_of_the_load_for_others():
    options = Options(duration=20.0)
    assert options.applied_to(Load.users(3)) == (Load.users(3), options)
    load, rest = options.applied_to(Load.soak(3, duration="8h"))
    assert load.length == 20.0 and rest.duration is None and load.count == 3
    longer, _ = Options(duration=90.0).applied_to(Load.ramping_arrivals(("30s", 10)))
    assert len(longer.starts()) == 150 + 600  # at its last rate until then
    shorter, _ = Options(duration=10.0).applied_to(Load.stages(("20s", 10), ("20s", 0)))
    assert moves(shorter) == [(float(2 * n), f"+{n}") for n in range(5)]


def test_users_and_ramp_change_the_load_of_the_script_where_it_has_them():
    assert Options(users=3, ramp=5.0).applied_to(Load.users(9))[0] == Load.users(3, ramp="5s")
    assert Options(users=3).applied_to(Load.soak(9, ramp="9s"))[0] == Load.soak(3, ramp="9s")
    for options, load in (
        (Options(users=3), Load.stages(("1m", 5))),
        (Options(users=3), Load.arrivals(5, "1m")),
        (Options(ramp=3.0), Load.soak(5)),
    ):
        with pytest.raises(UsageError, match="load of"):
            options.applied_to(load)
    with pytest.raises(UsageError, match="--duration and --chunks"):
        Options(duration=5.0, chunks=3).applied_to(Load.users(1))
