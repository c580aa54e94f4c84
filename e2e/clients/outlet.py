"""How frames that are built already leave: a volley of many streams, with one system call where the kernel can."""

import os
from collections.abc import Sequence
from typing import Protocol

from e2e.clients.timing import Stream
from e2e.errors import UsageError

VOLLEY = 32
"""How many frames leave together: few enough that the last of them tells when the first one left."""


class Outlet(Protocol):
    """Sends volleys."""

    name: str

    def send(self, volley: Sequence[Stream]) -> None:
        """Send the next frame (number `sent`) of each of at most `VOLLEY` streams, whose lines are quick."""


class DirectOutlet:
    """Sends one by one, through the transports."""

    name = "transport"

    def send(self, volley: Sequence[Stream]) -> None:
        for stream in volley:
            write(stream)


def write(stream: Stream, taken: int = 0) -> None:
    """Leave the next frame of a stream, but for the bytes that were taken, to its transport. Fails the stream alone."""
    try:
        stream.line.transport.write(stream.frames.whole[stream.sent][taken:])  # type: ignore[union-attr]
    except Exception as error:
        stream.fail(error)


def best_outlet() -> Outlet:
    """The one that costs least here. `E2E_SEND` is `ring` or `transport` for who wants one.

    Raises:
        UsageError: it is something else, or the ring is wanted and the kernel does not allow it.
    """
    wanted = os.environ.get("E2E_SEND", "")
    if wanted not in ("", "ring", "transport"):
        raise UsageError(f"E2E_SEND={wanted}: it may be ring or transport, or not be set")
    if wanted == "transport":
        return DirectOutlet()
    from e2e.clients.ring import SendRing

    try:
        return SendRing()
    except OSError as error:
        if wanted:
            raise UsageError(f"E2E_SEND=ring, but io_uring cannot be used here: {error.strerror or error}") from None
        return DirectOutlet()
