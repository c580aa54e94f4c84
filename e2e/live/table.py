"""The figures of a run as metrics: names, kinds, help and how each is read. Both exporters read this one table.

Names are Prometheus' without prefix and suffixes: `chunks_sent` is `e2e_chunks_sent_total`, `latency` in seconds is
`e2e_latency_seconds`. What a label holds may come from a service, so it is bounded and made visible here.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from e2e.record.histogram import Histogram
from e2e.report.text import one_line
from e2e.verdict.live import LiveFigures

Kind = Literal["counter", "gauge", "histogram", "info"]
Labels = dict[str, str]

PREFIX = "e2e"
MAX_LABEL = 80

PHASES = ("boot", "services", "stream", "drain", "stop")

LATENCY_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
LATENESS_BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Upper bounds of buckets in seconds."""


class Buckets(NamedTuple):
    """A histogram in seconds: samples at or below each of `bounds`, and all of them. `min` and `max` as known."""

    bounds: tuple[float, ...]
    cumulative: list[int]
    count: int
    sum: float
    min: float | None
    max: float | None

    @classmethod
    def of(cls, histogram: Histogram, bounds: tuple[float, ...]) -> "Buckets":
        cumulative = histogram.cumulative([bound * 1000 for bound in bounds])
        low, high = histogram.min, histogram.max
        return cls(
            bounds,
            cumulative,
            max(histogram.count, *cumulative),  # samples may come while they are counted
            histogram.sum / 1000,
            None if low is None else low / 1000,
            None if high is None else high / 1000,
        )


Sample = tuple[Labels, float | Buckets]


@dataclass(frozen=True, slots=True)
class Metric:
    """One row. `read` gives its samples; a figure that is not known has none. `unit` is `seconds`, `bytes` or none."""

    name: str
    kind: Kind
    help: str
    read: Callable[[LiveFigures], Iterable[Sample]]
    unit: str = ""


def label(text: object) -> str:
    """What may stand in a label, whoever said it."""
    return one_line(text, MAX_LABEL)


def _one(read: Callable[[LiveFigures], float | None]) -> Callable[[LiveFigures], Iterable[Sample]]:
    def samples(figures: LiveFigures) -> Iterator[Sample]:
        value = read(figures)
        if value is not None:
            yield {}, float(value)

    return samples


def _counts(name: str, read: Callable[[LiveFigures], Mapping[Any, int]]) -> Callable[[LiveFigures], Iterable[Sample]]:
    return lambda figures: [({name: label(key)}, float(n)) for key, n in dict(read(figures)).items()]


def _info(figures: LiveFigures) -> Iterator[Sample]:
    run = figures.run
    if run:
        target, options = run.get("target") or {}, run.get("options") or {}
        values = {name: run.get(name) for name in ("run_id", "scenario", "version")}
        values |= {"target": target.get("name"), "pace": options.get("pace")}
        yield {name: label("" if value is None else value) for name, value in values.items()}, 1.0


def _phases(figures: LiveFigures) -> Iterator[Sample]:
    return (({"phase": phase}, float(phase == figures.phase)) for phase in PHASES)


def _latencies(figures: LiveFigures) -> Iterator[Sample]:
    for metric, histogram in dict(figures.latencies).items():
        yield {"metric": metric}, Buckets.of(histogram, LATENCY_BOUNDS)


def _lateness(figures: LiveFigures) -> Iterator[Sample]:
    yield {}, Buckets.of(figures.generator.lateness, LATENESS_BOUNDS)


def _up(figures: LiveFigures) -> Iterator[Sample]:
    for name, service in figures.services.items():
        yield {"service": label(name)}, float(service.status == "healthy" and service.stopped is None)


def _resources(field: str, factor: float = 1.0) -> Callable[[LiveFigures], Iterable[Sample]]:
    return lambda figures: [
        ({"service": label(name)}, record[field] * factor)
        for name, record in figures.resources.items()
        if record.get(field) is not None
    ]


def _sample(field: str, factor: float = 1.0) -> Callable[[LiveFigures], Iterable[Sample]]:
    def read(figures: LiveFigures) -> float | None:
        value = figures.sample.get(field)
        return None if value is None else value * factor

    return _one(read)


def _findings(figures: LiveFigures) -> Iterator[Sample]:
    for code, group in dict(figures.findings.groups).items():
        yield {"code": code, "severity": group.rule.severity}, float(group.count)


MIB = 2.0**20

TABLE = (
    Metric("run", "info", "The run, its scenario and its target", _info),
    Metric("phase", "gauge", "1 for the phase in which the run is, else 0", _phases),
    Metric("run", "gauge", "Time since the run began", _one(lambda f: f.t), "seconds"),
    Metric("left", "gauge", "About how long devices will still stream", _one(lambda f: f.seconds_left), "seconds"),
    Metric("load_paused", "gauge", "1 while the load is paused by hand", _one(lambda f: f.paused_since is not None)),
    Metric("devices_planned", "gauge", "Devices that the load asks for now", _one(lambda f: f.planned)),
    Metric("devices_active", "gauge", "Devices at work", _one(lambda f: f.active)),
    Metric("arrivals_dropped", "counter", "Arrivals of an open load that found no room", _one(lambda f: f.dropped)),
    Metric("sessions", "counter", "Sessions, by what became of them", _counts("event", lambda f: f.sessions)),
    Metric("sessions_open", "gauge", "Sessions that are open", _one(lambda f: f.open_sessions)),
    Metric("session_failures", "counter", "Failed sessions, by reason", _counts("reason", lambda f: f.failures)),
    Metric("session_closes", "counter", "Closed sessions, by close code", _counts("code", lambda f: f.close_codes)),
    Metric("streams", "gauge", "Sessions that play audio", _one(lambda f: f.streams)),
    Metric(
        "chunks_planned", "counter", "Chunks of the audio that began to be played", _one(lambda f: f.chunks_planned)
    ),
    Metric("chunks_sent", "counter", "Chunks of audio sent", _one(lambda f: f.chunks_sent)),
    Metric("chunks_late", "counter", "Sent later than half their interval", _one(lambda f: f.generator.late)),
    Metric(
        "chunk_rate_planned", "gauge", "Chunks a second that open streams should send", _one(lambda f: f.rate_planned)
    ),
    Metric("send_lateness", "histogram", "Actual - intended send instant", _lateness, "seconds"),
    Metric("messages", "counter", "Messages of the services, by type", _counts("type", lambda f: f.messages)),
    Metric("latency", "histogram", "Latencies by metric, as the report defines them", _latencies, "seconds"),
    Metric("sessions_followed", "gauge", "Sessions whose every message is understood", _one(lambda f: f.followed)),
    Metric("findings", "counter", "Protocol findings in the sessions that are followed", _findings),
    # No counter: what the probe saw and the log then tells is counted once.
    Metric("import_errors", "gauge", "Import errors seen in logs and by the probe", _one(lambda f: f.imports.total)),
    Metric(
        "import_errors_audit", "gauge", "Import errors that the static audit found", _one(lambda f: f.found_by_audit)
    ),
    Metric("log_errors", "counter", "Other error lines of the services' logs", _one(lambda f: f.errors.first.total)),
    Metric("service_up", "gauge", "1 while the service is healthy", _up),
    Metric("service_cpu_cores", "gauge", "Processor time of a service, in cores", _resources("cpu")),
    Metric("service_memory", "gauge", "Resident memory of a service", _resources("rss_mb", MIB), "bytes"),
    Metric("generator_cpu_cores", "gauge", "Processor time of the generator, in cores", _sample("cpu")),
    Metric("generator_memory", "gauge", "Resident memory of the generator", _sample("rss_mb", MIB), "bytes"),
    Metric("generator_loop_lag", "gauge", "Longest in the last second", _sample("loop_lag_ms", 0.001), "seconds"),
    Metric("controls", "counter", "Changes of the load by hand", _one(lambda f: f.controls)),
)
