"""`e2e.toml` (or `[tool.e2e]` in pyproject.toml): the targets that load may go to."""

import math
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import msgspec

from e2e.clients.address import checked_address
from e2e.clients.http import DEFAULT_ENDPOINTS, Endpoint
from e2e.engine.target import TargetConfig
from e2e.engine.webhook import WebhookSpec
from e2e.errors import ConfigError
from e2e.observe.spec import ImportsSpec, LogSpec, ServiceSpec
from e2e.protocol.auth import DEV_UID, Credentials, Scheme
from e2e.protocol.listen import ListenParams

FILE_NAME = "e2e.toml"

_MODULES = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*(\.\*)?")


class _Table(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A table of the file; a key that it does not know is an error, so that no typing mistake is ignored."""


class _Log(_Table):
    file: str | None = None
    command: list[str] | None = None


class _Service(_Table):
    url: str
    command: list[str] | None = None
    cwd: str | None = None
    env: dict[str, str] = {}
    health: str | None = None
    boot_timeout: float = 90.0
    log: _Log | None = None


class _Auth(_Table):
    scheme: Scheme | None = None
    secret_env: str | None = None
    uid_env: str = "E2E_UID"
    uid: str | None = None


class _Imports(_Table):
    watch: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    audit: bool | str = False
    baseline: str | None = None


class _Endpoint(_Table):
    path: str
    method: str = "GET"
    expected: tuple[int, ...] = (200,)
    exercises: str = ""
    body: Any = None
    headers: dict[str, str] = {}
    auth: bool = True


class _Webhook(_Table):
    host: str = "127.0.0.1"
    port: int = 0
    url: str | None = None


class _Thresholds(_Table):
    connect_timeout: float = 15.0
    ready_timeout: float = 30.0
    connects_per_second: float = 100.0


class _Target(_Table):
    backend: _Service | None = None
    pusher: _Service | None = None
    auth: _Auth = _Auth()
    hosts: list[str] = []
    listen: dict[str, Any] = {}
    cloud_sync: bool = True
    profile: Literal["2026-03", "current", "auto"] = "auto"
    endpoints: list[_Endpoint] | None = None
    thresholds: _Thresholds = _Thresholds()
    imports: _Imports = _Imports()
    webhook: _Webhook = _Webhook()


class _File(_Table):
    default: str | None = None
    targets: dict[str, _Target] = {}


_TABLES = {
    "backend": _Service,
    "pusher": _Service,
    "log": _Log,
    "auth": _Auth,
    "endpoints": _Endpoint,
    "thresholds": _Thresholds,
    "imports": _Imports,
    "webhook": _Webhook,
}
"""Tables of a target by their names, to say what may be in them."""

_TO_SET = "; export it in the shell that runs e2e, or try the stand-in with --standin"


def load_target(name: str | None, directory: Path, environ: Mapping[str, str] | None = os.environ) -> TargetConfig:
    """The target of that name from the configuration in `directory`; the default one when `name` is None.

    With an `environ` of None it gets no credentials, whatever it says of them.

    Raises:
        ConfigError: there is no configuration or no such target, or it says something that is wrong or unsafe.
    """
    found = find_config(directory)
    if found is None:
        raise ConfigError(
            f"no {FILE_NAME} in {directory}: write one with `e2e init`, or try the stand-in with --standin"
        )
    path, document = found
    try:
        file = msgspec.convert(document, _File)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}{_mistake(document, error)}") from error
    name = name or file.default or (next(iter(file.targets)) if len(file.targets) == 1 else None)
    if name is None:
        raise ConfigError(f"{path} names {len(file.targets)} targets and no default: choose one with --target NAME")
    if name not in file.targets:
        near = get_close_matches(name, file.targets, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise ConfigError(f"{path} has no target {name!r}{hint} It has: {', '.join(file.targets) or 'none'}")
    try:
        return _target(name, file.targets[name], path.parent, environ)
    except ConfigError as error:
        raise ConfigError(f"{path}, target {name!r}: {error}") from error


def _mistake(document: Any, error: msgspec.ValidationError) -> str:
    """In which target and table it is, and which keys that may have: `, target 'local': backend: ...`."""
    where, targets = "", document.get("targets") if isinstance(document, dict) else None
    for name, table in targets.items() if isinstance(targets, dict) else ():
        try:
            msgspec.convert(table, _Target)
        except msgspec.ValidationError as inner:
            where, error = f", target {name!r}", inner
            break
    text, _, place = str(error).partition(" - at `$")
    place = place.strip(".`")
    if unknown := re.search("unknown field `(.*)`", text):
        keys = _TABLES.get(re.sub(r".*\.|\[.*", "", place), _Target if where else _File).__struct_fields__
        near = get_close_matches(unknown[1], keys, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        text = f"unknown key {unknown[1]!r}{hint} It may have: {', '.join(keys)}"
    return f"{where}: {place}: {text}" if place else f"{where}: {text}"


def find_config(directory: Path) -> tuple[Path, dict[str, Any]] | None:
    """The file that holds the configuration, and what it says; None: there is none.

    Raises:
        ConfigError: it cannot be read.
    """
    for path, inside in ((directory / FILE_NAME, ()), (directory / "pyproject.toml", ("tool", "e2e"))):
        if not path.is_file():
            continue
        try:
            document: Any = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise ConfigError(f"{path}: {error}") from error
        for key in inside:
            document = document.get(key) if isinstance(document, dict) else None
        if document is not None:
            return path, document
    return None


def _target(name: str, table: _Target, base: Path, environ: Mapping[str, str] | None) -> TargetConfig:
    hosts = frozenset(table.hosts)
    imports = _imports(table.imports, base)
    backend = _service("backend", table.backend, base, hosts, imports, bool(table.imports.audit))
    pusher = _service("pusher", table.pusher, base, hosts, imports, bool(table.imports.audit))
    if backend is None and pusher is None:
        raise ConfigError("it has neither a backend nor a pusher")
    try:
        msgspec.convert(table.listen, ListenParams, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"listen: {error}") from error
    for key in ("connect_timeout", "ready_timeout", "connects_per_second"):
        if not 0 < getattr(table.thresholds, key) < math.inf:
            raise ConfigError(f"thresholds.{key} must be a number above 0")
    return TargetConfig(
        name=name,
        backend=backend,
        pusher=pusher,
        credentials=None if environ is None else credentials(table.auth, environ),
        endpoints=_endpoints(table.endpoints),
        allowed_hosts=hosts,
        listen=table.listen,
        cloud_sync=table.cloud_sync,
        profile=table.profile,
        connect_rate=table.thresholds.connects_per_second,
        connect_timeout=table.thresholds.connect_timeout,
        ready_timeout=table.thresholds.ready_timeout,
        webhook=_webhook(table.webhook),
    )


def _webhook(table: _Webhook) -> WebhookSpec:
    if not 0 <= table.port <= 65535:
        raise ConfigError("webhook.port must be a number from 0 (any free one) to 65535")
    if table.url is not None and not re.fullmatch(r"https?://[^\s?#,]+", table.url):
        raise ConfigError(f"webhook.url: {table.url!r} is no address such as https://receiver.example.org")
    return WebhookSpec(table.host, table.port, table.url)


def _service(
    name: Any, table: _Service | None, base: Path, hosts: frozenset[str], imports: ImportsSpec, audited: bool
) -> ServiceSpec | None:
    if table is None:
        return None
    try:
        checked_address(table.url, hosts)
    except ConfigError as error:
        raise ConfigError(f"{name}.url: {error}") from error
    for key, command in (("command", table.command), ("log.command", table.log.command if table.log else None)):
        if command is not None and not command:
            raise ConfigError(f"{name}.{key} is an empty list: name a program and its arguments")
    return ServiceSpec(
        name=name,
        url=table.url.rstrip("/"),
        command=tuple(table.command) if table.command else None,
        cwd=base / (table.cwd or "."),
        env=table.env,
        health=table.health,
        boot_timeout=table.boot_timeout,
        log=_log(name, table, base),
        imports=_audited(imports, base / (table.cwd or ".")) if audited else imports,
    )


def _imports(table: _Imports, base: Path) -> ImportsSpec:
    for key in ("watch", "optional", "required"):
        for pattern in getattr(table, key):
            if not _MODULES.fullmatch(pattern if key == "watch" else pattern.replace("*", "x")):
                how = "a module such as models.structured, or models.* for all in a package"
                raise ConfigError(f"imports.{key}: {pattern!r} names no module; write {how}")
    audit = base / table.audit if isinstance(table.audit, str) else None
    if audit and not audit.is_dir():
        raise ConfigError(f"imports.audit: {audit} is no directory; name that of the source tree, or write true")
    baseline = base / table.baseline if table.baseline else None
    if baseline and not table.audit:
        raise ConfigError("imports.baseline is what the audit shall accept: add audit = true")
    if baseline and not baseline.is_file():
        how = "write it with e2e imports PATH --baseline FILE --write-baseline"
        raise ConfigError(f"imports.baseline: there is no file {baseline}; {how}")
    return ImportsSpec(
        watch=table.watch, optional=table.optional, required=table.required, audit=audit, baseline=baseline
    )


def _audited(imports: ImportsSpec, cwd: Path) -> ImportsSpec:
    """With the tree that is audited, which then is the service's own: the working directory, if no other is named."""
    tree = imports.audit or cwd
    return replace(imports, audit=tree, root=tree)


def _log(name: str, table: _Service, base: Path) -> LogSpec:
    log = table.log or _Log()
    if log.file and log.command:
        raise ConfigError(f"{name}.log has both a file and a command: keep one")
    if log.file:
        return LogSpec("file", path=base / log.file)
    if log.command:
        return LogSpec("command", command=tuple(log.command))
    return LogSpec("process" if table.command else "none")


def _endpoints(rows: list[_Endpoint] | None) -> tuple[Endpoint, ...]:
    if rows is None:
        return DEFAULT_ENDPOINTS
    for row in rows:
        if not row.path.startswith("/"):
            raise ConfigError(f"endpoint path {row.path!r} must begin with /: the origin is the backend's url")
    return tuple(Endpoint(r.method.upper(), r.path, r.expected, r.exercises, r.body, r.headers, r.auth) for r in rows)


def credentials(auth: _Auth, environ: Mapping[str, str]) -> Credentials | None:
    """The credentials that a target names, or by default `E2E_TOKEN`, or `ADMIN_KEY` with `E2E_UID`; None: none.

    Raises:
        ConfigError: the target names a variable that is not set.
    """
    uid = environ.get(auth.uid_env) or auth.uid or "e2e-test"
    if auth.scheme == "dev":
        return Credentials("dev", "dev", DEV_UID)
    if auth.secret_env is not None:
        if not environ.get(auth.secret_env):
            raise ConfigError(f"auth: the environment variable {auth.secret_env} is not set{_TO_SET}")
        return Credentials(auth.scheme or "bearer", _secret(auth.secret_env, environ), uid)
    for scheme, variable in (("bearer", "E2E_TOKEN"), ("admin", "ADMIN_KEY")):
        if auth.scheme in (None, scheme) and environ.get(variable):
            return Credentials(scheme, _secret(variable, environ), uid)
    if auth.scheme is not None:
        variable = "E2E_TOKEN" if auth.scheme == "bearer" else "ADMIN_KEY"
        raise ConfigError(f"auth: scheme {auth.scheme!r} needs the environment variable {variable}{_TO_SET}")
    return None


def _secret(variable: str, environ: Mapping[str, str]) -> str:
    """The value of a variable that goes into a header; what surrounds it (a line break of a file) does not."""
    secret = environ[variable].strip()
    if not secret or not secret.isascii() or not secret.isprintable():
        raise ConfigError(f"auth: the value of {variable} cannot be sent in a header: it must be printable ASCII")
    return secret


def default_credentials(environ: Mapping[str, str] = os.environ) -> Credentials | None:
    """`E2E_TOKEN`, or `ADMIN_KEY` with `E2E_UID`."""
    return credentials(_Auth(), environ)
