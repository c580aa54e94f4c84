"""The run over time: what each step counts, also when steps are merged, and when samples come a little late."""

import pytest

from e2e.verdict.load_curves import LoadCurves
from tests.report.runs import busy
from tests.verdict.journals import judged


def curves(*records):
    load = LoadCurves()
    for t, type, fields in records:
        load.take({"t": t, "type": type, **fields})
    load.close(records[-1][0])
    return load


def second(t, n=10, **fields):
    sends = {"n": n, "late": 1, "streams": 1}
    return ((t, "sends", sends), (t + 0.001, "generator", {"cpu": 0.5, "rss_mb": 60.0, **fields}))


def test_rates_are_over_the_time_between_samples_not_over_the_step():
    # The second sample comes late, so that a step holds none, and the third in time.
    told = curves(*second(0.99), *second(2.01), *second(2.99)).to_dict()
    assert told["t"] == [0, 2] and told["chunks_per_s"] == [10.1, 10.0] and told["late_share"] == [0.1, 0.1]


def test_levels_are_the_most_and_processor_time_the_mean_of_a_step():
    load = curves(*second(0.2, open_sessions=3, planned=9), *second(0.8, open_sessions=5, cpu=0.1, rss_mb=70.0))
    told = load.to_dict()
    assert told["open"] == [5] and told["planned"] == [9] and told["active"] == [None]
    assert told["cpu"] == {"generator": [0.3]} and told["rss_mb"] == {"generator": [70.0]}


def test_messages_and_failures_of_probes_are_none_of_the_stream():
    probe = {"sid": "p1", "event": "connecting", "probe": True}
    load = curves(
        (0.1, "session", probe),
        (0.2, "message", {"sid": "p1"}),
        (0.3, "session", {"sid": "p1", "event": "failed"}),
        (0.4, "message", {"sid": "s1"}),
        (0.5, "session", {"sid": "s1", "event": "failed"}),
        (0.6, "error_line", {"noise": True}),
        (0.7, "error_line", {"noise": False}),
        (0.8, "import_error", {}),
        (2.0, "message", {"sid": "s1"}),
    )
    told = load.to_dict()
    assert told["sessions_failed"] == [1, 0] and told["error_lines"] == [1, 0] and told["import_errors"] == [1, 0]
    assert sum(step.messages for _, step in load.steps) == 2 and told["messages_per_s"] == [None, 1.0]


def test_hours_keep_every_count_in_a_bounded_number_of_points():
    records = [record for t in range(1, 2001) for record in second(t)]
    load = curves(*records, (2000.5, "error_line", {}))
    told = load.to_dict()
    assert (
        told["step_s"] == 8
        and len(told["t"]) <= 320
        and set(map(len, (told["open"], told["cpu"]["generator"]))) == {251}
    )
    assert sum(step.chunks for _, step in load.steps) == 20_000 and sum(told["error_lines"]) == 1
    assert all(rate == pytest.approx(10, rel=0.01) for rate in told["chunks_per_s"][1:])


def test_services_without_end_take_no_memory_without_end():
    load = curves(*((0.5, "resources", {"service": f"s{n}", "cpu": 0.1, "rss_mb": 1.0}) for n in range(100)))
    assert len(load.to_dict()["cpu"]) < 12


def test_a_run_has_them_with_the_totals_of_its_counters(tmp_path):
    _, _, summary = judged(busy(tmp_path / "r", users=3, seconds=20))
    load = summary["series"]["load"]
    assert max(v for v in load["open"] if v is not None) == 3 and sum(load["sessions_failed"]) == 1
    assert set(load["cpu"]) == {"backend", "pusher", "generator"}
    columns = [v for k, v in load.items() if isinstance(v, list)] + [*load["cpu"].values(), *load["rss_mb"].values()]
    assert {len(column) for column in columns} == {len(load["t"])}
