"""The directory of a run: `reports/RUN_ID/` with its journal, logs and reports, and the link `reports/latest`."""

import os
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from e2e.errors import JournalError
from e2e.record.journal import FILE_NAME


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """Paths of one run."""

    path: Path

    @property
    def run_id(self) -> str:
        return self.path.name

    @property
    def journal(self) -> Path:
        return self.path / FILE_NAME

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @classmethod
    def create(cls, root: Path, scenario: str, started: datetime) -> "RunDirectory":
        """Make `root/YYYYmmdd-HHMMSS-SCENARIO` (numbered when it exists) and point `root/latest` at it.

        Raises:
            JournalError: the directory cannot be written.
        """
        stem = f"{started:%Y%m%d-%H%M%S}-{re.sub(r'[^A-Za-z0-9_-]+', '-', scenario)[:40]}"
        try:
            root.mkdir(parents=True, exist_ok=True)
            for n in range(1, 1000):
                path = root / (stem if n == 1 else f"{stem}-{n}")
                try:
                    path.mkdir()
                    break
                except FileExistsError:
                    continue
            run = cls(path)
            run.logs.mkdir()
            _link(root / "latest", path.name)
        except OSError as error:
            raise JournalError(
                f"cannot write run directories under {root}: {error.strerror}; choose another with --out"
            ) from error
        return run

    @classmethod
    def open(cls, where: Path, root: Path = Path("reports")) -> "RunDirectory":
        """The run at a path, or of that name under `root`.

        Raises:
            JournalError: there is no journal, or the directory may not be read.
        """
        try:
            for path in (where, root / where):
                if path.is_file() and path.name == FILE_NAME:
                    path = path.parent
                if (path / FILE_NAME).is_file():
                    return cls(path.resolve())
        except OSError as error:
            raise JournalError(f"cannot read {where}: {(error.strerror or str(error)).lower()}") from error
        raise JournalError(f"no run at {where}: it holds no {FILE_NAME}; name a run directory, such as reports/latest")


def _link(link: Path, to: str) -> None:
    """Replace the link in one step, so that a reader never finds it missing."""
    temporary = link.with_name(f".latest-{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(to, target_is_directory=True)
    temporary.replace(link)
