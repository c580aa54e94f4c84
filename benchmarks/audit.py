"""How many broken imports `e2e imports` finds, how often it is wrong, and how long it takes.

Well-known packages are installed into a directory of their own. Copies of them get broken imports, each of which was
first tried by Python itself on the untouched package: only what really fails is planted. Everything that the audit says
of the untouched packages is tried in the same way: what does not fail is a false alarm.

    python -m benchmarks.audit [--seed 1] [--plants 200] [--site DIR]
"""

import argparse
import ast
import json
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.programs import BenchmarkError
from e2e.audit.check import audit
from e2e.audit.model import Severity

PACKAGES = ("fastapi", "httpx", "rich", "celery", "sqlalchemy")
KINDS = ("renamed symbol", "moved module", "function-level import")
MARK = "_zq"
"""Ends the names that are planted: no package has such names."""

TRY = """
import json, sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[1])
said = []
for statement in json.load(sys.stdin):
    try:
        exec(statement, {"__name__": "tried"})
        said.append("")
    except BaseException as error:
        said.append(f"{type(error).__name__}: {error}")
json.dump(said, open(sys.argv[2], "w"))
"""


@dataclass(frozen=True, slots=True)
class Plant:
    """`text` put into a line of a file, from column `start` to `end`; `tried` is the same import, absolute."""

    kind: str
    file: str
    line: int
    start: int
    end: int
    text: str
    tried: str
    missing: str


def main() -> None:
    options = _parser().parse_args()
    try:
        with TemporaryDirectory(prefix="e2e-audit-") as directory:
            place = Path(directory)
            site = options.site or _install(place / "site")
            print(run(site, place, random.Random(options.seed), options.plants))
    except BenchmarkError as error:
        sys.exit(f"benchmarks: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit", description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plants", type=int, default=200, help="broken imports in all packages together")
    parser.add_argument("--site", type=Path, help="a directory that has the packages already (pip install --target)")
    return parser


def _install(site: Path) -> Path:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--target", str(site), *PACKAGES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"the packages cannot be installed:\n{done.stderr[-2000:]}")
    return site


def run(site: Path, place: Path, rng: random.Random, plants: int) -> str:
    """Both halves for each package, and the lines that say what came of it."""
    planted, found = Counter[str](), Counter[str]()
    files = statements = alarms = 0
    seconds, missed, lines = 0.0, [], []
    for n, package in enumerate(PACKAGES):
        began = time.perf_counter()
        untouched = audit(site / package)
        took = time.perf_counter() - began
        wrong = false_alarms(site, place, untouched.findings)
        share = plants * (n + 1) // len(PACKAGES) - plants * n // len(PACKAGES)
        chosen = choose(site, package, place, rng, share)
        seen = errors_in(plant(site, package, place, chosen))
        planted.update(p.kind for p in chosen)
        found.update(p.kind for p in chosen if (p.file, p.line) in seen)
        missed += [f"  missed: {package}/{p.file}:{p.line} {p.text}" for p in chosen if (p.file, p.line) not in seen]
        files, statements, seconds = files + untouched.files, statements + untouched.statements, seconds + took
        alarms += len(wrong)
        lines += [f"{package} {_version(site, package)}: {untouched.files} files, {untouched.statements} imports"]
        lines += [f"  false alarm: {alarm}" for alarm in wrong]
    lines += missed
    lines += [f"{kind}: {found[kind]} of {planted[kind]} found" for kind in KINDS]
    total = planted.total()
    lines.append(f"found: {found.total()} of {total} planted imports = {100 * found.total() / max(total, 1):.1f} %")
    lines.append(f"false alarms: {alarms} in {statements} imports = {1000 * alarms / statements:.2f} per 1,000")
    lines.append(f"time: {1000 * seconds / files:.2f} s per 1,000 files")
    return "\n".join(lines)


def _version(site: Path, package: str) -> str:
    return next((path.name.split("-")[1].removesuffix(".dist") for path in site.glob(f"{package}-*.dist-info")), "?")


def attempt(site: Path, place: Path, statements: list[str]) -> list[str]:
    """What Python says when it runs each statement with the packages of `site`; empty where nothing fails."""
    answer = place / "tried.json"
    command = [sys.executable, "-I", "-c", TRY, str(site), str(answer)]
    subprocess.run(command, input=json.dumps(statements), text=True, capture_output=True, check=False, timeout=300)
    if not answer.exists():
        raise BenchmarkError("the imports could not be tried: the process that did it died")
    said: list[str] = json.loads(answer.read_text())
    answer.unlink()
    return said


def false_alarms(site: Path, place: Path, findings: list) -> list[str]:
    """Errors and warnings that do not come true."""
    said = [f for f in findings if f.severity is not Severity.INFO]
    statements = [f"from {f.module} import {f.name}" if f.name else f"import {f.module}" for f in said]
    answers = attempt(site, place, statements)
    wanted = ("ImportError", "ModuleNotFoundError", "AttributeError")
    return [f"{f.file}:{f.line} {f.message}" for f, a in zip(said, answers, strict=True) if not a.startswith(wanted)]


def choose(site: Path, package: str, place: Path, rng: random.Random, count: int) -> list[Plant]:
    """`count` plants, a third of each kind, at most one a line, that Python refuses for the reason meant."""
    candidates: list[Plant] = []
    for path in sorted((site / package).rglob("*.py")):
        candidates += _candidates(path, site, package)
    rng.shuffle(candidates)
    said = attempt(site, place, [plant.tried for plant in candidates])
    real = [p for p, answer in zip(candidates, said, strict=True) if _is_meant(p, answer)]
    chosen: dict[tuple[str, int], Plant] = {}
    for n in range(count):
        kind = KINDS[n % len(KINDS)]
        for p in real:
            if p.kind == kind and (p.file, p.line) not in chosen:
                chosen[p.file, p.line] = p
                break
    return list(chosen.values())


def _is_meant(plant: Plant, answer: str) -> bool:
    """The very name or module that was planted is what is missing, and not a dependency of the module above it."""
    return answer.startswith((f"ImportError: cannot import name '{plant.missing}'", "ModuleNotFoundError")) and (
        f"'{plant.missing}'" in answer
    )


def _candidates(path: Path, site: Path, package: str) -> Iterator[Plant]:
    text = path.read_text(encoding="utf-8")
    if not text.isascii():
        return  # columns are bytes
    file = path.relative_to(site / package).as_posix()
    here = path.relative_to(site).with_suffix("").parts
    above = here[:-1]
    imports = []
    for node in _running(ast.parse(text).body):
        if isinstance(node, ast.ImportFrom) and node.names[0].name != "*":
            base = above[: len(above) - node.level + 1] if node.level else ()
            module = ".".join([*base, *filter(None, [node.module])])
            if module.split(".")[0] == package:
                imports.append((node, module))
                if node.lineno == node.end_lineno:
                    yield from _at_import(node, module, file)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and imports:
            yield from _in_function(node, *imports[len(imports) // 2], file)


def _at_import(node: ast.ImportFrom, module: str, file: str) -> Iterator[Plant]:
    """Its first name was renamed; its module was moved."""
    first, rest = node.names[0], "".join(f", {ast.unparse(alias)}" for alias in node.names[1:])
    source = "." * node.level + (node.module or "")
    gone = f"{first.name}{MARK}"
    place = (file, node.lineno, node.col_offset, node.end_col_offset or 0)
    renamed = f"from {source} import {gone} as {first.asname or first.name}{rest}"
    yield Plant(KINDS[0], *place, renamed, f"from {module} import {gone}", gone)
    if node.module and module.count("."):
        moved = f"{module}{MARK}"
        names = ", ".join(map(ast.unparse, node.names))
        yield Plant(KINDS[1], *place, f"from {source}{MARK} import {names}", f"from {moved} import {first.name}", moved)


def _in_function(node: ast.FunctionDef, known: ast.ImportFrom, module: str, file: str) -> Iterator[Plant]:
    """A new first statement of a function, before the one that stands there."""
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    if body and isinstance(body[0], ast.Assign | ast.Return | ast.Expr) and body[0].lineno > node.lineno:
        gone = f"{known.names[0].name}{MARK}"
        tried = f"from {module} import {gone}"
        yield Plant(KINDS[2], file, body[0].lineno, *[body[0].col_offset] * 2, f"{tried}; ", tried, gone)


def _running(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run: none that stand under a condition, for it may be one for type checkers or other versions."""
    for statement in body:
        yield statement
        if not isinstance(statement, ast.If):
            for part in ("body", "orelse", "finalbody"):
                yield from _running(getattr(statement, part, []))


def plant(site: Path, package: str, place: Path, plants: list[Plant]) -> Path:
    """A copy of the package with the plants in it."""
    copy = place / "planted" / package
    shutil.copytree(site / package, copy)
    for p in sorted(plants, key=lambda p: (p.file, p.line)):
        path = copy / p.file
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        line = lines[p.line - 1]
        lines[p.line - 1] = line[: p.start] + p.text + line[p.end :]
        path.write_text("".join(lines), encoding="utf-8")
    return copy


def errors_in(tree: Path) -> set[tuple[str, int]]:
    return {(f.file, f.line) for f in audit(tree).findings if f.severity is Severity.ERROR}


if __name__ == "__main__":
    main()
