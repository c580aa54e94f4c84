"""One line of the doctor."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`todo` says what to do about it: of `bad` always, of `warn` mostly."""

    status: Status
    subject: str
    text: str
    todo: str = ""


def ok(subject: str, text: str) -> Finding:
    return Finding("ok", subject, text)


def warn(subject: str, text: str, todo: str = "") -> Finding:
    return Finding("warn", subject, text, todo)


def bad(subject: str, text: str, todo: str) -> Finding:
    return Finding("bad", subject, text, todo)
