"""Numbers of the command line, with errors that say what to write."""

import math
from typing import Any

import click

from e2e.errors import UsageError

MAX_PORT = 65535
MAX_DIGITS = 12


class Whole(click.ParamType):
    """A whole number from `least` to `most`. `hint` says more of what else may be meant."""

    name = "integer"

    def __init__(self, least: int = 1, most: float = math.inf, hint: str = "") -> None:
        self._least, self._most, self._hint = least, most, hint

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Raises UsageError: it is none."""
        text = str(value)
        digits = text.removeprefix("-")
        is_number = digits.isascii() and digits.isdecimal() and len(digits) <= MAX_DIGITS
        if is_number and self._least <= int(text) <= self._most:
            return int(text)
        wanted = f"{self._least} or more" if self._most == math.inf else f"from {self._least} to {self._most:.0f}"
        name = param.opts[-1] if param is not None else self.name
        raise UsageError(f"{name} {text}: write a whole number, {wanted}{self._hint}")
