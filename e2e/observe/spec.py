"""How a service of the target is started, where it answers and where its log is. Filled from the configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class LogSpec:
    """Where the log of a service is read: our child's output, a file, a command's output, or nowhere."""

    kind: Literal["process", "file", "command", "none"] = "none"
    path: Path | None = None
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportsSpec:
    """What the import probe looks after. Names are of modules; `*` in them stands for any text, at the end of `watch`.

    `root` is the service's own tree, or the package that it is (None: its working directory). A failed import of
    `optional` is no error; of `watch` and `required`, and of the own tree, it is. `audit` is the directory that the
    static audit reads (None: there is none), `baseline` the file of what it shall accept.
    """

    root: Path | None = None
    watch: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    audit: Path | None = None
    baseline: Path | None = None


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One service. `command` is an argument list (never a shell string); None: it already runs.

    `url` is the origin (`http://127.0.0.1:10220`), `health` the path that must answer 200, or None where there is
    none (the port must open). `env` is added to the environment of the run. `boot_timeout` is in seconds.
    """

    name: Literal["backend", "pusher"]
    url: str
    command: tuple[str, ...] | None = None
    cwd: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    health: str | None = None
    boot_timeout: float = 90.0
    log: LogSpec = LogSpec()
    imports: ImportsSpec = ImportsSpec()
