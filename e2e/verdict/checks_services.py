"""Checks of the services themselves: health, routes, endpoints, refused credentials, import errors."""

import re

from e2e.verdict.check import Params, Result, Status, failed, many, missing, passed, unknown
from e2e.verdict.facts import Facts
from e2e.verdict.logs import AUDIT
from e2e.verdict.services import Service


def services_healthy(facts: Facts, params: Params) -> Result:
    services = [facts.services.get(name) or Service(name) for name in facts.under_test]
    down = [s for s in services if s.status in ("exited", "unhealthy")]
    evidence = [_health_words(s) for s in services]
    if down:
        # A service that ran and then went is a failure of its own; one that never came up may just not be there.
        detail = "; ".join(down_words(facts, s) for s in down)
        return failed(detail, evidence, unreachable=all(s.up is None for s in down))
    unseen = [s.name for s in services if s.status == "unknown"]
    if unseen or not services:
        words = f"{' and '.join(unseen) or 'no service'} was not looked at"
        launched = any(s.launched is not None for s in services if s.status == "unknown")
        return missing(facts, f"{words}: no answer is recorded", evidence) if launched else unknown(words, evidence)
    return passed(f"{' and '.join(s.name for s in services)} answered", evidence)


def _health_words(service: Service) -> str:
    health = service.health or {}
    answer = f"{health.get('url', '')} {health.get('status', '')} {health.get('body') or ''}".strip()
    boot = f" after {service.boot_seconds:.1f} s" if service.boot_seconds is not None else ""
    return f"{service.name}: {service.status}{boot}{f', {answer}' if answer else ''}"


def down_words(facts: Facts, service: Service) -> str:
    if service.status == "unhealthy":
        error = (service.error or "its health URL did not answer").removeprefix(f"{service.name}: ")
        return f"{service.name} did not get healthy: {error}"
    when = "ended by itself" if service.up is not None else "died before it answered"
    code = "" if service.exit_code is None else f" with exit code {service.exit_code}"
    cause = next((p.title for p in facts.imports.of(service.name) if p.source != AUDIT), None)
    log = facts.logs.get(service.name)
    words = cause or _last_words(facts, service) or (log.tail[-1] if log is not None and log.tail else service.error)
    return f"{service.name} {when}{code}{f'; last words: {words}' if words else ''}"


_CAUSE = re.compile(r"(?:error|exception)\b|traceback|critical|fatal", re.IGNORECASE)


def _last_words(facts: Facts, service: Service) -> str | None:
    """The last line of a service that names a cause."""
    log = facts.logs.get(service.name)
    lines = (*((service.error,) if service.error else ()), *(log.tail if log is not None else ()))
    return next((line for line in reversed(lines) if _CAUSE.search(line)), None)


def died_of(facts: Facts) -> str | None:
    """A service that died before it ever answered, and of what; None where none did, or its log names no cause."""
    dead = [s for s in facts.services.values() if s.status == "exited" and s.up is None]
    return next((down_words(facts, s) for s in dead if _last_words(facts, s)), None)


def routes_counted(facts: Facts, params: Params) -> Result:
    counted = {s.name: s.routes for s in facts.services.values() if s.routes is not None}
    if not counted:
        return unknown("not reached: no openapi.json was read")
    words = [f"{name}: {record.get('count') or 0} routes" for name, record in counted.items()]
    bad = [name for name, record in counted.items() if not record.get("count")]
    return failed(f"no routes counted for {' and '.join(bad)}", words) if bad else passed(", ".join(words))


def endpoints_as_expected(facts: Facts, params: Params) -> Result:
    rows = list(facts.endpoints)
    if not rows:
        return unknown("not reached: no row of the endpoint table was asked")
    bad = [row for row in rows if row.get("status") not in (row.get("expected") or ())]
    if not bad:
        tolerated = [endpoint_words(row) for row in rows if endpoint_status(row) != "pass"]
        aside = f", {len(tolerated)} of them with a tolerated error" if tolerated else ""
        return passed(
            f"{facts.endpoints.total} of {facts.endpoints.total} endpoints answered as expected{aside}", tolerated
        )
    silent = all(row.get("status") is None for row in rows)
    detail = f"{len(bad)} of {facts.endpoints.total} endpoints did not answer as expected"
    return failed(detail, [endpoint_words(row) for row in bad], unreachable=silent)


def endpoint_words(row: dict) -> str:
    got = row.get("status") if row.get("status") is not None else f"no answer ({row.get('error') or 'unknown error'})"
    wanted = " or ".join(map(str, row.get("expected") or ())) or "nothing"
    return f"{row.get('method')} {row.get('path')}: {got}, expected {wanted}"


def endpoint_status(row: dict) -> Status:
    """Whether the row shows that its route works: a server error proves nothing of it, also where it is tolerated."""
    status = row.get("status")
    if status is None or status not in (row.get("expected") or ()):
        return "fail"
    return "pass" if status < 500 else "inconclusive"


RIGHT = "right credentials"
"""The attempt that must be accepted: it shows that the refusals are not of a path that refuses everybody."""

# Forms that are neither a refusal nor an acceptance: nobody answered, or not with a WebSocket upgrade.
_NO_ANSWER = frozenset({None, "", "unreachable", "timeout", "closed", "protocol", "not_ready", "backpressure"})


def auth_status(facts: Facts, row: dict) -> Status:
    """What one attempt to listen shows."""
    refused, silent = row.get("refused"), row.get("form") in _NO_ANSWER
    if row.get("attempt") == RIGHT:
        return "pass" if not refused and not silent else "inconclusive"
    if not refused:
        return "inconclusive" if silent else "fail"
    return "pass" if _can_listen(facts) else "inconclusive"


def _can_listen(facts: Facts) -> bool:
    """Whether the right credentials opened a listen session in this run."""
    tried = any(r.get("attempt") == RIGHT and auth_status(facts, r) == "pass" for r in facts.auth)
    return (
        tried or facts.folded > 0 or any(s.kind == "listen" and s.opened is not None for s in facts.sessions.values())
    )


def auth_refused(facts: Facts, params: Params) -> Result:
    rows = [r for r in facts.auth if r.get("attempt") != RIGHT]
    if not rows:
        return unknown("not reached: no upgrade with missing or wrong credentials was tried")
    words = {status: [] for status in ("pass", "fail", "inconclusive")}
    for row in rows:
        form = row.get("form") or row.get("detail") or "no answer"
        words[auth_status(facts, row)].append(f"{row.get('attempt')}: {form}")
    if words["fail"]:
        return failed("the service took credentials that it must refuse", words["fail"])
    if not words["inconclusive"]:
        return passed("; ".join(words["pass"]), words["pass"])
    if not all(row.get("refused") for row in rows):
        return unknown("not reached: the service did not answer", words["inconclusive"])
    right = next((r for r in facts.auth if r.get("attempt") == RIGHT), None)
    if right is not None and right.get("refused"):
        return unknown(f"the right credentials were refused as well: {right.get('form')}", words["inconclusive"])
    return unknown(
        "refused, but no session with the right credentials was opened: the path may refuse everybody",
        words["inconclusive"],
    )


def zero_import_errors(facts: Facts, params: Params) -> Result:
    problems, names = list(facts.imports), facts.under_test
    if problems:
        evidence = [line for p in problems for line in (f"{p.title}, seen by {p.source}", *p.evidence)]
        times = f" ({facts.imports.total} times)" if facts.imports.total > len(problems) else ""
        sources = {source for p in problems for source in p.source.split(", ")}
        told = "; ".join(p.title for p in problems[:3])
        return failed(f"{told}{times}; seen by {' and '.join(sorted(sources))} ({stands_on(facts, names)})", evidence)
    if not names:
        return unknown("no log of any service was read; give their logs in the target's configuration")
    gaps = [why for name in names if (why := facts.not_read(name))]
    read = [log_words(facts, name) for name in names]
    for source in (facts.exercised, facts.audits):
        read += [words for name in names if (words := source.words(name))]
    if gaps:
        return unknown("; ".join(dict.fromkeys(gaps)), read)
    return passed(f"no import error: {stands_on(facts, names)}", read)


def stands_on(facts: Facts, names: list[str]) -> str:
    """On which of the three sources a word about imports stands: `logs of 2 services read, no import probe, ...`."""
    read = [name for name in names if not facts.not_read(name)]
    partly = [name for name in names if facts.logs.get(name) and facts.logs[name].lines]
    probed = [name for name in names if facts.exercised.saw(name)]
    trees = facts.audits.by_tree(names)
    audited = {name for of in trees.values() for name in of}
    none_read = f"logs of {many(len(partly), 'service')} read in part" if partly else "no log read"
    words = [
        f"logs of {many(len(read), 'service')} read" + _which(read, names) if read else none_read,
        f"import probe in {many(len(probed), 'service')}" + _which(probed, names) if probed else "no import probe",
        f"audit of {many(len(trees), 'source tree')}" + _which(sorted(audited), names) if trees else "no source audit",
    ]
    return ", ".join(words)


def _which(some: list[str], names: list[str]) -> str:
    """Which services, where not all."""
    return "" if len(some) == len(names) else f" ({' and '.join(some)} of {' and '.join(names)})"


def log_words(facts: Facts, name: str) -> str:
    """`log of backend read: 312 lines, 24811 bytes, boot marker seen`."""
    log, service = facts.logs.get(name), facts.services.get(name)
    if log is None or not log.lines:
        return f"log of {name}: not read"
    if log.boot_marker:
        boot = f"boot marker seen ({log.boot_marker})"
    elif facts.running:
        boot = "still read"
    else:
        boot = "boot marker not seen" if service and service.launched is not None else "it ran before this run"
    before = f", {log.before} lines of before the run left out" if log.before else ""
    return f"log of {name} read: {log.lines} lines, {log.bytes} bytes, {boot}{before}"
