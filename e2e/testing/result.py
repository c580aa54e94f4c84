"""A run as a test sees it, and the lines that say why it is not what the test wanted."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.report.text import one_line
from e2e.report.write import FILES

MAX_CHECKS = 10
MAX_EVIDENCE = 5

_MARK = {"fail": "✗", "inconclusive": "?"}


class Verdict(str):
    """`"pass"`, `"fail"`, `"inconclusive"` or `"invalid"`; it knows its reason, for an assertion that fails."""

    __slots__ = ("why",)

    def __new__(cls, value: str, why: list[str]) -> "Verdict":
        verdict = super().__new__(cls, value)
        verdict.why = why
        return verdict


@dataclass(frozen=True, slots=True)
class CheckResult:
    name: str
    status: str
    detail: str
    evidence: tuple[str, ...]


class Checks(dict[str, CheckResult]):
    """By name. One that the run does not have is a KeyError that names those that it has."""

    def __missing__(self, name: str) -> CheckResult:
        __tracebackhide__ = True
        raise KeyError(f"no check {name!r}; the run has {', '.join(self) or 'none'}")


class RunResult:
    """What became of a run: `summary` is its run.json, `directory` holds its journal, logs and reports."""

    def __init__(self, summary: dict[str, Any], directory: Path) -> None:
        self.summary, self.directory = summary, directory

    @property
    def verdict(self) -> Verdict:
        return Verdict(
            self.summary["verdict"], [one_line(self.summary["sentence"], 600), f"report: {_near(self.report)}"]
        )

    @property
    def exit_code(self) -> int:
        """That of `e2e run`."""
        return self.summary["exit_code"]

    @property
    def report(self) -> Path:
        """The page for a browser; report.md and junit.xml are beside it."""
        return self.directory / FILES["html"]

    @property
    def checks(self) -> Checks:
        """By name. Of several of one name, as when scripts broke with several texts, the first that failed."""
        found = Checks()
        for row in self.summary["checks"]:
            check = CheckResult(row["name"], row["status"], row["detail"], tuple(row["evidence"]))
            if check.name not in found or (check.status == "fail" != found[check.name].status):
                found[check.name] = check
        return found

    def __repr__(self) -> str:
        return f"<e2e run {self.summary['scenario']}: {self.verdict} (exit {self.exit_code}), {_near(self.report)}>"

    def explain(self) -> Iterator[str]:
        """The checks that do not hold, with their first evidence; how to see more, and how to run it again."""
        yield f"verdict: {self.verdict} (exit {self.exit_code}). {one_line(self.summary['sentence'], 600)}"
        open_checks = [row for row in self.summary["checks"] if row["status"] in _MARK]
        open_checks.sort(key=lambda row: row["status"] != "fail")
        for row in open_checks[:MAX_CHECKS]:
            yield f"{_MARK[row['status']]} {one_line(row['name'], 60)}: {one_line(row['detail'])}"
            for line in row["evidence"][:MAX_EVIDENCE]:
                yield f"    {one_line(line)}"
            if len(row["evidence"]) > MAX_EVIDENCE:
                yield f"    and {len(row['evidence']) - MAX_EVIDENCE} more lines in the report"
        if len(open_checks) > MAX_CHECKS:
            yield f"and {len(open_checks) - MAX_CHECKS} more checks in the report"
        yield f"report: {_near(self.report)}"
        yield f"again:  {' '.join(self.summary['command'])}"


def _near(path: Path) -> Path:
    """As a person would write it in the working directory."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
