"""`/metrics` while a run lasts, for Prometheus to scrape: text format 0.0.4, or OpenMetrics for who asks for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from e2e.errors import UsageError
from e2e.live import table
from e2e.live.table import PREFIX, TABLE, Buckets
from e2e.verdict.live import LiveFigures

LOOPBACK = "127.0.0.1"


def parse_address(text: str) -> tuple[str, int]:
    """`:9464` is loopback alone; `0.0.0.0:9464` and `[::]:9464` are whatever the host has.

    Raises:
        UsageError: it is neither.
    """
    host, _, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if ":" not in text or not port.isascii() or not port.isdigit() or (":" in bare and bare == host):
        raise UsageError(f"--prometheus {text}: write it as :9464 (loopback), or with the host, as 0.0.0.0:9464")
    if int(port) > 65535:
        raise UsageError(f"--prometheus {text}: a port is a number from 0 to 65535")
    return bare or LOOPBACK, int(port)


@contextmanager
def prometheus_endpoint(figures: LiveFigures, address: str) -> Iterator[int]:
    """Serve the figures until the end of the block; gives the port, which is a free one where `address` names port 0.

    Raises:
        UsageError: the extra is not installed, `address` makes no sense, or it cannot be listened on.
    """
    host, port = parse_address(address)
    try:
        from prometheus_client import CollectorRegistry, start_http_server
    except ImportError:
        raise UsageError("--prometheus needs prometheus_client: pip install 'e2e[metrics]'") from None
    registry = CollectorRegistry()
    registry.register(Collector(figures))
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise UsageError(
            f"--prometheus {address}: cannot listen on port {port} of {host}: {error.strerror or error}; name another"
        ) from None
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Collector:
    """Reads the figures when somebody asks, in the thread of who asks: the stream pays nothing for it."""

    def __init__(self, figures: LiveFigures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Any]:
        return map(self._family, TABLE)

    def _family(self, metric: table.Metric) -> Any:
        from prometheus_client.core import Metric

        name = "_".join(part for part in (PREFIX, metric.name, metric.unit) if part)
        family = Metric(name, metric.help, metric.kind, metric.unit)
        for labels, value in metric.read(self._figures):
            if isinstance(value, Buckets):
                for bound, n in zip((*value.bounds, float("inf")), (*value.cumulative, value.count), strict=True):
                    family.add_sample(f"{name}_bucket", labels | {"le": _le(bound)}, n)
                family.add_sample(f"{name}_count", labels, value.count)
                family.add_sample(f"{name}_sum", labels, value.sum)
            else:
                family.add_sample(name + _SUFFIX.get(metric.kind, ""), labels, value)
        return family


_SUFFIX = {"counter": "_total", "info": "_info"}


def _le(bound: float) -> str:
    return "+Inf" if bound == float("inf") else str(bound)
