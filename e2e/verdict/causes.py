"""In which order failed checks are told: what may be the cause of others before what may follow from it."""

from e2e.verdict.check import Check
from e2e.verdict.expect import PERCENTILES
from e2e.verdict.scripted import SCRIPT

_CAUSES = (
    SCRIPT,
    "zero_import_errors",
    "services_healthy",
    "routes_counted",
    "endpoints_as_expected",
    "auth_refused",
    "pusher_probed",
    "connected",
    "ready",
    "close_code",
    "no_session_failed",
    "protocol",
)
_CONSEQUENCES = (
    "lifecycle",
    "all_chunks_sent",
    "transcripts_received",
    "heartbeat_gap",
    "drained",
    "conversation_stored",
    "conversation_resumed",
    "conversation_completed",
    "conversation_processed",
    "conversation_answered",
    "photos_described",
    "webhooks_delivered",
)
"""Between the two stand the checks of a script's own, behind them latencies and how well speech was understood."""

_MEASURES = (*PERCENTILES, "lag_slope", "coverage", "words_on_silence")
_MEASURES += ("word_error_rate", "character_error_rate", "regression")

_RANK = {name: n for n, name in enumerate((*_CAUSES, "", *_CONSEQUENCES, *_MEASURES))}

_PERCENTILES = tuple(f"{name}_" for name in PERCENTILES)

MAX_NAMES = 6


def rank(name: str) -> int:
    """Of a check by its name; that of a latency is followed by the metric: `p95_ready`."""
    if name.startswith(_PERCENTILES):
        name = name.partition("_")[0]
    return _RANK.get(name, _RANK[""])


def by_cause(failed: list[Check]) -> list[Check]:
    return sorted(failed, key=lambda check: rank(check.name))


def told(failed: list[Check]) -> str:
    """`close_code, 1 session closed with 1011; also lifecycle, all_chunks_sent`."""
    first, *others = by_cause(failed)
    names = list(dict.fromkeys(check.name for check in others))
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    also = f"; also {', '.join(names[:MAX_NAMES])}{more}" if names else ""
    return f"{first.name}, {first.detail}{also}"
