"""OpenTelemetry: what arrives at a receiver that speaks OTLP over HTTP, and what is never sent."""

import logging
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from e2e.errors import UsageError
from e2e.live.otel import endpoint_of, otel_push


class Receiver:
    """An OTLP receiver on loopback; `status` is what it answers, `location` where it sends its clients instead."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict, ExportMetricsServiceRequest]] = []
        self.status, self.location = 200, None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    import gzip

                    body = gzip.decompress(body)
                message = ExportMetricsServiceRequest.FromString(body)
                outer.requests.append((self.path, dict(self.headers), message))
                self.send_response(outer.status)
                if outer.location:
                    self.send_header("Location", outer.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def points(self) -> dict[tuple, object]:
        """The last request: (name, *attributes) -> data point."""
        found = {}
        for resource in self.requests[-1][2].resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in getattr(metric, metric.WhichOneof("data")).data_points:
                        attributes = sorted((a.key, a.value.string_value) for a in point.attributes)
                        found[metric.name, *attributes] = point
        return found


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in list(__import__("os").environ):
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)


def test_the_figures_arrive_at_the_latest_when_the_run_ends(figures, receiver, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=qa")
    warnings = []
    with otel_push(figures, receiver.url, warnings.append):
        pass
    assert not warnings
    (path, headers, message) = receiver.requests[-1]
    assert path == "/v1/metrics" and headers["x-tenant"] == "qa"
    (resource,) = message.resource_metrics
    assert {a.key: a.value.string_value for a in resource.resource.attributes}["service.name"] == "e2e"
    points = receiver.points()
    assert points["e2e.chunks_sent",].as_double == 10 and points["e2e.streams",].as_double == 2
    assert points["e2e.messages", ("type", "transcript")].as_double == figures.messages["transcript"]
    assert points["e2e.phase", ("phase", "stream")].as_double == 1
    info = {name: dict(name[1:]) for name in points if name[0] == "e2e.run"}
    assert [labels["scenario"] for labels in info.values()] == ["smoke"]
    ready = points["e2e.latency", ("metric", "ready")]
    assert ready.count == 3 == sum(ready.bucket_counts) and len(ready.bucket_counts) == len(ready.explicit_bounds) + 1
    assert ready.bucket_counts[list(ready.explicit_bounds).index(0.05)] == 3  # 40 ms each
    assert ready.sum == pytest.approx(0.12) and ready.max == pytest.approx(0.04)
    assert points["e2e.send_lateness",].count == 10


def test_they_come_again_and_again_while_the_run_lasts(figures, receiver, monkeypatch):
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "20")
    come = threading.Event()
    requests = receiver.requests
    with otel_push(figures, receiver.url, print):
        for _ in range(500):
            if len(requests) >= 3:
                break
            come.wait(0.02)
        figures.chunks_sent = 77
    assert len(requests) > 3 and receiver.points()["e2e.chunks_sent",].as_double == 77


def test_nothing_follows_a_receiver_that_sends_its_clients_elsewhere(figures, receiver):
    other = Receiver()
    receiver.status, receiver.location = 307, f"{other.url}/v1/metrics"
    warnings = []
    with otel_push(figures, receiver.url, warnings.append):
        pass
    other.close()
    assert receiver.requests and not other.requests
    assert len(warnings) == 1 and warnings[0].startswith(f"OpenTelemetry: not all figures arrived at {receiver.url}")


def test_a_receiver_that_refuses_is_one_warning_and_nothing_else(figures, receiver, capsys):
    receiver.status = 400
    warnings, said = [], []
    handler = logging.Handler()
    handler.emit = said.append
    logging.getLogger().addHandler(handler)
    with otel_push(figures, receiver.url, warnings.append):
        pass
    logging.getLogger().removeHandler(handler)
    assert len(warnings) == 1 and "\n" not in warnings[0]
    assert capsys.readouterr() == ("", "") and not said


def test_where_to_send_is_what_the_user_said_and_nowhere_else():
    base, whole = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"
    assert endpoint_of("http://c:4318", {}) == "http://c:4318/v1/metrics"
    assert endpoint_of("http://c:4318/v1/metrics", {base: "http://d"}) == "http://c:4318/v1/metrics"
    assert endpoint_of("", {base: "https://d/x/"}) == "https://d/x/v1/metrics"
    assert endpoint_of("", {base: "http://d", whole: "http://e/mine"}) == "http://e/mine"
    with pytest.raises(UsageError, match="say where to send"):
        endpoint_of("", {})
    for wrong in ("smoke", "localhost:4318", "ftp://c", "http://", "http://c:port", "http://[::1"):
        with pytest.raises(UsageError, match="is no address"):
            endpoint_of(wrong, {})
    with pytest.raises(UsageError, match="OTEL_EXPORTER_OTLP_HEADERS") as error:
        endpoint_of("http://me:sesame@c", {})
    assert "sesame" not in str(error.value)


@pytest.mark.parametrize(
    "missing", ("opentelemetry.sdk.metrics", "opentelemetry.exporter.otlp.proto.http.metric_exporter")
)
def test_without_the_extra_the_command_to_get_it_is_said(figures, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    lacking = pytest.raises(UsageError, match=r"pip install 'e2e\[otel\]'")
    with lacking, otel_push(figures, "http://127.0.0.1:1", print):
        pass
