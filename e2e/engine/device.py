"""A device: one simulated wearable, which a scenario script tells what to do."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

from e2e.clients.conversation import write_conversation
from e2e.clients.listen import ListenSession
from e2e.clients.pusher import PusherSession
from e2e.clients.session import Link
from e2e.durations import seconds
from e2e.engine.options import Options
from e2e.engine.target import Target
from e2e.engine.watch import LogWatch
from e2e.engine.webhook import Hook
from e2e.errors import ScenarioError
from e2e.protocol.auth import Credentials
from e2e.protocol.webhook import KINDS


class Device:
    """One virtual user. `index` counts from 0; `random` is seeded by the run's seed and the index."""

    __slots__ = (
        "_credentials",
        "_link",
        "_next_sid",
        "_options",
        "_random",
        "_unread",
        "_watch",
        "index",
        "run_id",
        "target",
        "uid",
    )

    def __init__(
        self,
        index: int,
        count: int,
        target: Target,
        link: Link,
        options: Options,
        watch: LogWatch,
        next_sid: Callable[[], str],
    ) -> None:
        self.index = index
        self._random: random.Random | None = None
        self._unread: ListenSession | None = None
        self.target = target
        self.run_id = target.run_id
        self._credentials: Credentials | None = target.config.credentials
        self.uid = self._credentials.device_uid(index, count) if self._credentials else target.uid
        self._link, self._options, self._watch, self._next_sid = link, options, watch, next_sid

    @property
    def random(self) -> random.Random:
        """Made when it is first used: its state is larger than all the rest of a device."""
        if self._random is None:
            self._random = random.Random(f"{self._options.seed}/{self.index}")
        return self._random

    def listen(self, *, web: bool = False, **params: Any) -> ListenSession:
        """A listen session; use it with `async with`. `params` are query parameters of `/v4/listen`.

        The target's `listen` table gives the defaults; `--codec` and `--set listen.NAME=VALUE` win over both. With
        `web` it is a browser's, on `/v4/web/listen`: its first message holds the token, and no header does.

        Raises:
            UsageError: an unknown parameter, or a value of the wrong type.
        """
        query = self.target.listen_params(params, self._options)
        credentials = self._credentials
        headers = credentials.headers(self.uid) if credentials and not web else {}
        self._unread = ListenSession(
            self._link,
            self._next_sid(),
            self.target.backend_url,
            query,
            headers,
            uid=self.uid,
            device=self.index,
            web_token=(credentials.token(self.uid) if credentials else "") if web else None,
        )
        return self._unread

    def webhook(self, *kinds: str, audio_seconds: float = 1.0) -> Hook:
        """Developer webhooks of this device's user, received by the run; use it with `async with`, before the session.

        `kinds` are `realtime_transcript`, `audio_bytes`, `memory_created`, `day_summary` (default: the first two).
        `audio_seconds` is how much audio one delivery holds.

        Raises:
            ScenarioError: there is no such kind.
        """
        chosen = kinds or ("realtime_transcript", "audio_bytes")
        for kind in chosen:
            if kind not in KINDS:
                raise ScenarioError(f"device.webhook({kind!r}): no such webhook; known are {', '.join(KINDS)}")
        return Hook(self.target, self._link.journal, self.uid, self.index, chosen, audio_seconds)

    def pusher(self, sample_rate: int = 16000) -> PusherSession:
        """A session with the pusher, as the backend would open it; use it with `async with`.

        Raises:
            ConfigError: the target has no pusher.
        """
        url = self.target.config.services(("pusher",))[0].url
        return PusherSession(
            self._link, self._next_sid(), url, uid=self.uid, sample_rate=sample_rate, device=self.index
        )

    async def conversation(self, session: ListenSession, conversation_id: str | None = None) -> dict[str, Any]:
        """Read a conversation of the session over HTTP and journal it, with its transcript.

        Its id is the one given; else that of the conversation that was processed while the session was open, what the
        service told the client, what its log says of this uid, or the newest of the list.

        Returns:
            see `e2e.clients.http.Api.conversation`.
        """
        if session is self._unread:
            self._unread = None
        processed = session.memory_id if session.conversation_is_processed else None
        told, logged = session.conversation_id, self._watch.conversation_of(self.uid)
        async with self.target.api(self.uid) as api:
            found = await api.conversation(conversation_id or processed or told or logged)
        known = {"script": conversation_id, "memory": processed, "client": told, "log": logged}
        by = next((name for name, known_id in known.items() if known_id), "newest")
        write_conversation(self._link.journal, session.sid, self.uid, by, found)
        return found

    async def last_conversation(self) -> None:
        """Read the conversation of the last listen session where words were heard, unless the script has read it."""
        if self._unread is not None and self._unread.segments:
            await self.conversation(self._unread)

    async def sleep(self, length: float) -> None:
        """A fixed pause, in seconds."""
        await asyncio.sleep(length)

    async def think(self, mean: str | float, spread: str | float = 0.0) -> None:
        """A pause as a person makes it: `mean` (`"5s"`), evenly `spread` around it, drawn from `random`.

        Raises:
            ScenarioError: one of them is no duration.
        """
        middle, around = seconds(mean), seconds(spread) if spread else 0.0
        await asyncio.sleep(max(0.0, middle + self.random.uniform(-around, around)))

    def check(self, name: str, ok: bool, detail: str = "") -> None:
        """An expectation of the script's own; a failed one fails the run."""
        status = "pass" if ok else "fail"
        self._link.journal.write("check", name=name, status=status, detail=detail, device=self.uid)

    def note(self, text: str) -> None:
        """Something that a reader of the report should know."""
        self._link.journal.write("note", text=text)
