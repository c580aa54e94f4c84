"""The static audit as evidence of a run: `e2e imports` over the trees of the services, beside their boot.

It runs in a process of its own, politely: it holds up neither the event loop nor the boot, and is waited for before
anything is streamed. What it says goes to the journal; where it cannot run, that is said instead.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from e2e.observe.child import Warden
from e2e.observe.spec import ServiceSpec
from e2e.observe.tree import SourceTree
from e2e.record.journal import Journal

PATIENCE_SECONDS = 60.0
MAX_ERRORS = 60
MAX_PLACES = 60_000
_PLACES_A_RECORD = 400
_FILES_A_RECORD = 150
_NICE = 10


class Audits:
    """One audit for each tree, however many services run from it."""

    def __init__(
        self, specs: Sequence[ServiceSpec], journal: Journal, guard: Warden, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._journal, self._guard, self._patience = journal, guard, patience
        self._of: dict[tuple[Path, Path | None], list[ServiceSpec]] = {}
        for spec in specs:
            if spec.imports.audit is not None:
                self._of.setdefault((spec.imports.audit, spec.imports.baseline), []).append(spec)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin, for the services that are started by the run."""
        for (tree, baseline), specs in self._of.items():
            started = [spec for spec in specs if spec.command is not None]
            for spec in specs:
                if spec.command is None:
                    why = "this run did not start it, so the source that it runs is not known"
                    self._tell(spec, _name(tree, spec), error=why)
            if started:
                self._tasks.append(asyncio.create_task(self._audit(tree, baseline, started)))

    async def finish(self, seconds: float | None = None) -> None:
        """Wait for all of them, for `seconds` at most: what still runs then is ended, and said to be."""
        if not self._tasks:
            return
        tasks, self._tasks = self._tasks, []
        try:
            await asyncio.wait(tasks, timeout=seconds)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _audit(self, tree: Path, baseline: Path | None, specs: list[ServiceSpec]) -> None:
        name, began = _name(tree, specs[0]), time.monotonic()
        result, error = None, "the run ended before it did"
        try:
            async with asyncio.timeout(self._patience):
                result = await self._run(tree, baseline)
        except TimeoutError:
            error = f"not done after {self._patience:g} s"
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
            error = str(problem) or repr(problem)
        finally:
            seconds = round(time.monotonic() - began, 3)
            if result is None:
                for spec in specs:
                    self._tell(spec, name, error=error, seconds=seconds)
            else:
                self._tell_all(result, tree, name, specs, seconds)

    async def _run(self, tree: Path, baseline: Path | None) -> dict[str, Any]:
        """Raises ValueError with what the audit said where it could not do its work."""
        process = await asyncio.create_subprocess_exec(
            *_command(tree, baseline),
            env=package_environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        self._guard.add(process.pid)
        try:
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
            said, problem = await process.communicate()
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
            self._guard.remove(process.pid)
        if process.returncode not in (0, 1) or not said:
            last = problem.decode(errors="replace").strip().rpartition("\n")[2]
            raise ValueError(last.removeprefix("e2e: ")[:500] or f"it ended with code {process.returncode}")
        return msgspec.json.decode(said)

    def _tell_all(
        self, result: dict[str, Any], tree: Path, name: str, specs: list[ServiceSpec], seconds: float
    ) -> None:
        shown = SourceTree(specs[0])
        base = Path(os.path.abspath(tree))
        errors = [f for f in result["findings"] if f["severity"] == "error"]
        places = {shown.shown(str(base / file)): lines for file, lines in result["places"].items()}
        for spec in specs:
            self._tell(
                spec,
                name,
                seconds=seconds,
                files=result["files"],
                statements=sum(map(len, places.values())),
                kinds=dict(Counter(f["kind"] for f in result["findings"])),
                accepted=len(result["accepted"]),
                errors=len(errors),
                findings=[_finding(f, shown.shown(str(base / f["file"]))) for f in errors[:MAX_ERRORS]],
            )
        for files in _batches(places):
            self._journal.write("import_places", tree=name, files=files)

    def _tell(self, spec: ServiceSpec, tree: str, *, error: str | None = None, **found: Any) -> None:
        with contextlib.suppress(ValueError):  # the journal was closed meanwhile
            self._journal.write("import_audit", service=spec.name, tree=tree, error=error, **found)


def _command(tree: Path, baseline: Path | None) -> list[str]:
    accept = ["--baseline", os.path.abspath(baseline)] if baseline is not None else []
    return [sys.executable, "-P", "-m", "e2e.cli", "imports", os.path.abspath(tree), "--format", "json", *accept]


def package_environment() -> dict[str, str]:
    """By it the child finds the package that runs, whatever lies in the directory where the run was started."""
    path = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(path)}


def _name(tree: Path, spec: ServiceSpec) -> str:
    """The tree as its files are told, or else as one would write it from here."""
    absolute, here = os.path.abspath(tree), os.getcwd()
    if (shown := SourceTree(spec).shown(absolute)) != absolute:
        return shown
    return os.path.relpath(absolute, here) if absolute.startswith(here + os.sep) else absolute


def _finding(finding: dict[str, Any], file: str) -> dict[str, Any]:
    return {
        "kind": finding["kind"],
        "code": finding["code"],
        "module": finding["module"],
        "name": finding["name"] or None,
        "file": file,
        "line": finding["line"],
        "message": finding["message"][:400],
    }


def _batches(places: dict[str, list[int]]) -> Iterator[dict[str, list[int]]]:
    """In pieces that fit into a record of the journal, MAX_PLACES in all."""
    batch: dict[str, list[int]] = {}
    held = told = 0
    for file, lines in places.items():
        for start in range(0, len(lines), _PLACES_A_RECORD):
            piece = lines[start : start + _PLACES_A_RECORD]
            if batch and (held + len(piece) > _PLACES_A_RECORD or len(batch) >= _FILES_A_RECORD or file in batch):
                yield batch
                batch, held = {}, 0
            if told + len(piece) > MAX_PLACES:
                break
            batch[file] = piece
            held, told = held + len(piece), told + len(piece)
    if batch:
        yield batch
