"""How frames that are built already leave: a volley of many streams, with one system call where the kernel can."""

import os
from typing import Protocol

from e2e.clients.lane import Lane
from e2e.errors import UsageError

VOLLEY = 64
"""How many frames leave together: few enough that the last of them tells when the first one left."""


class Outlet(Protocol):
    """Sends for lanes."""

    name: str

    def send(self, lane: Lane, first: int, last: int) -> None:
        """Send the pieces of the rows from `first` up to `last`, which is not one of them: at most `VOLLEY` rows."""


class DirectOutlet:
    """Sends one by one, through the transports."""

    name = "transport"

    def send(self, lane: Lane, first: int, last: int) -> None:
        for row in range(first, last):
            write(lane, row, watched=True)


def write(lane: Lane, row: int, taken: int = 0, watched: bool = False) -> None:
    """Leave a frame, but for the bytes that were taken, to the stream's transport. Fails the stream alone.

    Of a stream that is `watched`, the socket is looked at now and then.
    """
    stream, piece = lane.streams[row], lane.pieces[row]
    try:
        if watched:
            stream.watch(int(piece))
        stream.line.transport.write(lane.frames.whole[piece][taken:])  # type: ignore[union-attr]
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
