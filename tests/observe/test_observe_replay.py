"""A command that is started again may say again what it said: that is left out, and nothing else."""

import random

import pytest

from e2e.observe.replay import Replay


def told(*runs, known=1000):
    replay, found = Replay(known), []
    for number, run in enumerate(runs):
        if number:
            found += replay.restarted()
        for line in run:
            found += replay.lines(line.encode(), len(line) + 1)
    found += replay.ended()
    return [line.decode() for line, _ in found]


@pytest.mark.parametrize(
    ("runs", "lines"),
    [
        ((["1", "2"], ["1", "2", "3"]), "123"),
        ((["1", "2", "3"], ["3", "4"]), "1234"),
        ((["1", "2"], ["3", "4"]), "1234"),
        ((["1", "2"], ["1", "3"]), "1213"),
        ((["1", "2", "3"], ["1"]), "1231"),  # it ended again before it came to what is new: nothing is lost
        ((["1", "2"], ["1", "2", "3"], ["1", "2", "3", "4"]), "1234"),
        ((["1", "2"], [], ["1", "2", "3"]), "123"),
        (([], ["1"]), "1"),
    ],
)
def test_replays(runs, lines):
    assert told(*runs) == list(lines)


def test_nothing_that_was_not_said_before_is_left_out():
    rng = random.Random(1)
    for _ in range(300):
        runs = [[rng.choice("abc") for _ in range(rng.randrange(8))] for _ in range(3)]
        unique = [[*run, f"new {n}"] for n, run in enumerate(runs)]
        found = told(*unique, known=rng.choice([2, 1000]))
        assert [line for line in found if "new" in line] == ["new 0", "new 1", "new 2"]
