"""The rotated copies beside a log file: which of them were under its name since the last look, and never read."""

import contextlib
import os
import re
import stat
from pathlib import Path
from typing import BinaryIO, NamedTuple

_HEAD_BYTES = 256
_MOST = 50

Key = tuple[int, int]


class Between(NamedTuple):
    """Files that were rotated away unread, the oldest first; `lost`: why there may have been more, or None."""

    paths: list[Path]
    lost: str | None


class Rotations:
    """Knows the rotated copies (`a.log.1`, `a.log-20260314`, `a-1.log`) of a log file; compressed ones are none.

    A copy is known by its inode and its first bytes, since a new file may get the inode of one that was removed.
    """

    def __init__(self, path: Path) -> None:
        self._directory = path.parent
        stem, suffix = re.escape(path.stem), re.escape(path.suffix)
        self._copy = re.compile(
            rf"{re.escape(path.name)}[.\-_](?:(?P<n>\d{{1,2}})|[\d.\-_T:]+|old|bak)|{stem}[.\-_][\d.\-_T:]+{suffix}"
        )
        self._known: dict[Key, bytes] = {}

    def note(self) -> None:
        """What is there now was there before."""
        self._known = {key: _head(path) for path, key, _ in self._list()}

    def since(self, held: BinaryIO | None, current: BinaryIO | None) -> Between:
        """What came since the last call, beside the file that was `held` until now and the `current` one."""
        listed = self._list()
        mine, now = _key(held), _key(current)
        found = [
            (path, key, mtime)
            for path, key, mtime in listed
            if key not in (mine, now) and not self._is_known(path, key)
        ]
        found.sort(key=lambda entry: (entry[2], -self._number(entry[0])))
        lost = self._lost(held, [path for path, key, _ in listed if key == mine], len(found))
        self._known = {key: _head(path) for path, key, _ in listed}
        return Between([path for path, _, _ in found[:_MOST]], lost)

    def _lost(self, held: BinaryIO | None, where: list[Path], found: int) -> str | None:
        if held is None:
            return None
        # `a.log.3` was rotated three times: two other files must have been under the name after it.
        missing = max(map(self._number, where), default=1) - 1 - found
        if missing > 0:
            return f"it was rotated more than once between two looks, and {missing} file(s) of that time are gone"
        if found and os.fstat(held.fileno()).st_nlink == 0:
            return "it was rotated more than once between two looks, and files of that time may have been removed"
        return None

    def _is_known(self, path: Path, key: Key) -> bool:
        return key in self._known and _head(path).startswith(self._known[key])

    def _number(self, path: Path) -> int:
        match = self._copy.fullmatch(path.name)
        return int(match["n"]) if match and match["n"] else 0

    def _list(self) -> list[tuple[Path, Key, int]]:
        found = []
        try:
            names = [name for name in os.listdir(self._directory) if self._copy.fullmatch(name)]
        except OSError:
            return []
        for path in (self._directory / name for name in names):
            with contextlib.suppress(OSError):  # it vanished meanwhile
                at = path.lstat()
                if stat.S_ISREG(at.st_mode):
                    found.append((path, (at.st_dev, at.st_ino), at.st_mtime_ns))
        return sorted(found, key=lambda entry: -entry[2])[:_MOST]


def _key(file: BinaryIO | None) -> Key | None:
    if file is None:
        return None
    at = os.fstat(file.fileno())
    return at.st_dev, at.st_ino


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError:
        return b""
