"""The target: its configuration, and what a run does to it once, before the load."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import msgspec

from e2e.clients.http import DEFAULT_ENDPOINTS, Api, Endpoint
from e2e.clients.pusher import PusherSession
from e2e.clients.receiver import Closed
from e2e.clients.session import Link
from e2e.clients.wire import connect
from e2e.engine.options import Options
from e2e.engine.webhook import Receiver, WebhookSpec
from e2e.errors import AuthRefused, ConfigError, SessionError, UsageError
from e2e.observe.spec import ServiceSpec
from e2e.protocol import device, listen
from e2e.protocol.auth import WRONG_TOKEN, Credentials, wrong_credentials
from e2e.protocol.listen import ListenParams
from e2e.verdict.expect import Expectation

REFUSAL_SECONDS = 1.0
AUTH_MARGIN_SECONDS = 3.0

CLOUD_SYNC_EVENTS = ("speaker_id_loaded", "speaker_sample_queued")
"""Life-cycle lines that only services with cloud sync write."""


@dataclass(frozen=True, slots=True)
class TargetConfig:
    """A target as `e2e.toml` describes it. `connect_rate` is connections a second, time-outs are in seconds.

    Without `cloud_sync`, the backend loads no speaker embeddings and says nothing of them.
    `timers` is the scale of the stand-in's timers (1.0: as the real service; None: not a stand-in). `profile` is the
    version of the protocol that its sessions are judged by (`e2e.protocol.profile`). `webhook` says where deliveries
    are received.
    """

    name: str
    backend: ServiceSpec | None = None
    pusher: ServiceSpec | None = None
    credentials: Credentials | None = None
    endpoints: tuple[Endpoint, ...] = DEFAULT_ENDPOINTS
    allowed_hosts: frozenset[str] = frozenset()
    listen: Mapping[str, Any] = field(default_factory=dict)
    connect_rate: float = 100.0
    connect_timeout: float = 15.0
    ready_timeout: float = 30.0
    cloud_sync: bool = True
    timers: float | None = None
    profile: str = "auto"
    webhook: WebhookSpec = field(default_factory=WebhookSpec)
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What sessions with it send, and nothing may show."""
        return self.credentials.secrets if self.credentials else ()

    def services(self, wanted: tuple[str, ...]) -> list[ServiceSpec]:
        """The services that a scenario needs, the pusher first, since the backend connects to it.

        Raises:
            ConfigError: one of them is not configured.
        """
        specs = []
        for name in ("pusher", "backend"):
            spec: ServiceSpec | None = getattr(self, name)
            if name in wanted and spec is None:
                raise ConfigError(f"target {self.name!r} has no {name}: add [targets.{self.name}.{name}] with its url")
            if name in wanted and spec is not None:
                specs.append(spec)
        return specs

    def adapted(self, expectation: Expectation) -> Expectation:
        """The expectation as far as this target can fulfil it."""
        if expectation.check != "lifecycle" or self.cloud_sync:
            return expectation
        events = [event for event in expectation.params["events"] if event not in CLOUD_SYNC_EVENTS]
        left_out = [event for event in expectation.params["events"] if event in CLOUD_SYNC_EVENTS]
        optional = [*expectation.params["optional"], *left_out]
        return Expectation("lifecycle", {"events": events, "optional": optional})

    def journalled(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "backend": self.backend.url if self.backend else None,
            "pusher": self.pusher.url if self.pusher else None,
            "standin": self.timers is not None,
            "timers": self.timers,
            "profile": self.profile,
            **self.details,
        }


class Target:
    """What the steps of `@scenario(before=...)` are given: the services, once a run."""

    def __init__(self, config: TargetConfig, link: Link, next_sid: Callable[[], str], run_id: str) -> None:
        self.config = config
        self.run_id = run_id
        self._link = link
        self._next_sid = next_sid
        self._params: dict[tuple[tuple[str, Any], ...], ListenParams] = {}
        self.receiver = Receiver(config.webhook, link.journal)

    def listen_params(self, params: Mapping[str, Any], options: Options) -> ListenParams:
        """The query of a listen session: the target's defaults, then `params`, then the command line.

        Devices that ask for the same share one.

        Raises:
            UsageError: an unknown parameter, or a value of the wrong type.
        """
        key = tuple(sorted(params.items()))
        if key not in self._params:
            self._params[key] = listen_query({**self.config.listen, **params, **options.listen_settings()})
        return self._params[key]

    @property
    def uid(self) -> str:
        return self.config.credentials.uid if self.config.credentials else "e2e-test"

    def api(self, uid: str | None = None) -> Api:
        """HTTP requests to the backend as that user (default: the run's). An asynchronous context manager.

        Raises:
            ConfigError: the target has no backend.
        """
        credentials = self.config.credentials
        return Api(
            self.backend_url,
            self._link.journal,
            self._link.clock,
            credentials.headers(uid or credentials.uid) if credentials else {},
            allowed_hosts=self.config.allowed_hosts,
        )

    @property
    def backend_url(self) -> str:
        return self.config.services(("backend",))[0].url

    async def endpoint_table(self) -> None:
        """Count the routes and request every row of the endpoint table."""
        async with self.api() as api:
            await api.count_routes()
            for endpoint in self.config.endpoints:
                await api.check_endpoint(endpoint)

    async def refused_auth(self) -> None:
        """Try to open a listen session without credentials, and with wrong ones; journal how each was refused."""
        await self._try_to_listen("no credentials", {})
        credentials = self.config.credentials
        if credentials is None or credentials.scheme != "dev":
            await self._try_to_listen("wrong token", wrong_credentials())

    async def accepted_auth(self) -> None:
        """Open a listen session with the right credentials and leave at once: what was refused was the credentials."""
        credentials = self.config.credentials
        headers = credentials.headers(f"{self.uid}-probe") if credentials else {}
        await self._try_to_listen("right credentials", headers)

    async def refused_web_auth(self) -> None:
        """Try to open a browser's session without a first message, and with a wrong token in it."""
        credentials = self.config.credentials
        path, late = listen.WEB_PATH, listen.AUTH_SECONDS + AUTH_MARGIN_SECONDS
        await self._try_to_listen("no first message (web)", {}, path=path, wait=late)
        if credentials is None or credentials.scheme != "dev":
            await self._try_to_listen("wrong token (web)", {}, path=path, wait=late, token=WRONG_TOKEN)

    async def _try_to_listen(
        self,
        attempt: str,
        headers: dict[str, str],
        path: str = listen.PATH,
        wait: float = REFUSAL_SECONDS,
        token: str | None = None,
    ) -> None:
        link, probe = self._link, _Probe()
        url = f"ws{self.backend_url.removeprefix('http')}{path}?{listen.ListenParams().query()}"
        refused, form, detail = False, "accepted", ""
        try:
            connection = await connect(
                url,
                headers,
                probe,
                clock=link.clock,
                timeout=link.connect_timeout,
                allowed_hosts=link.allowed_hosts,
            )
            if token is not None:
                connection.send_text(device.Auth(token=token).text)
            # A server may accept first and refuse then.
            await connection.ended_within(wait)
            closed = await connection.close()
            if closed.by == "server" and closed.code == 1008:
                refused, form = True, f"close {closed.code} {closed.reason}".strip()
        except AuthRefused as error:
            refused, form = True, f"HTTP {error.status}"
        except SessionError as error:
            form, detail = error.reason, str(error)
        link.journal.write("auth_refused", attempt=attempt, refused=refused, form=form, detail=detail)

    def pusher(self) -> PusherSession:
        """A session with the pusher that stands alone; it counts as a probe, not as load.

        Raises:
            ConfigError: the target has no pusher.
        """
        url = self.config.services(("pusher",))[0].url
        return PusherSession(self._link, self._next_sid(), url, uid=f"{self.uid}-probe", probe=True)


def listen_query(params: Mapping[str, Any]) -> ListenParams:
    """Query parameters of `/v4/listen` from values of any origin.

    Raises:
        UsageError: an unknown parameter, or a value of the wrong type.
    """
    known = ListenParams.__struct_fields__
    for name in params:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(known)}"
            raise UsageError(f"/v4/listen has no parameter {name!r}; {hint}")
    try:
        return msgspec.convert(dict(params), ListenParams, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"parameter of /v4/listen: {error}") from error


class _Probe:
    """A receiver that only wants to know how the connection ends."""

    def opened(self, connected: float, upgraded: float) -> None:
        pass

    def message(self, payload: str | bytes) -> None:
        pass

    def closed(self, closed: Closed) -> None:
        pass
