"""What a comparison of two runs is made of: areas, and in each of them the changes."""

from dataclasses import asdict, dataclass, field
from typing import Any

WORSE, BETTER, OTHER = "worse", "better", "other"
"""A regression; the opposite of one; something that a reader should know and that may be meant."""

MAX_CHANGES = 200


@dataclass(frozen=True, slots=True)
class Change:
    effect: str
    what: str
    detail: str = ""


@dataclass(slots=True)
class Area:
    """`compared` says in words what was held against each other and is the same but for the changes, `same` counts it;
    `unknown` says what could not be compared, and why. Of very many changes the first are kept, and all are counted.
    """

    name: str
    title: str
    compared: str = ""
    same: int = 0
    changes: list[Change] = field(default_factory=list)
    worse: int = 0
    left_out: int = 0
    unknown: list[str] = field(default_factory=list)

    @property
    def seen(self) -> bool:
        """Whether anything of it was compared."""
        return bool(self.compared or self.changes)

    def add(self, change: Change) -> None:
        self.worse += change.effect == WORSE
        if len(self.changes) < MAX_CHANGES:
            self.changes.append(change)
        else:
            self.left_out += 1

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
