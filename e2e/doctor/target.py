"""Whether a target can be reached, read and talked to, as far as one can see without a run."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx

from e2e.clients.address import is_loopback
from e2e.doctor.finding import Finding, bad, ok, warn
from e2e.engine.target import TargetConfig
from e2e.engine.webhook import WebhookSpec
from e2e.errors import ConfigError
from e2e.observe import health
from e2e.observe.child import check_startable
from e2e.observe.spec import ServiceSpec
from e2e.protocol.auth import Credentials

REFUSED = (401, 403)

APART_SECONDS = 5.0


async def check_services(target: TargetConfig) -> list[Finding]:
    """Of each service: where it is, whether it answers or can be started, whether its log can be read."""
    found: list[Finding] = []
    async with health.client() as http:
        for name in ("backend", "pusher"):
            spec: ServiceSpec | None = getattr(target, name)
            if spec is None:
                found.append(warn(name, "not configured", f"scenarios that need it are refused: add its url as {name}"))
                continue
            found.append(_host(spec))
            found.append(_startable(spec) if spec.command else await _answering(spec, http))
            found.append(_log(spec))
        # A service that the run starts is not there to be asked.
        if target.backend is not None and not target.backend.command:
            found += await _accepted(target, target.backend, http)
    return found


def check_webhook(spec: WebhookSpec) -> Iterator[Finding]:
    """Where deliveries are received, if it was chosen: a port that is free now may be taken when a run begins."""
    if spec.port:
        holder = health.port_taken(spec.host, spec.port)
        if holder:
            yield bad("webhook", f"port {spec.port} on {spec.host} is held by {holder}", "end it, or set webhook.port")
        else:
            yield ok("webhook", f"port {spec.port} on {spec.host} is free")


def check_credentials(credentials: Credentials | None, problem: str | None) -> Finding:
    """`problem`: why the configuration gives none, or None. The secret itself is never said."""
    if problem is not None:
        return bad("credentials", problem, "export the variable in the shell that runs e2e")
    if credentials is None:
        return warn("credentials", "none", "export ADMIN_KEY (and E2E_UID), or E2E_TOKEN, unless the target needs none")
    return ok("credentials", f"{credentials.scheme}, for the user {credentials.uid}")


def _host(spec: ServiceSpec) -> Finding:
    host, port = health.address(spec)
    where = "loopback" if is_loopback(host) else "allowed by hosts"
    return ok(f"{spec.name} address", f"{host}:{port} ({where})")


def _startable(spec: ServiceSpec) -> Finding:
    assert spec.command is not None
    subject, (host, port) = f"{spec.name} command", health.address(spec)
    problem = _cannot_start(subject, spec.command, spec.cwd, spec.env)
    if problem is not None:
        return problem
    holder = health.port_taken(host, port)
    if holder:
        todo = "end that process, or leave out the command, so that runs use the service that is there"
        return bad(subject, f"its port {port} is held by {holder}", todo)
    return ok(subject, f"{spec.command[0]} is found and its port is free: runs start it")


def _cannot_start(
    subject: str, command: Sequence[str], cwd: Path | None = None, env: Mapping[str, str] = {}
) -> Finding | None:
    try:
        check_startable(command, cwd, {**os.environ, **env})
    except ConfigError as error:
        text, _, todo = str(error).partition("; ")
        return bad(subject, text, todo)
    return None


async def _answering(spec: ServiceSpec, http: httpx.AsyncClient) -> Finding:
    answer = await health.probe(spec, http)
    if not answer.healthy:
        todo = f"start it, or give {spec.name} a command with which runs start it"
        return bad(spec.name, f"{answer.url}: {answer.error}", todo)
    if spec.health is None:
        return warn(spec.name, f"{answer.url}: its port is open", f"name its health path: {spec.name}.health")
    return ok(spec.name, f"{answer.url}: HTTP {answer.status}")


def _log(spec: ServiceSpec) -> Finding:
    subject, log = f"{spec.name} log", spec.log
    if log.kind == "process":
        return ok(subject, "the output of the service that runs start")
    if log.kind == "none":
        todo = f"add log = {{ file = ... }} or {{ command = [...] }} to {spec.name}"
        return warn(subject, "none, so zero_import_errors and lifecycle cannot be decided (exit code 4)", todo)
    if log.kind == "command":
        return _cannot_start(subject, log.command) or ok(subject, f"{log.command[0]} is found")
    assert log.path is not None
    if not log.path.exists():
        if log.path.parent.is_dir():
            return warn(subject, f"{log.path} is not there yet", "it is read from its start once it comes")
        return bad(subject, f"{log.path} is not there, nor its directory", "correct log.file")
    if not log.path.is_file() or not os.access(log.path, os.R_OK):
        return bad(subject, f"{log.path} cannot be read", "correct log.file, or its permissions")
    return ok(subject, f"{log.path} can be read")


async def _accepted(target: TargetConfig, backend: ServiceSpec, http: httpx.AsyncClient) -> list[Finding]:
    """Whether the backend takes the credentials, by the first row of the endpoint table that only reads; and whether it
    has the same time.
    """
    row = next((row for row in target.endpoints if row.auth and row.method == "GET"), None)
    if target.credentials is None or row is None:
        return []
    subject, asked = "credentials, asked", f"GET {row.path}"
    headers = {**target.credentials.headers(target.credentials.uid), **row.headers}
    try:
        async with http.stream("GET", f"{backend.url}{row.path}", headers=headers) as response:
            status, date = response.status_code, response.headers.get("date")
    except (httpx.HTTPError, OSError):
        return [warn(subject, f"no answer to {asked}", "see backend")]
    expected = ", ".join(map(str, row.expected))
    if status in REFUSED:
        answer = bad(subject, f"{asked}: HTTP {status}", "use the key, or a fresh token, of this target")
    elif status not in row.expected:
        answer = warn(subject, f"{asked}: HTTP {status}, and {expected} is expected", "see the log of the backend")
    else:
        answer = ok(subject, f"{asked}: HTTP {status}")
    return [answer, *compare_clocks(date, time.time())]


def compare_clocks(date: str | None, now: float) -> Iterator[Finding]:
    """The `Date` of an answer (RFC 9110: whole seconds) with our own Unix time; nothing where it has none."""
    try:
        theirs = parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return
    apart = now - theirs
    if abs(apart) > APART_SECONDS:
        text = f"ours is {abs(apart):.0f} s {'ahead' if apart > 0 else 'behind'}"
        yield warn("clock of the backend", text, "set the clocks: tokens may be refused, and times of logs differ")
    else:
        yield ok("clock of the backend", "agrees with ours")
