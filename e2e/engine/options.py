"""What the command line says about one run; it wins over what the script says."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from e2e.engine.load import AT_MOST, Load
from e2e.errors import ScenarioError, UsageError
from e2e.verdict.expect import Expectation, no_regression


@dataclass(frozen=True, slots=True)
class Options:
    """`speed` is 1.0 for realtime, N for N times quicker, None for as fast as the sockets take it.

    `load` replaces the script's; without one, `users` and `ramp` (seconds) change it. `duration` in seconds is how long
    each `play` lasts where the load is a number of users, and else how long the load lasts. `mask_per_send` gives every
    frame a mask of its own; `aligned` makes all streams send at the same instants. `probe` puts the import probe into
    the services that the run starts. `wait_conversation` makes every listen session that ends by itself wait for its
    conversation to be processed. `baseline` is the run to compare with: a path, a name, or `latest-pass`;
    `no_regression` is expected where there is one.
    `settings` are the `--set KEY=VALUE` of the command line: parameters of the scenario's function, or `listen.NAME`
    for query parameters.
    """

    load: Load | None = None
    users: int | None = None
    ramp: float | None = None
    duration: float | None = None
    chunks: int | None = None
    audio: str | None = None
    codec: str | None = None
    speed: float | None = 1.0
    mask_per_send: bool = False
    aligned: bool = False
    seed: int = 0
    probe: bool = True
    wait_conversation: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    baseline: str | None = None
    no_regression: Expectation | None = None
    command: tuple[str, ...] = ()

    def listen_settings(self) -> dict[str, str]:
        """Query parameters that win over those of the target and of the script."""
        settings = {k.removeprefix("listen."): v for k, v in self.settings.items() if k.startswith("listen.")}
        return settings if self.codec is None else settings | {"codec": self.codec}

    def journalled(self) -> dict[str, Any]:
        names = ("users", "duration", "chunks", "audio", "codec", "seed")
        return {name: getattr(self, name) for name in names} | {
            "settings": dict(self.settings),
            "probe": self.probe,
            "wait_conversation": self.wait_conversation,
            "phase": "aligned" if self.aligned else "spread",
            "mask": "per-send" if self.mask_per_send else "shared",
        }

    def applied_to(self, load: Load) -> tuple[Load, "Options"]:
        """The load of the run, from that of the script; and the options whose `duration` is of audio alone.

        Raises:
            UsageError: what is asked for does not fit the script's load.
        """
        if self.load is not None:
            load = self.load
        load = load.with_users(self.users).with_ramp(self.ramp)
        if self.duration is None or load.model == "users":
            if self.duration is not None and self.chunks is not None:
                raise UsageError("--duration and --chunks exclude each other: both say how much audio is played")
            return load, self
        return load.lasting(self.duration), replace(self, duration=None)


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


def parse_smallest(text: str | None) -> Expectation:
    """What has to hold beside a baseline: nothing is worse by `5%,1ms`, the share and the time that matter at least.

    Raises:
        UsageError: it is none of that form.
    """
    if text is None:
        return no_regression()
    share, comma, least = text.partition(",")
    try:
        if not comma or not share.endswith("%"):
            raise ValueError
        return no_regression(float(share.removesuffix("%")) / 100, least)
    except (ValueError, ScenarioError):
        raise UsageError(f"--smallest {text}: write the share and the time that matter at least, as 5%,1ms") from None


def parse_load(
    users: int | None,
    ramp: str | None,
    rate: str | None,
    stages: Sequence[str],
    at_most: int | None,
    duration: float | None,
) -> Load | None:
    """The load that `--rate` (`5`, `5/s`) or `--stage` (`2m:500` devices, `2m:50/s` arrivals) ask for, if they do.

    The others are what the command line says beside them.

    Raises:
        UsageError: they are wrong, or exclude each other.
    """
    if rate is not None and stages:
        raise UsageError("--rate and --stage exclude each other: for a rate that changes, say --stage 2m:50/s")
    given = "--rate" if rate is not None else "--stage" if stages else None
    for name, value in (("--users", users), ("--ramp", ramp)):
        if given and value is not None:
            raise UsageError(f"{name} and {given} exclude each other: both say how many devices there are")
    arriving = rate is not None or any(stage.endswith("/s") for stage in stages)
    if at_most is not None and not arriving:
        raise UsageError("--at-most limits devices that arrive: say --rate 5, or --stage 2m:50/s")
    most = AT_MOST if at_most is None else at_most
    if rate is not None:
        if duration is None:
            raise UsageError("--rate needs --duration: how long devices arrive")
        return Load.arrivals(_number(rate.removesuffix("/s"), "--rate", "5 or 5/s"), duration, most)
    if not stages:
        return None
    pairs = [_stage(stage, arriving) for stage in stages]
    return Load.ramping_arrivals(*pairs, at_most=most) if arriving else Load.stages(*pairs)


def _stage(text: str, arriving: bool) -> tuple[str, Any]:
    how = "2m:500 (devices), or 2m:50/s (new devices a second) in all of them"
    length, colon, target = text.partition(":")
    if not colon or target.endswith("/s") != arriving:
        raise UsageError(f"--stage {text}: write it as {how}")
    number = _number(target.removesuffix("/s"), f"--stage {text}", how)
    if not arriving and number % 1:
        raise UsageError(f"--stage {text}: write it as {how}")
    return length, number if arriving else int(number)


def _number(text: str, option: str, how: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < math.inf:
        raise UsageError(f"{option}: {text!r} is no number from 0 up; write it as {how}")
    return number
