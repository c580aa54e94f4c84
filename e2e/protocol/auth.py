"""Credentials for the backend: a bearer token, the admin key with a uid, or a development token."""

from dataclasses import dataclass, field
from typing import Literal

Scheme = Literal["bearer", "admin", "dev"]

DEV_UID = "123"
"""The uid that a server with `LOCAL_DEVELOPMENT=true` gives to everyone."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a device authenticates with.

    `admin` sends the key directly followed by the device's uid, so that each device is a user of its own. `bearer`
    sends the token as it is: all devices are then the one user that the token belongs to. `dev` sends any word.
    The secret never appears in `repr`.
    """

    scheme: Scheme
    secret: str = field(repr=False)
    uid: str

    def device_uid(self, device: int, devices: int) -> str:
        """The uid of one of `devices` devices (counted from 0): numbered when there are several of them."""
        if self.scheme != "admin" or devices <= 1:
            return self.uid
        return f"{self.uid}-{device + 1}"

    def token(self, uid: str) -> str:
        return f"{self.secret}{uid}" if self.scheme == "admin" else self.secret

    def headers(self, uid: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(uid)}"}

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that must never be written down."""
        return (self.secret,)


WRONG_TOKEN = "e2e-deliberately-wrong-token"


def wrong_credentials() -> dict[str, str]:
    """Headers that no service may accept."""
    return {"Authorization": f"Bearer {WRONG_TOKEN}"}
