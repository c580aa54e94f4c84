"""A device's developer webhooks: set on the backend for its user, received within the run, disabled afterwards."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from e2e.clients.listen import ListenSession
from e2e.clients.webhook import Seen, WebhookReceiver
from e2e.errors import ConfigError
from e2e.protocol import webhook
from e2e.record.journal import Journal

if TYPE_CHECKING:
    from e2e.engine.target import Target

_END_ROUNDING = 0.001  # s
_GRACE_SECONDS = 0.5  # after the last delivery that was due, in which one too many would come


@dataclass(frozen=True, slots=True)
class WebhookSpec:
    """Where deliveries are received: on `host` and `port` (0: any free one). `url` is how the pusher gets there, where
    it is not on this machine.
    """

    host: str = "127.0.0.1"
    port: int = 0
    url: str | None = None


class Receiver:
    """The run's one receiver, which is started when a device first asks for it."""

    def __init__(self, spec: WebhookSpec, journal: Journal) -> None:
        self._spec, self._journal = spec, journal
        self._receiver: WebhookReceiver | None = None
        self._lock = asyncio.Lock()

    async def started(self) -> WebhookReceiver:
        """Raises ConfigError: it cannot be started there."""
        async with self._lock:
            if self._receiver is None:
                spec = self._spec
                receiver = WebhookReceiver(self._journal, spec.host, spec.port, spec.url)
                try:
                    await receiver.start()
                except OSError as error:
                    where = f"{spec.host} port {spec.port}"
                    raise ConfigError(f"webhooks cannot be received on {where}: {error.strerror or error}") from error
                self._receiver = receiver
            return self._receiver

    async def stop(self) -> None:
        if self._receiver is not None:
            await self._receiver.stop()


class Hook:
    """An asynchronous context manager: sets and enables webhooks on entry, disables them on exit.

    A service reads some of this when a session begins, so enter it before the session.
    """

    def __init__(
        self, target: "Target", journal: Journal, uid: str, device: int, kinds: tuple[str, ...], audio_seconds: float
    ) -> None:
        self._target, self._journal, self._uid, self._device = target, journal, uid, device
        self._kinds, self._audio_seconds = kinds, audio_seconds
        self._receiver: WebhookReceiver | None = None
        self._seen = Seen()

    @property
    def deliveries(self) -> int:
        """How many have arrived so far."""
        return self._seen.deliveries

    async def __aenter__(self) -> Self:
        self._receiver = await self._target.receiver.started()
        base, self._seen = self._receiver.address(self._uid, self._device)
        async with self._target.api(self._uid) as api:
            for kind in self._kinds:
                every = self._audio_seconds if kind == "audio_bytes" else None
                url = webhook.with_interval(f"{base}/{kind}", every)
                error = await api.post(webhook.path(kind), {"url": url})
                error = error or await api.post(webhook.toggle_path(kind, True))
                self._journal.write(
                    "webhook",
                    event="set",
                    uid=self._uid,
                    device=self._device,
                    kind=kind,
                    origin=self._receiver.origin,
                    every_s=every,
                    error=error,
                )
        return self

    async def __aexit__(self, *_: object) -> None:
        async with self._target.api(self._uid) as api:
            for kind in self._kinds:
                error = await api.post(webhook.toggle_path(kind, False))
                if error is not None:
                    text = f"webhook {kind} of {self._uid} was not disabled: {error}"
                    self._journal.write("note", text=text)

    async def settle(self, *sessions: ListenSession, at_most: float = 20.0) -> bool:
        """After sessions have closed: wait until all that they heard and sent was delivered. False: it was not within
        `at_most` seconds; the check `webhooks_delivered` says what is missing.
        """
        assert self._receiver is not None
        loop = asyncio.get_running_loop()
        deadline = loop.time() + at_most
        while not self._complete(sessions) and (left := deadline - loop.time()) > 0:
            await self._receiver.changed(min(left, 1.0))
        await asyncio.sleep(_GRACE_SECONDS)
        return self._complete(sessions)

    def _complete(self, sessions: tuple[ListenSession, ...]) -> bool:
        seen = self._seen
        if "realtime_transcript" in self._kinds:
            ends = {s.id: s.end for session in sessions for s in session.segments.values()}
            if any(seen.segments.get(key, -1e9) < end - _END_ROUNDING for key, end in ends.items()):
                return False
        made = {session.memory_id for session in sessions} - {None}
        if "memory_created" in self._kinds and not made <= seen.memories:
            return False
        if "audio_bytes" not in self._kinds:
            return True
        return seen.audio_seconds >= sum(map(_audio_seconds, sessions)) - _END_ROUNDING


def _audio_seconds(session: ListenSession) -> float:
    """How much audio a session has sent: PCM16, whatever the name of the codec."""
    return session.bytes_sent / (2 * (session.params.sample_rate or 8000))
