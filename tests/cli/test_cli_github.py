"""`e2e run` as a step of GitHub Actions."""

import re

import pytest

from tests.cli.conftest import STANDIN

FAULT = ("--quiet", "--chunks", "60", "--fault", "session=close-1011")


@pytest.mark.slow
def test_a_step_that_fails_is_annotated_and_summarised_after_its_output(e2e):
    summary = e2e.directory / "summary.md"
    told = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    result = e2e("run", "stream.py", *STANDIN, "--pace", "20x", *FAULT, **told)
    assert result.code == 1
    first, *lines = result.out.splitlines()
    token = first.removeprefix("::stop-commands::")
    end = lines.index(f"::{token}::")
    assert lines[end - 1].startswith("verdict: fail (exit 1) reports/"), "all that services say is printed before"
    assert len(lines[end + 1 :]) >= 2 and all(re.match("::error title=e2e%3A ", line) for line in lines[end + 1 :])
    report = (e2e.directory / "reports/latest/report.md").read_text(encoding="utf-8")
    assert summary.read_text(encoding="utf-8") == f"{report}\n"
