"""From an expectation and the facts to a check: the table of rules."""

from collections.abc import Callable

from e2e.verdict import (
    checks_conversations,
    checks_devices,
    checks_lifecycle,
    checks_measures,
    checks_protocol,
    checks_services,
    checks_sessions,
)
from e2e.verdict.check import Check, Params, Result, unknown
from e2e.verdict.digest import REGRESSION
from e2e.verdict.expect import PERCENTILES, Expectation
from e2e.verdict.facts import Facts

RULES: dict[str, Callable[[Facts, Params], Result]] = {
    "services_healthy": checks_services.services_healthy,
    "routes_counted": checks_services.routes_counted,
    "endpoints_as_expected": checks_services.endpoints_as_expected,
    "auth_refused": checks_services.auth_refused,
    "zero_import_errors": checks_services.zero_import_errors,
    "connected": checks_sessions.connected,
    "ready": checks_sessions.ready,
    "all_chunks_sent": checks_sessions.all_chunks_sent,
    "transcripts_received": checks_sessions.transcripts_received,
    "conversation_stored": checks_conversations.conversation_stored,
    "lifecycle": checks_lifecycle.lifecycle,
    "close_code": checks_sessions.close_code,
    "pusher_probed": checks_sessions.pusher_probed,
    "conversation_processed": checks_conversations.conversation_processed,
    "conversation_answered": checks_conversations.conversation_answered,
    "conversation_completed": checks_conversations.conversation_completed,
    "conversation_resumed": checks_conversations.conversation_resumed,
    "photos_described": checks_devices.photos_described,
    "webhooks_delivered": checks_devices.webhooks_delivered,
    "drained": checks_sessions.drained,
    "protocol": checks_protocol.protocol,
    "no_session_failed": checks_sessions.no_session_failed,
    "word_error_rate": checks_measures.word_error_rate,
    "character_error_rate": checks_measures.character_error_rate,
    "coverage": checks_measures.coverage,
    "words_on_silence": checks_measures.words_on_silence,
    "lag_slope": checks_measures.lag_slope,
    "heartbeat_gap": checks_measures.heartbeat_gap,
    **{name: checks_measures.percentile(name) for name in PERCENTILES},
}


def evaluate(facts: Facts, expectation: Expectation) -> Check:
    rule = RULES.get(expectation.check)
    if rule is None:
        result = unknown(f"this version of e2e knows no check {expectation.check!r}")
    else:
        result = rule(facts, expectation.params)
    return Check(expectation.name, result.status, result.detail, result.evidence, result.unreachable)


def all_checks(facts: Facts) -> list[Check]:
    """The run's expectations in their order, then what the scenario itself checked. That nothing is worse than in
    another run is judged last, from these."""
    expected = [Expectation.from_dict(e) for e in facts.expectations if e.get("check") != REGRESSION]
    own = [Check(c.name, c.status, c.detail, c.evidence) for c in facts.checks]
    return [*(evaluate(facts, expectation) for expectation in expected), *own]
