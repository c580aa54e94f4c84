"""Cycles: each tree is audited, and Python itself imports it: both must say the same."""

import subprocess
import sys

import pytest

HARMLESS = {
    "modules only": {"a.py": "import b\nA = 1", "b.py": "import a\nB = 1"},
    "bound before": {"a.py": "A = 1\nfrom b import B", "b.py": "B = 1\nfrom a import A"},
    "in a function": {"a.py": "from b import B\nA = 1", "b.py": "B = 1\ndef f():\n    from a import A"},
    "for type checkers": {
        "a.py": "from b import B\nA = 1",
        "b.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from a import A\nB = 1",
    },
    "submodules of a package": {
        "p/__init__.py": "from . import x, y",
        "p/x.py": "from p import y",
        "p/y.py": "from p import x",
    },
    "the package and its parts": {"p/__init__.py": "from .x import X\nP = 1", "p/x.py": "import p\nX = 1"},
}
BREAKS = {
    "two": {"a.py": "from b import B\nA = 1", "b.py": "from a import A\nB = 1"},
    "three": {"a.py": "from b import B\nA = 1", "b.py": "from c import C\nB = 1", "c.py": "from a import A\nC = 1"},
    "in a class": {"a.py": "from b import B\nA = 1", "b.py": "class K:\n    from a import A\nB = 1"},
    "the package": {"p/__init__.py": "from .x import X\nP = 1", "p/x.py": "from p import P\nX = 1"},
}


def python_imports(directory, module: str) -> bool:
    done = subprocess.run([sys.executable, "-c", f"import {module}"], cwd=directory, capture_output=True, check=False)
    return done.returncode == 0


def first(files: dict[str, str]) -> list[str]:
    return [name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in files]


@pytest.mark.parametrize("files", HARMLESS.values(), ids=HARMLESS)
def test_a_harmless_cycle_is_not_mentioned(said, tree, files):
    assert all(python_imports(tree(files), module) for module in first(files))
    assert said(files) == []


@pytest.mark.parametrize("files", BREAKS.values(), ids=BREAKS)
def test_a_cycle_that_breaks_whichever_comes_first_is_an_error(said, tree, files):
    assert not any(python_imports(tree(files), module) for module in first(files))
    found = said(files)
    assert found and all(line.startswith("error broken-cycle") for line in found)


def test_a_cycle_that_depends_on_who_is_first_is_a_warning_unless_it_is_entered_there(said, tree):
    files = {"a.py": "import b\nA = 1", "b.py": "from a import A\nB = 1"}
    assert [python_imports(tree(files), module) for module in ("a", "b")] == [False, True]
    assert said(files) == ["warning broken-cycle b.py:1 A"]
    assert said(files | {"main.py": "import a"}) == ["error broken-cycle b.py:1 A"]


def test_a_long_chain_does_not_break_the_audit(said):
    count = 1500
    files = {f"m{n}.py": f"import m{(n + 1) % count}" for n in range(count)}
    assert said(files) == []
