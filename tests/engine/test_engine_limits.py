"""What the machine allows is asked before the load, and said with numbers."""

import math
import os
import resource
import subprocess
import sys

import pytest

from e2e import Load
from e2e.engine.limits import MARGIN_FILES, Limits, check_limits, raise_limits
from e2e.engine.machine import MachineMeter, open_files
from e2e.errors import UsageError

PLENTY = Limits(math.inf, math.inf)


def test_a_load_that_fits_is_not_refused():
    check_limits(Load.users(1000), Limits(1000 + MARGIN_FILES, 1000), 1.0)
    check_limits(Load.users(10**9), PLENTY)
    check_limits(Load.arrivals(50, "1h", at_most=5), Limits(5 + MARGIN_FILES, 5), 50.0)


@pytest.mark.parametrize(
    ("load", "limits", "rate", "said"),
    (
        (Load.users(1000), Limits(1024, math.inf), 100.0, ("1100", "1024", "ulimit")),
        (Load.stages(("1m", 300), ("1m", 10)), Limits(256, math.inf), 100.0, ("400", "256", "ulimit")),
        (Load.users(30_000), Limits(math.inf, 28_232), 100.0, ("30000", "28232", "sysctl")),
        (Load.arrivals(50, "1m"), PLENTY, 20.0, ("50", "20", "connects_per_second")),
        (Load.ramping_arrivals(("1m", 5), ("1m", 300)), PLENTY, 100.0, ("300", "100", "connects_per_second")),
    ),
)
def test_a_load_that_cannot_be_carried_is_refused_with_both_numbers_and_what_to_do(load, limits, rate, said):
    with pytest.raises(UsageError) as refused:
        check_limits(load, limits, rate)
    assert all(word in str(refused.value) for word in said), str(refused.value)


def test_the_soft_limit_of_files_is_raised_to_the_hard_one():
    program = (
        "import resource; from e2e.engine.limits import raise_limits\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE), raise_limits().files)"
    )

    def lowered():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 500))

    out = subprocess.run(
        [sys.executable, "-c", program], preexec_fn=lowered, capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "(64, 500) 500"


def test_the_ports_are_those_of_the_system(tmp_path):
    range_file = tmp_path / "range"
    range_file.write_text("32768\t60999\n")
    assert raise_limits(range_file).ports == 28_232
    assert raise_limits(tmp_path / "absent").ports == math.inf
    range_file.write_text("nonsense")
    assert raise_limits(range_file).ports == math.inf


def test_open_files_are_counted():
    before = open_files()
    if before is None:
        pytest.skip("this system does not say")
    handles = [open(os.devnull) for _ in range(25)]  # noqa: SIM115
    assert open_files() == before + 25
    for handle in handles:
        handle.close()


def test_open_files_are_unknown_where_the_system_does_not_say(tmp_path):
    assert open_files(tmp_path) is None


def stat(proc, *ticks):
    (proc / "stat").write_text(f"cpu  {' '.join(map(str, ticks))} 0 0\ncpu0 1 2 3\n")


def test_shares_of_the_machine_are_those_between_two_looks(tmp_path):
    second = os.sysconf("SC_CLK_TCK")
    stat(tmp_path, 0, 0, 0, 0, 0, 0, 0, 0)
    meter = MachineMeter(tmp_path)
    # Of two cores in five seconds: 3 s user, 1 s system, 5 s idle, 1 s stolen; 2.5 s of them were ours.
    stat(tmp_path, 3 * second, 0, second, 5 * second, 0, 0, 0, second)
    shares = meter.shares(2.5)
    assert (shares.steal, shares.foreign) == pytest.approx((0.1, 0.15))
    assert meter.shares(0.0) is None  # no time has passed
    stat(tmp_path, 4 * second, 0, second, 5 * second, 0, 0, 0, second)
    assert meter.shares(9.0).foreign == 0.0  # what we count is coarser than what is measured


@pytest.mark.parametrize("text", ("", "cpu 1 2\n", "intr 5\n", "cpu a b c d e f g h\n"))
def test_a_system_that_does_not_say_gives_no_shares(tmp_path, text):
    assert MachineMeter(tmp_path).shares(0.0) is None
    (tmp_path / "stat").write_text(text)
    meter = MachineMeter(tmp_path)
    assert meter.shares(0.0) is None
