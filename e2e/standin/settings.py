"""How the stand-in's two processes are set up. They get it through their environment, as the real services do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from e2e.errors import UsageError
from e2e.standin.faults import Faults

RecogniserName = Literal["sphinx", "vad"]

_PREFIX = "E2E_STANDIN_"


@dataclass(frozen=True, slots=True)
class Settings:
    """One stand-in.

    `db` is the file that both processes share (their "Firestore"); give each run its own. `timers` scales every timer
    of the protocol (heartbeat, time-outs, polls, retries): 1.0 is real, 0.1 ten times quicker. The pace of the data
    (segments each 0.6 s, pusher frames each second) is not a timer. `seed` decides all that is random.

    Credentials: `admin_key` directly followed by a uid; `token`, which means the user `token_uid`; anything at all
    with `local_development`. None: that way in is closed.

    Raises:
        UsageError: an unknown recogniser or fault, or timers that are not above 0.
    """

    db: Path
    recogniser: RecogniserName = "sphinx"
    timers: float = 1.0
    seed: int = 0
    faults: tuple[str, ...] = ()
    admin_key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    token_uid: str = "e2e-test"
    local_development: bool = False
    pusher_url: str = "http://127.0.0.1:10221"

    def __post_init__(self) -> None:
        if self.recogniser not in get_args(RecogniserName):
            names = ", ".join(get_args(RecogniserName))
            raise UsageError(f"The stand-in has no recogniser {self.recogniser!r}: use one of {names}.")
        if not 0 < self.timers <= 100:
            raise UsageError(f"The stand-in cannot scale its timers by {self.timers}: use a number above 0, 1 is real.")
        Faults(self.faults)

    def scaled(self, seconds: float) -> float:
        """Seconds on the wall that a timer of the protocol takes."""
        return seconds * self.timers

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Raises UsageError when a variable is missing or cannot be read."""

        def own(name: str, default: str = "") -> str:
            return environ.get(_PREFIX + name) or default

        if not own("DB"):
            raise UsageError(f"{_PREFIX}DB is not set: start the stand-in through its plan, or name a database file.")
        try:
            timers, seed = float(own("TIMERS", "1")), int(own("SEED", "0"))
        except ValueError as error:
            raise UsageError(f"{_PREFIX}TIMERS or {_PREFIX}SEED is not a number ({error}): correct it.") from error
        return cls(
            db=Path(own("DB")),
            recogniser=own("RECOGNISER", "sphinx"),
            timers=timers,
            seed=seed,
            faults=tuple(filter(None, own("FAULTS").split(","))),
            admin_key=environ.get("ADMIN_KEY") or None,
            token=own("TOKEN") or None,
            token_uid=own("TOKEN_UID", "e2e-test"),
            local_development=environ.get("LOCAL_DEVELOPMENT", "").lower() == "true",
            pusher_url=environ.get("HOSTED_PUSHER_API_URL") or "http://127.0.0.1:10221",
        )

    def to_env(self) -> dict[str, str]:
        """Every variable, also the empty ones: nothing may be inherited from the environment of the run."""
        own = {
            "DB": str(self.db),
            "RECOGNISER": self.recogniser,
            "TIMERS": repr(self.timers),
            "SEED": str(self.seed),
            "FAULTS": ",".join(self.faults),
            "TOKEN": self.token or "",
            "TOKEN_UID": self.token_uid,
        }
        return {_PREFIX + name: value for name, value in own.items()} | {
            "ADMIN_KEY": self.admin_key or "",
            "LOCAL_DEVELOPMENT": "true" if self.local_development else "false",
            "HOSTED_PUSHER_API_URL": self.pusher_url,
        }
