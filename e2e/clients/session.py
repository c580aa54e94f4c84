"""What a listen session and a pusher session have in common: opening, capturing, waiting, playing, closing.

Everything that happens is journalled here, once, in the kinds of `docs/journal.md`.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol, Self

import msgspec

from e2e.audio.tape import Tape
from e2e.clients.connection import Connection
from e2e.clients.framing import FramedTape
from e2e.clients.playback import Playback
from e2e.clients.receiver import Closed
from e2e.clients.roster import Roster
from e2e.clients.timing import Clock, Pacer
from e2e.clients.wire import connect
from e2e.errors import ScenarioError, SessionError
from e2e.record.journal import Journal

MAX_PROBLEM = 300
"""Characters of why a message was not understood."""

# The codes that a client closes with when the server breaks the protocol: error, invalid data, too big.
_OUR_VERDICTS = frozenset({1002, 1007, 1009})


class Decoded(Protocol):
    """A typed message of either service."""

    @property
    def kind(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Link:
    """What every session of a run is given: where to write, who sends, and what may be connected to.

    `throttle` limits how quickly connections are opened. `tape(audio, codec, chunks)` loads audio by name or path, or
    frames a tape. `wall(instant)` is the Unix time (s) of an instant of the clock. `timers` is the scale of the
    service's timers (1.0 but for the stand-in). With `wait_conversation`, a listen session that ends by itself first
    waits for its conversation to be processed.
    """

    journal: Journal
    pacer: Pacer
    clock: Clock
    wall: Callable[[float], float]
    throttle: AbstractAsyncContextManager[Any]
    tape: Callable[[str | Tape, str, int | None], Awaitable[FramedTape]]
    roster: Roster = field(default_factory=Roster)
    allowed_hosts: frozenset[str] = frozenset()
    connect_timeout: float = 15.0
    ready_timeout: float = 30.0
    timers: float = 1.0
    wait_conversation: bool = False


class Session:
    """One WebSocket connection's life. An asynchronous context manager: opens on entry, closes with 1000 on exit."""

    __slots__ = (
        "_bytes_played",
        "_called",
        "_chunks_played",
        "_connection",
        "_failed",
        "_headers",
        "_intended",
        "_playing",
        "_waiter",
        "backlog_max",
        "chunks_planned",
        "device",
        "end",
        "link",
        "messages",
        "probe",
        "sid",
        "uid",
        "upgraded",
        "url",
    )

    kind = "session"

    def __init__(
        self, link: Link, sid: str, url: str, headers: dict[str, str], *, uid: str, device: int, probe: bool
    ) -> None:
        self.link, self.sid, self.uid, self.device, self.probe = link, sid, uid, device, probe
        self.url = shared("ws" + url.removeprefix("http") if url.startswith("http") else url)
        self._headers: dict[str, str] | None = headers
        self._connection: Connection | None = None
        self._playing: Playback | None = None
        self._chunks_played = self._bytes_played = 0  # of what is no longer playing
        self._waiter: asyncio.Future[None] | None = None
        self._failed = False
        self.end: Closed | None = None
        self.upgraded = 0.0
        self._intended = self._called = 0.0
        self.messages = 0
        self.chunks_planned = 0
        self.backlog_max = 0

    @property
    def chunks_sent(self) -> int:
        return self._chunks_played + (self._playing.chunks_sent if self._playing else 0)

    @property
    def bytes_sent(self) -> int:
        """Of audio, without framing."""
        return self._bytes_played + (self._playing.bytes_sent if self._playing else 0)

    # Life

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, error_type: type[BaseException] | None, *_: object) -> None:
        await self.close(timeout=3.0 if error_type else 10.0)

    async def open(self) -> None:
        """Connect and upgrade.

        Raises:
            ConfigError, AuthRefused, SessionError: see `e2e.clients.wire.connect`.
        """
        link = self.link
        # Before the queue: what the generator makes a device wait is part of what the device sees.
        self._intended = link.clock()
        async with link.throttle:
            self._record("connecting", url=self.url, intended=link.journal.at(self._intended), probe=self.probe)
            self._called = link.clock()
            try:
                self._connection = await connect(
                    self.url,
                    self._headers or {},
                    self,
                    clock=link.clock,
                    timeout=link.connect_timeout,
                    allowed_hosts=link.allowed_hosts,
                )
            except SessionError as error:
                self.fail(error)
                raise

    async def close(self, code: int = 1000, reason: str = "", timeout: float = 10.0) -> Closed | None:
        """Close and wait for the other side's answer, at most `timeout` seconds. None: it was never open."""
        if self._connection is None:
            return None
        return await self._connection.close(code, reason, timeout)

    def abort(self) -> None:
        """Drop the connection without a closing handshake."""
        if self._connection is not None:
            self._connection.abort()

    def ping(self) -> None:
        """Send a WebSocket ping; the connection is dropped when the one before was not answered."""
        if self._connection is not None:
            self._connection.ping()

    def fail(self, error: SessionError) -> None:
        """Write down, once, that the session did not do what it should."""
        if not self._failed:
            self._failed = True
            self._record("failed", reason=error.reason, error=str(error), status=getattr(error, "status", None))

    # Receiver of the connection

    def opened(self, connected: float, upgraded: float) -> None:
        self.upgraded = upgraded
        self._headers = None  # sent, and needed no more
        self.link.roster.join(self)
        self._record(
            "open",
            at=upgraded,
            status=101,
            connect_ms=round((connected - self._called) * 1000, 3),
            handshake_ms=round((upgraded - self._intended) * 1000, 3),
        )

    def message(self, payload: str | bytes) -> None:
        self.messages += 1
        message = self.decode(payload)
        self._write_message(message.kind, payload, getattr(message, "problem", None))
        self.received(message)
        if self._waiter is not None:
            self._wake()

    def closed(self, closed: Closed) -> None:
        self.end = closed
        self.link.roster.leave(self)
        if self._playing is not None:
            self._playing.fail(self.ended_early())
        if self._waiter is not None:
            self._wake()
        self._record(
            "closed",
            code=closed.code,
            reason=closed.reason,
            by=closed.by,
            sent_code=closed.sent_code,
            received_code=closed.received_code,
            chunks_planned=self.chunks_planned,
            chunks_sent=self.chunks_sent,
            bytes_sent=self.bytes_sent,
            messages=self.messages,
            backlog_max_bytes=self.backlog_max,
            **({"after_close": closed.after_close} if closed.after_close else {}),
        )

    def decode(self, payload: str | bytes) -> Decoded:
        """The typed message; overridden by each kind of session."""
        raise NotImplementedError

    def received(self, message: Any) -> None:
        """Follow what a message changes; overridden by each kind of session."""

    # Waiting

    async def until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait until `condition()` holds after some message. False after `timeout` seconds, or when closed first."""
        try:
            async with asyncio.timeout(timeout):
                while not condition():
                    if self.end is not None:
                        return False
                    if self._waiter is None:
                        self._waiter = asyncio.get_running_loop().create_future()
                    # Several may wait: who is cancelled must not cancel the others.
                    await asyncio.shield(self._waiter)
        except TimeoutError:
            return condition()
        return True

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.set_result(None)

    def ended_early(self) -> SessionError:
        """The error of a session that is closed while it is still needed."""
        end = self.end
        assert end is not None
        sent = f" after {self.chunks_sent} of {self.chunks_planned} chunks" if self.chunks_planned else ""
        if end.by == "lost" and end.sent_code in _OUR_VERDICTS:
            broke = f"the server broke the protocol, {end.sent_code} ({end.reason})"
            return SessionError(f"{self.kind} {self.uid}: {broke}{sent}", "protocol")
        if end.by == "lost":
            return SessionError(f"{self.kind} {self.uid}: the connection was lost (1006){sent}", "closed")
        reason = f" {end.reason!r}" if end.reason else ""
        return SessionError(f"{self.kind} {self.uid}: closed with {end.code}{reason}{sent}", "closed")

    # Sending

    def connection(self) -> Connection:
        """The open connection.

        Raises:
            SessionError: it was never opened, or has ended.
        """
        if self.end is not None:
            error = self.ended_early()
            self.fail(error)
            raise error
        if self._connection is None:
            raise SessionError(f"{self.kind} {self.uid}: not opened; use `async with`", "closed")
        return self._connection

    def begin_playing(self, playback: Playback, start: float, first_due: float | None = None) -> None:
        """Give audio to the pacer, and journal its beginning; `end_playing` must follow its `done`.

        `start` is the intended instant of byte 0; the first piece is due at `first_due` (default: `start`).

        Raises:
            ScenarioError: other audio is playing.
        """
        if self._playing is not None:
            raise ScenarioError(f"{self.kind} {self.uid} is playing already: await one `play` before the next")
        journal, tape = self.link.journal, playback.tape
        self.chunks_planned += len(tape.chunks)
        self._playing = playback
        journal.write(
            "stream",
            sid=self.sid,
            event="begin",
            start=journal.at(start),
            tape=tape.name,
            planned=len(tape.chunks),
            pace=pace_name(self.link.pacer.speed),
            interval_ms=round(playback.interval * 1000, 3),
        )
        self.link.pacer.add(playback, start if first_due is None else first_due)

    def end_playing(self, playback: Playback, start: float) -> None:
        """Journal how audio ended, and that the session failed if it was ended by an error."""
        playback.cancel()
        self._playing = None
        self._chunks_played += playback.chunks_sent
        self._bytes_played += playback.bytes_sent
        error = None if playback.done.cancelled() else playback.done.exception()
        if isinstance(error, SessionError):
            self.fail(error)
        sent, seconds = playback.chunks_sent, self.link.clock() - start
        self.link.journal.write(
            "stream",
            sid=self.sid,
            event="end",
            sent=sent,
            seconds=round(seconds, 3),
            realtime_factor=round(sent * playback.tape.chunk_seconds / seconds, 3) if seconds > 0 else None,
            last_send=self.link.journal.at(playback.last_sent),
        )

    # Journal

    def _record(self, event: str, at: float | None = None, **fields: Any) -> None:
        self.link.journal.write(
            "session", at=at, sid=self.sid, kind=self.kind, uid=self.uid, device=self.device, event=event, **fields
        )

    def _write_message(self, kind: str, payload: str | bytes, problem: str | None) -> None:
        data: Any = payload if isinstance(payload, str) else payload[:64].hex()
        if isinstance(payload, str) and _may_be_json(payload):
            try:
                data = msgspec.json.decode(payload)
            except (msgspec.DecodeError, RecursionError):
                data = payload
        if problem is None:
            self.link.journal.write("message", sid=self.sid, kind=kind, data=data, bytes=len(payload))
        else:
            told = problem[:MAX_PROBLEM]
            self.link.journal.write("message", sid=self.sid, kind=kind, data=data, bytes=len(payload), problem=told)

    def _write_sent(self, kind: str, data: Any) -> None:
        self.link.journal.write("sent", sid=self.sid, kind=kind, data=data)


@lru_cache(maxsize=256)
def shared(text: str) -> str:
    """The same text, kept once: thousands of sessions have the same address and hear the same words."""
    return text


_may_be_json = re.compile(r"\s*[{[]").match


def pace_name(speed: float | None) -> str:
    """`realtime`, `20x` or `max`."""
    if speed is None:
        return "max"
    return "realtime" if speed == 1.0 else f"{speed:g}x"
