"""The vocabulary of expectations. Each is plain data: it is written into the journal and judged from there.

    expect=[expect.zero_import_errors(), expect.close_code(1000), expect.p95("first_segment", below="5s")]

Durations are "5s", "250ms", "2m", or a number of seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from e2e.durations import seconds
from e2e.errors import ScenarioError
from e2e.verdict.metrics import METRICS

LIFECYCLE = (
    "conversation_created",
    "lifecycle_manager_started",
    "speaker_id_loaded",
    "integrations_triggered",
    "client_disconnected",
)
"""What the backend's log says of one clean session."""

SMALLEST_SHARE, SMALLEST_MS = 0.05, 1.0
"""Of a latency, the smallest difference between two runs that matters."""

PERCENTILES = {"p50": 50, "p90": 90, "p95": 95, "p99": 99}


@dataclass(frozen=True, slots=True)
class Expectation:
    """One thing that must be so. `check` names the rule, `params` are its plain parameters."""

    check: str
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The stable name of the check: the rule, and for latencies the metric (`p95_first_segment`)."""
        return f"{self.check}_{self.params.get('metric')}" if self.check in PERCENTILES else self.check

    def to_dict(self) -> dict[str, Any]:
        return {"check": self.check, **self.params}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Expectation":
        return cls(str(data.get("check")), {k: v for k, v in data.items() if k != "check"})


def services_healthy() -> Expectation:
    """Every service answered its health URL (or opened its port) and lived until the run stopped it."""
    return Expectation("services_healthy")


def routes_counted() -> Expectation:
    """`openapi.json` was read and names at least one route."""
    return Expectation("routes_counted")


def endpoints_as_expected() -> Expectation:
    """Every row of the endpoint table answered with a status that the row expects."""
    return Expectation("endpoints_as_expected")


def auth_refused() -> Expectation:
    """Upgrades without credentials, or with wrong ones, were refused."""
    return Expectation("auth_refused")


def connected() -> Expectation:
    """Every session's WebSocket was accepted."""
    return Expectation("connected")


def ready() -> Expectation:
    """Every listen session was told `service_status: ready`."""
    return Expectation("ready")


def all_chunks_sent() -> Expectation:
    """Every chunk that was planned was sent."""
    return Expectation("all_chunks_sent")


def transcripts_received(at_least: int = 1) -> Expectation:
    """Every listen session received at least so many transcript messages."""
    return Expectation("transcripts_received", {"at_least": _count(at_least, "transcripts_received(at_least=...)")})


def conversation_stored() -> Expectation:
    """Each session's conversation can be read over HTTP, with its transcript."""
    return Expectation("conversation_stored")


def lifecycle(*events: str, optional: tuple[str, ...] = ()) -> Expectation:
    """The logs show these events for each session. Without names: those of a clean session, `LIFECYCLE`.

    Events in `optional` are reported when they are missing, and never fail the check.
    """
    names = list(events or (e for e in LIFECYCLE if e not in optional))
    return Expectation("lifecycle", {"events": names, "optional": list(optional)})


def close_code(code: int = 1000) -> Expectation:
    """Every session that the service took ended with this close code."""
    if isinstance(code, bool) or not isinstance(code, int) or not 1000 <= code <= 4999:
        raise ScenarioError(f"close_code({code!r}): a WebSocket close code is a number from 1000 to 4999")
    return Expectation("close_code", {"code": code})


def zero_import_errors() -> Expectation:
    """No import failed in any service, and their logs were really read."""
    return Expectation("zero_import_errors")


def pusher_probed() -> Expectation:
    """A pusher session connected, its audio was accepted, and it closed cleanly."""
    return Expectation("pusher_probed")


def conversation_processed() -> Expectation:
    """Every conversation that was handed to the pusher (104) was answered with success (201)."""
    return Expectation("conversation_processed")


def conversation_answered() -> Expectation:
    """Every conversation that was handed to the pusher (104) was answered (201), be it with an error.

    For a pusher that stands alone: the conversation of the run is in nobody's store.
    """
    return Expectation("conversation_answered")


def conversation_completed() -> Expectation:
    """Every conversation that was waited for was processed: `memory_created` after `memory_processing_started`, status
    completed, with a title or an overview. Added by itself where a run waits (`--wait-conversation`).
    """
    return Expectation("conversation_completed")


def conversation_resumed() -> Expectation:
    """The later sessions of each user went on in the conversation of the first: the same id over HTTP, and the log says
    `Resuming conversation`.
    """
    return Expectation("conversation_resumed")


def photos_described() -> Expectation:
    """Every photo that was sent was answered by `photo_processing` and `photo_described`, and not discarded."""
    return Expectation("photos_described")


def webhooks_delivered(within: str | float = "5s") -> Expectation:
    """All that the users' webhooks were set for arrived there, once, and in real time within so much time.

    Every segment in its last version; all audio, but for what is left of one delivery at the end.
    """
    return Expectation("webhooks_delivered", {"within": seconds(within)})


def drained() -> Expectation:
    """The services' logs show the end of each session that the run waited for."""
    return Expectation("drained")


def no_session_failed() -> Expectation:
    """No session was refused, timed out, or was ended by the server or the network."""
    return Expectation("no_session_failed")


def protocol() -> Expectation:
    """No session said anything against the protocol of its service: no finding that is an error."""
    return Expectation("protocol")


def no_regression(share: float = SMALLEST_SHARE, at_least: str | float = SMALLEST_MS / 1000) -> Expectation:
    """Nothing is worse than in the run of `--baseline`; without one it is no check. Latencies that moved by less than
    `share` of what they were, or by less than `at_least`, do not count. `--fail-on regression` adds it."""
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 10:
        raise ScenarioError(f"no_regression(share={share!r}): write a share such as 0.05 for 5 %")
    return Expectation("regression", {"share": float(share), "ms": seconds(at_least) * 1000})


def word_error_rate(below: float = 0.25) -> Expectation:
    """Word error rate, pooled over all sessions, as a share (0.25 is 25 %)."""
    return Expectation("word_error_rate", {"below": _share(below, "word_error_rate(below=...)")})


def character_error_rate(below: float = 0.15) -> Expectation:
    """Character error rate, spaces included, pooled over all sessions, as a share."""
    return Expectation("character_error_rate", {"below": _share(below, "character_error_rate(below=...)")})


def coverage(at_least: float = 0.8) -> Expectation:
    """Share of the tapes' known speech that lies under a segment, pooled over all sessions."""
    return Expectation("coverage", {"at_least": _share(at_least, "coverage(at_least=...)", 1)})


def words_on_silence(at_most: int = 0) -> Expectation:
    """Words of segments that lie wholly where nothing was said."""
    if isinstance(at_most, bool) or not isinstance(at_most, int) or at_most < 0:
        raise ScenarioError(f"words_on_silence(at_most={at_most!r}): write a number of 0 or more")
    return Expectation("words_on_silence", {"at_most": at_most})


def lag_slope(below: float = 0.05) -> Expectation:
    """Seconds by which the transcript falls further behind in each second; undecided within two standard errors."""
    return Expectation("lag_slope", {"below": _share(below, "lag_slope(below=...)")})


def heartbeat_gap(below: str | float = "15s") -> Expectation:
    """The longest time without a `ping`, from the first one of a session to its close."""
    return Expectation("heartbeat_gap", {"below": seconds(below)})


def p50(metric: str, below: str | float) -> Expectation:
    return _percentile("p50", metric, below)


def p90(metric: str, below: str | float) -> Expectation:
    return _percentile("p90", metric, below)


def p95(metric: str, below: str | float) -> Expectation:
    return _percentile("p95", metric, below)


def p99(metric: str, below: str | float) -> Expectation:
    return _percentile("p99", metric, below)


def _percentile(check: str, metric: str, below: str | float) -> Expectation:
    """`below` is kept in seconds."""
    if metric not in METRICS:
        near = get_close_matches(str(metric), METRICS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ScenarioError(f"{check}({metric!r}): no such latency; {hint}known are {', '.join(METRICS)}")
    return Expectation(check, {"metric": metric, "below": seconds(below)})


def _share(value: float, where: str, most: float = 10) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise ScenarioError(f"{where}: {value!r} is not a share above 0, such as 0.25 for 25 %")
    return float(value)


def _count(value: int, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ScenarioError(f"{where}: {value!r} is not a number of 1 or more")
    return value


def whole_pipeline() -> list[Expectation]:
    """All that the proof of backend and pusher together consists of: the expectations of `smoke` and `podcast`."""
    return [
        services_healthy(),
        routes_counted(),
        endpoints_as_expected(),
        auth_refused(),
        pusher_probed(),
        connected(),
        ready(),
        all_chunks_sent(),
        transcripts_received(),
        conversation_stored(),
        lifecycle(),
        close_code(1000),
        protocol(),
        zero_import_errors(),
    ]
