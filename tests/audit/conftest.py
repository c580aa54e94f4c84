"""Source trees as files, and what the audit says of them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.audit.check import Audit, audit

Say = Callable[..., list[str]]


@pytest.fixture
def tree(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    """Writes files below a directory of their own, which is returned."""

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / "tree" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path / "tree"

    return write


@pytest.fixture
def said(tree) -> Say:
    """Errors and warnings of a tree: `error missing-name main.py:1 gone`."""

    def say(files: dict[str, str], **options: object) -> list[str]:
        return lines(audit(tree(files), **options))  # type: ignore[arg-type]

    return say


def lines(result: Audit) -> list[str]:
    shown = [f for f in result.findings if f.severity != "info"]
    return [f"{f.severity} {f.rule} {f.file}:{f.line} {f.name or f.module}" for f in shown]
