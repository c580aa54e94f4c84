"""What a connection tells: that it is open, each message, and how it ended."""

from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Closed:
    """How a connection ended. `code` is what a client reports: 1005 no code was given, 1006 the TCP connection died.

    `by` tells who began: `client`, `server`, or `lost` where no closing handshake took place. `after_close` counts the
    bytes that the server sent behind its own close frame, where nothing may come.
    """

    code: int
    reason: str
    by: Literal["client", "server", "lost"]
    sent_code: int | None
    received_code: int | None
    after_close: int = 0


class Receiver(Protocol):
    """What a session is to its connection. The calls must return quickly and not raise.

    `opened` comes before any message, also when both arrive in one read.
    """

    def opened(self, connected: float, upgraded: float) -> None:
        """Instants of the clock at which TCP (and TLS) stood, and the upgrade was accepted."""

    def message(self, payload: str | bytes) -> None: ...

    def closed(self, closed: Closed) -> None: ...
