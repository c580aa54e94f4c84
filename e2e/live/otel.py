"""The figures of a run pushed to an OpenTelemetry collector (OTLP over HTTP) while it lasts, and once more at its end.

Counters and gauges are observable instruments. OpenTelemetry has no observable histogram, so those are put into what is
exported as they are: their buckets are counted already.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from e2e.errors import UsageError
from e2e.live import table
from e2e.live.table import PREFIX, TABLE, Buckets
from e2e.record.redact import Redactor
from e2e.report.text import one_line
from e2e.verdict.live import LiveFigures

PATH = "/v1/metrics"

INTERVAL_MS = 10_000
"""How often, unless `OTEL_METRIC_EXPORT_INTERVAL` says otherwise."""

LAST_SECONDS = 5
"""How long the last export may take, with all that it tries again."""

_UNITS = {"seconds": "s", "bytes": "By", "": "1"}


def endpoint_of(given: str, environ: Mapping[str, str]) -> str:
    """Where to send: `--otel URL`, else what `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT` (whole) or
    `OTEL_EXPORTER_OTLP_ENDPOINT` (without `/v1/metrics`) says.

    Raises:
        UsageError: nobody says where, or it is no URL, or one that holds credentials.
    """
    whole = "" if given else environ.get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "")
    base = given or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    url = whole or (base if base.rstrip("/").endswith(PATH) else base.rstrip("/") + PATH)
    if not (whole or base):
        raise UsageError("--otel: say where to send, as --otel=http://localhost:4318 or OTEL_EXPORTER_OTLP_ENDPOINT")
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good:
        raise UsageError(f"--otel: {_shown(url)} is no address; write it as --otel=http://localhost:4318")
    if "@" in parts.netloc:
        raise UsageError("--otel: credentials do not belong into the address: put them into OTEL_EXPORTER_OTLP_HEADERS")
    return url


@contextmanager
def otel_push(figures: LiveFigures, given: str, warn: Callable[[str], None]) -> Iterator[None]:
    """Export until the end of the block, where `warn` is told if not all arrived.

    Raises:
        UsageError: the extra is not installed, or there is nowhere to send.
    """
    url = endpoint_of(given, os.environ)
    try:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import Resource
    except ImportError:
        raise _not_installed() from None
    reader = PeriodicExportingMetricReader(
        _exporter(figures, url),
        export_interval_millis=float(os.environ.get("OTEL_METRIC_EXPORT_INTERVAL") or INTERVAL_MS),
    )
    name = os.environ.get("OTEL_SERVICE_NAME") or PREFIX
    provider = MeterProvider([reader], Resource.create({"service.name": name}), shutdown_on_exit=False)
    _instruments(provider.get_meter(PREFIX), figures)
    _listen_to_complaints()
    try:
        yield
    finally:
        provider.shutdown(timeout_millis=LAST_SECONDS * 1000)
    if _complaints.last:
        warn(f"OpenTelemetry: not all figures arrived at {_shown(url)}: {_complaints.last}")


def _instruments(meter: Any, figures: LiveFigures) -> None:
    from opentelemetry.metrics import Observation

    def callback(metric: table.Metric) -> Callable[[Any], Iterator[Any]]:
        return lambda _: (Observation(value, labels) for labels, value in metric.read(figures))

    for metric in TABLE:
        if metric.kind != "histogram":
            create = meter.create_observable_counter if metric.kind == "counter" else meter.create_observable_gauge
            create(_name(metric), [callback(metric)], _UNITS[metric.unit], metric.help)


def _exporter(figures: LiveFigures, url: str) -> Any:
    try:
        import requests
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.metrics import export
    except ImportError:
        raise _not_installed() from None

    class Exporter(OTLPMetricExporter):
        """Adds the histograms to what the instruments gave."""

        def export(self, metrics_data: Any, *args: Any, **kwargs: Any) -> Any:
            resources = []
            for resource in metrics_data.resource_metrics:
                scopes = [
                    replace(s, metrics=[*s.metrics, *_histograms(figures, began)]) for s in resource.scope_metrics
                ]
                resources.append(replace(resource, scope_metrics=scopes))
            return super().export(export.MetricsData(resources), *args, **kwargs)

    began = time.time_ns()
    session = requests.Session()
    session.max_redirects = 0  # nothing goes anywhere but where the user said
    return Exporter(endpoint=url, session=session)


def _histograms(figures: LiveFigures, began: int) -> Iterator[Any]:
    from opentelemetry.sdk.metrics import export

    now = time.time_ns()
    for metric in TABLE:
        points = [
            export.HistogramDataPoint(
                attributes=labels,
                start_time_unix_nano=began,
                time_unix_nano=now,
                count=value.count,
                sum=value.sum,
                bucket_counts=_apart([*value.cumulative, value.count]),
                explicit_bounds=value.bounds,
                min=value.min or 0.0,
                max=value.max or 0.0,
            )
            for labels, value in metric.read(figures)
            if isinstance(value, Buckets) and value.count
        ]
        if points:
            data = export.Histogram(points, export.AggregationTemporality.CUMULATIVE)
            yield export.Metric(_name(metric), metric.help, _UNITS[metric.unit], data)


def _apart(cumulative: list[int]) -> list[int]:
    return [n - before for before, n in zip([0, *cumulative], cumulative, strict=False)]


def _name(metric: table.Metric) -> str:
    name = f"{PREFIX}.{metric.name}"
    return f"{name}.duration" if metric.name == "run" and metric.kind == "gauge" else name


class _Complaints(logging.Handler):
    """What the library complains of: it must not be written across the screen, and is said once. It stays: its threads
    may have something to say when everything is over."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = one_line(Redactor().text(record.getMessage()), 200)


_complaints = _Complaints()


def _listen_to_complaints() -> None:
    logger = logging.getLogger("opentelemetry")
    if _complaints not in logger.handlers:
        logger.addHandler(_complaints)
        logger.propagate = False
    _complaints.last = ""


def _not_installed() -> UsageError:
    return UsageError("--otel needs opentelemetry-sdk and its OTLP exporter: pip install 'e2e[otel]'")


def _shown(url: str) -> str:
    return one_line(Redactor().text(url), 200)
