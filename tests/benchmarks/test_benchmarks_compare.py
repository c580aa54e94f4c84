"""The arithmetic of the comparison and of the search, over trials that are made up."""

import math

import pytest

from benchmarks.compare import Comparison, Plan, search
from benchmarks.contestants import CONTESTANTS, PLAIN_LADDER
from benchmarks.table import BEGIN, END, table, write_docs
from benchmarks.trial import Lengths, Trial

PLAIN = CONTESTANTS["plain_websockets"]
PLAN = Plan(["plain_websockets"], {"plain_websockets": 600}, 1)


def trial(streams: int, on_time: bool = True, noise: float = 0.0, name: str = PLAIN.name, **changes) -> Trial:
    figures = {
        "contestant": name,
        "streams": streams,
        "started": 0.0,
        "us_per_chunk": 90.0,
        "jitter_ms": {"p50": 0.5, "p99": 2.0, "max": 9.0},
        "second_p99_ms": 2.0 if on_time else 50.0,
        "lost": 0,
        "strangers": 0,
        "kib": 20_000.0 + 16 * streams,
        "cpu": 0.5,
        "sink_cpu": 0.1,
        "noise": {"foreign": noise, "steal": 0.0},
        "messages": {"sent": 1, "received": 1},
        "own": {},
        "sink": {},
        "said": None,
    }
    return Trial(**(figures | changes))


class MadeUpBench:
    """A client that is on time up to a limit; `noisy_at` is a load at which the first try is spoiled."""

    def __init__(self, limit: int, noisy_at: int = 0) -> None:
        self.limit, self.noisy_at = limit, noisy_at
        self.asked: list[int] = []

    def trial(self, contestant, streams: int, lengths: Lengths, hurry: bool) -> Trial:
        self.asked.append(streams)
        if streams == self.noisy_at and self.asked.count(streams) == 1:
            return trial(streams, on_time=False, noise=0.2)
        return trial(streams, on_time=streams <= self.limit)


def found(bench: MadeUpBench, plan: Plan = PLAN, until: float = math.inf, known: int = 600) -> int:
    comparison = Comparison({PLAIN.name: trial(20)}, [{PLAIN.name: trial(known)}])
    comparison.searches[PLAIN.name] = search(bench, PLAIN, comparison, plan, until, lambda text: None)
    return comparison.on_time(PLAIN.name)


@pytest.mark.parametrize("limit", [0, 650, 700, 1050, 1399, 5000])
def test_the_search_finds_the_highest_rung_that_is_on_time(limit):
    best = max([600, *(rung for rung in PLAIN_LADDER if rung <= limit)])
    assert found(MadeUpBench(limit)) == best


def test_a_client_that_misses_its_comfortable_load_is_searched_below_it():
    comparison = Comparison({PLAIN.name: trial(20)}, [{PLAIN.name: trial(600, on_time=False)}])
    comparison.searches[PLAIN.name] = search(MadeUpBench(350), PLAIN, comparison, PLAN, math.inf, lambda text: None)
    assert comparison.on_time(PLAIN.name) == 300


def test_a_miss_in_noise_is_tried_again_and_one_in_silence_is_not():
    noisy = MadeUpBench(5000, noisy_at=1000)
    assert found(noisy) == max(PLAIN_LADDER)
    assert noisy.asked.count(1000) == 2
    quiet = MadeUpBench(0)
    found(quiet)
    assert len(quiet.asked) == len(set(quiet.asked))


def test_the_search_stops_when_time_is_up_and_below_the_limit_of_open_files():
    bench = MadeUpBench(5000)
    assert found(bench, until=0.0) == 600
    assert bench.asked == []
    assert found(bench, Plan([PLAIN.name], {PLAIN.name: 600}, 1, most=850)) == 800


def test_lost_chunks_and_strangers_are_never_on_time():
    assert trial(10).on_time
    assert not trial(10, lost=1).on_time
    assert not trial(10, strangers=1).on_time
    assert not trial(10, second_p99_ms=None).on_time


def test_memory_is_a_slope_and_figures_are_medians():
    costs = (80.0, 300.0, 90.0)
    batches = [{PLAIN.name: trial(600, us_per_chunk=cost)} for cost in costs]
    figures = Comparison({PLAIN.name: trial(20)}, batches).summary(PLAIN.name)
    assert figures["us_per_chunk"] == 90.0
    assert figures["kib_per_stream"] == pytest.approx(16)


RESULTS = {
    "started": "2030-01-02T03:04:05+00:00",
    "seconds": 600.0,
    "setup": {"cores": 2, "system": "Linux", "python": "3.11", "packages": {"uvloop": None, "e2e": "1"}},
    "noise": {"foreign": {"median": 0.01, "max": 0.02}, "steal": {"median": 0.0, "max": 0.0}},
    "raw": {"batches": [{}, {}, {}]},
    "engine": Comparison({"engine": trial(5, name="engine")}, [{"engine": trial(9, name="engine")}]).summary("engine"),
    "plain_websockets": Comparison({PLAIN.name: trial(5)}, [{PLAIN.name: trial(9)}]).summary(PLAIN.name),
    "c": Comparison({"c": trial(5, name="c")}, []).summary("c"),
}


def test_the_table_has_a_row_for_each_client_and_says_what_is_not_known():
    rows = table(RESULTS).splitlines()
    assert len(rows) == 2 + 3
    assert "| e2e | 90.0 (9 streams) | - | 1.00 | 9 | 16.00 | 0.5 / 2.0 / 9.0 ms |" in rows
    assert "- / - / - ms" in rows[-2] or "- / - / - ms" in rows[-1]


def test_the_figures_replace_those_on_the_page(tmp_path):
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    for _ in range(2):
        write_docs(RESULTS, page)
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n| client") and text.endswith(f"{END}\nafter\n")
    assert "old" not in text and text.count("| e2e |") == 1
    page.write_text("nothing")
    with pytest.raises(ValueError, match="no block"):
        write_docs(RESULTS, page)
