"""`/metrics` as Prometheus would read it, and addresses that cannot be served."""

import math
import socket
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, generate_latest, parser
from prometheus_client.openmetrics import parser as strict

from e2e.errors import UsageError
from e2e.live.prometheus import Collector, parse_address, prometheus_endpoint
from e2e.verdict.live import LiveFigures

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def scrape(port: int, accept: str = "text/plain") -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=10) as answer:
        kind = answer.headers["Content-Type"]
        assert ("openmetrics" in kind) == ("openmetrics" in accept) and ("0.0.4" in kind) == (accept == "text/plain")
        return answer.read().decode()


def samples(text: str, reader=parser) -> dict[tuple, float]:
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in reader.text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_figures_are_served_in_both_formats(figures):
    with prometheus_endpoint(figures, ":0") as port:
        plain = samples(scrape(port))
        assert {k: v for k, v in samples(scrape(port, OPENMETRICS), strict).items()} == plain
    assert plain["e2e_chunks_sent_total",] == 10 and plain["e2e_chunks_planned_total",] == 300
    assert plain["e2e_messages_total", ("type", "transcript")] == figures.messages["transcript"] > 0
    assert plain["e2e_sessions_total", ("event", "failed")] == 1
    assert plain["e2e_session_failures_total", ("reason", "closed")] == 1
    assert plain["e2e_session_closes_total", ("code", "1011")] == 1
    assert plain["e2e_streams",] == 2 and plain["e2e_devices_active",] == 2 and plain["e2e_devices_planned",] == 3
    assert plain["e2e_phase", ("phase", "stream")] == 1 and plain["e2e_phase", ("phase", "boot")] == 0
    assert plain["e2e_service_up", ("service", "backend")] == 1
    assert plain["e2e_service_memory_bytes", ("service", "backend")] == 310 * 2**20
    assert plain["e2e_generator_loop_lag_seconds",] == pytest.approx(0.0012)
    assert plain["e2e_arrivals_dropped_total",] == 7 and plain["e2e_import_errors",] == 1
    (info,) = [dict(name[1:]) for name in plain if name[0] == "e2e_run_info"]
    assert (info["scenario"], info["target"], info["pace"]) == ("smoke", "standin", "realtime") and info["run_id"]
    # A histogram has the buckets of its samples.
    ready = figures.latencies["ready"]
    metric = ("metric", "ready")
    assert plain["e2e_latency_seconds_count", metric] == ready.count == 3
    assert plain["e2e_latency_seconds_sum", metric] == pytest.approx(ready.sum / 1000)
    bound = {dict(k[1:])["le"]: v for k, v in plain.items() if k[0] == "e2e_latency_seconds_bucket" and metric in k}
    assert (bound["0.025"], bound["0.05"], bound["+Inf"]) == (0, 3, 3)  # 40 ms each
    counts = [bound[le] for le in sorted(bound, key=lambda le: math.inf if le == "+Inf" else float(le))]
    assert counts == sorted(counts)
    lateness = plain["e2e_send_lateness_seconds_bucket", ("le", "0.0005")]
    assert lateness == figures.generator.lateness.count == 10


def test_words_of_services_stay_inside_their_labels(hostile_figures):
    with prometheus_endpoint(hostile_figures, ":0") as port:
        text = scrape(port)
    plain = samples(text)
    (kind,) = [dict(name[1:])["type"] for name in plain if name[0] == "e2e_messages_total" and "evil" in str(name)]
    assert kind.startswith('evil "\\quoted\\" # HELP') and len(kind) <= 80 and "\x1b" not in text


def test_before_anything_is_known_there_are_no_wrong_zeros():
    registry = CollectorRegistry()
    registry.register(Collector(LiveFigures()))
    plain = samples(generate_latest(registry).decode())
    assert plain["e2e_chunks_sent_total",] == 0
    assert not [name for name in plain if name[0] in ("e2e_left_seconds", "e2e_generator_cpu_cores", "e2e_run_info")]


def test_a_port_in_use_is_one_error_and_a_served_one_is_free_again(figures):
    with prometheus_endpoint(figures, ":0") as port:
        taken = pytest.raises(UsageError, match=f"cannot listen on port {port} of 127.0.0.1: .*in use")
        with taken, prometheus_endpoint(figures, f":{port}"):
            pass
    with prometheus_endpoint(figures, f":{port}") as again:
        assert again == port
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_without_a_host_nobody_else_is_served():
    assert parse_address(":9464") == ("127.0.0.1", 9464)
    assert parse_address("0.0.0.0:9464") == ("0.0.0.0", 9464)
    assert parse_address("[::1]:9464") == ("::1", 9464)
    for wrong in ("9464", ":", ":http", "::1:9464", ":-1", "", ":९"):
        with pytest.raises(UsageError, match="write it as :9464"):
            parse_address(wrong)
    with pytest.raises(UsageError, match="a port is a number from 0 to 65535"):
        parse_address(":99999")


def test_a_host_that_is_none_is_one_error(figures):
    nobody = pytest.raises(UsageError, match=r"cannot listen on port 9464 of 192\.0\.2\.1")
    with nobody, prometheus_endpoint(figures, "192.0.2.1:9464"):
        pass


def test_without_the_extra_the_command_to_get_it_is_said(figures, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "prometheus_client", None)
    with pytest.raises(UsageError, match=r"pip install 'e2e\[metrics\]'"), prometheus_endpoint(figures, ":0"):
        pass
