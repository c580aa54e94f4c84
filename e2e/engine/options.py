"""What the command line says about one run; it wins over what the script says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from e2e.errors import UsageError


@dataclass(frozen=True, slots=True)
class Options:
    """`speed` is 1.0 for realtime, N for N times quicker, None for as fast as the sockets take it.

    `mask_per_send` gives every frame a mask of its own; `aligned` makes all streams send at the same instants.
    `duration` is how long each `play` lasts, in seconds of audio. `settings` are the `--set KEY=VALUE` of the command
    line: parameters of the scenario's function, or `listen.NAME` for query parameters.
    """

    users: int | None = None
    duration: float | None = None
    chunks: int | None = None
    audio: str | None = None
    codec: str | None = None
    speed: float | None = 1.0
    mask_per_send: bool = False
    aligned: bool = False
    seed: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()

    def listen_settings(self) -> dict[str, str]:
        return {k.removeprefix("listen."): v for k, v in self.settings.items() if k.startswith("listen.")}

    def journalled(self) -> dict[str, Any]:
        names = ("users", "duration", "chunks", "audio", "codec", "seed")
        return {name: getattr(self, name) for name in names} | {"settings": dict(self.settings)}


def parse_pace(text: str) -> float | None:
    """`realtime` is 1.0, `20x` is 20.0, `max` is None.

    Raises:
        UsageError: none of these.
    """
    if text == "max":
        return None
    if text == "realtime":
        return 1.0
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not text.endswith("x") or not 0 < speed < float("inf"):
        raise UsageError(f"not a pace: {text!r}; say realtime, max, or a factor such as 20x")
    return speed
