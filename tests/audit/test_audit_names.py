"""Which names and modules an import finds, held against trees that show one thing each."""

import sys

import pytest

from e2e.audit.check import audit
from e2e.errors import UsageError
from tests.audit.conftest import lines

PACKAGE = {"models/__init__.py": "", "models/a.py": "class A: ...\n_hidden = 1\n"}

FINE = {
    "own name": {"main.py": "from models.a import A, _hidden"},
    "submodule": {"main.py": "from models import a\nimport models.a as m"},
    "passed on": {"models/__init__.py": "from .a import A", "main.py": "from models import A"},
    "star": {"models/__init__.py": "from .a import *", "main.py": "from models import A"},
    "listed in __all__": {
        "models/a.py": "__all__ = ['_b']\n_b = 1\n",
        "models/__init__.py": "from .a import *",
        "main.py": "from models import _b",
    },
    "conditional": {
        "models/a.py": "try:\n    import json as A\nexcept ImportError:\n    A = None\nif len('x'):\n    B = 1\n",
        "main.py": "from models.a import A, B",
    },
    "loops, with, walrus, match, unpacking": {
        "models/a.py": "for x, (y, *z) in []: pass\nwith open('f') as w: pass\nif (v := 1): pass\n"
        "match v:\n    case {'k': k}: pass\n",
        "main.py": "from models.a import x, y, z, w, v, k",
    },
    "global of a function": {"models/a.py": "def f():\n    global A\n    A = 1\n", "main.py": "from models.a import A"},
    "__getattr__": {"models/a.py": "def __getattr__(name): ...", "main.py": "from models.a import anything"},
    "globals()": {"models/a.py": "globals()['A'] = 1", "main.py": "from models.a import A"},
    "globals().update": {"models/a.py": "globals().update(A=1)", "main.py": "from models.a import A"},
    "setattr": {
        "models/a.py": "import sys\nsetattr(sys.modules[__name__], 'A', 1)",
        "main.py": "from models.a import A",
    },
    "replaced": {"models/a.py": "import sys\nsys.modules[__name__] = object()", "main.py": "from models.a import x"},
    "given by another": {"main.py": "from models import a\na.given = 1", "models/b.py": "from models.a import given"},
    "given by another, computed": {
        "main.py": "def f(name):\n    from models import a\n    setattr(a, name, 1)",
        "models/b.py": "from models.a import given",
    },
    "extension": {"models/fast.cpython-311-x86_64-linux-gnu.so": "", "main.py": "from models.fast import x"},
    "stub": {"models/s.pyi": "x: int", "main.py": "from models.s import x"},
    "star of another's": {"models/a.py": "from os.path import *", "main.py": "from models.a import join"},
    "a test that wants it": {"main.py": "import pytest\nwith pytest.raises(ImportError):\n    import models.gone"},
    "not for type checkers": {
        "models/a.py": "from typing import TYPE_CHECKING\nif not TYPE_CHECKING:\n    B = 1\n",
        "main.py": "from models.a import B",
    },
    "a directory like an installed package": {"alembic/env.py": "from alembic import op"},
    "from another directory": {"backend/models/b.py": "B = 1", "backend/routers/x.py": "from models.b import B"},
    "src": {"src/lib/__init__.py": "", "src/lib/b.py": "B = 1", "tests/x.py": "from lib.b import B"},
    "another's": {"main.py": "import numpy.gone\nfrom requests import gone"},
}

BROKEN = {
    "name": ({"main.py": "from models.a import Gone"}, "error missing-name main.py:1 Gone"),
    "name in a package": ({"main.py": "from models import gone"}, "error missing-name main.py:1 gone"),
    "module": ({"main.py": "import models.gone"}, "error missing-module main.py:1 models.gone"),
    "below a module": ({"main.py": "import models.a.b"}, "error missing-module main.py:1 models.a.b"),
    "in a function": ({"main.py": "def f():\n    from models.a import B"}, "error missing-name main.py:2 B"),
    "in a method": ({"main.py": "class C:\n    def f(self):\n        import models.b"}, "main.py:3 models.b"),
    "relative": ({"models/b.py": "from .a import B"}, "error missing-name models/b.py:1 B"),
    "relative module": ({"models/b.py": "from .gone import B"}, "error missing-module models/b.py:1 models.gone"),
    "relative, from the package": ({"models/b.py": "from . import gone"}, "missing-name models/b.py:1 gone"),
    "not exported": (
        {
            "models/a.py": "__all__ = ['A']\nA = B = 1",
            "models/s.py": "from .a import *",
            "main.py": "from models.s import B",
        },
        "error missing-name main.py:1 B",
    ),
    "hidden from a star": (
        {"models/s.py": "from .a import *", "main.py": "from models.s import _hidden"},
        "error missing-name main.py:1 _hidden",
    ),
    "deleted": ({"models/a.py": "x = 1\ndel x", "main.py": "from models.a import x"}, "missing-name main.py:1 x"),
    "of a class": ({"models/a.py": "class A:\n    x = 1", "main.py": "from models.a import x"}, "main.py:1 x"),
    "swallowed": (
        {"main.py": "try:\n    from models.a import B\nexcept ImportError:\n    B = None"},
        "error missing-name main.py:2 B",
    ),
    "for type checkers": (
        {"main.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from models.a import B"},
        "warning missing-name main.py:3 B",
    ),
    "only for type checkers": (
        {
            "models/b.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .a import A",
            "main.py": "from models.b import A",
        },
        "error typing-only-name main.py:1 A",
    ),
    "called": (
        {"main.py": "import importlib\nimportlib.import_module('models.gone')"},
        "error missing-module main.py:2 models.gone",
    ),
    "listed but not there": ({"models/a.py": "__all__ = ['gone']"}, "warning missing-export models/a.py:1 gone"),
    "listed, not there, and starred": (
        {"models/a.py": "__all__ = ['gone']", "main.py": "from models.a import *"},
        "error missing-export models/a.py:1 gone",
    ),
    "generated": (
        {"main.py": "try:\n    from models._version import v\nexcept ImportError:\n    v = ''"},
        "warning missing-module main.py:2 models._version",
    ),
    "no Python": ({"models/c.py": "def"}, "warning unreadable models/c.py:1 models.c"),
    "namespace package": ({"lib/x.py": "X = 1", "main.py": "from lib.x import X\nimport lib.y"}, "main.py:2 lib.y"),
}


@pytest.mark.parametrize("files", FINE.values(), ids=FINE)
def test_what_works_is_not_mentioned(said, files):
    assert said(PACKAGE | files) == []


@pytest.mark.parametrize(("files", "expected"), BROKEN.values(), ids=BROKEN)
def test_what_is_broken_is_named(said, files, expected):
    (line,) = said(PACKAGE | files)
    assert line.endswith(expected)


def test_a_package_is_audited_under_its_own_name(tree):
    path = tree(PACKAGE | {"models/b.py": "from models.a import A\nfrom models.a import B\nfrom ..x import y\n"})
    assert lines(audit(path / "models")) == ["error missing-name b.py:2 B", "error beyond-top b.py:3 ..x"]


def test_a_name_that_is_elsewhere_or_nearly_right_is_hinted_at(tree):
    path = tree(
        PACKAGE | {"models/b.py": "def compute_distance(): ...", "main.py": "from models.a import compute_distance\n"}
    )
    (finding,) = audit(path).findings
    assert "is it models.b.compute_distance?" in finding.message


def test_another_interpreter_is_asked_for_what_is_not_the_trees(said):
    main = "import json, pytest\nimport no_such_one\ntry:\n    import no_such_two\nexcept ImportError:\n    pass\n"
    files = {"main.py": main}
    assert said(files) == []
    assert said(files, python=sys.executable) == [
        "error missing-distribution main.py:2 no_such_one",
        "warning missing-distribution main.py:4 no_such_two",
    ]
    with pytest.raises(UsageError, match="give a Python 3"):
        said(files, python="/no/such/python")


def test_callers_of_a_re_export_are_named_for_watched_modules(said):
    files = PACKAGE | {"models/b.py": "from .a import A", "main.py": "from models.b import A\nfrom models.a import A\n"}
    assert said(files) == []
    assert said(files, watch=["models.a"]) == ["warning re-export main.py:1 A"]
    assert said(files, watch=["main"]) == []


def test_watched_modules_are_counted(tree):
    files = PACKAGE | {"main.py": "import models.a\ndef f():\n    from models import a\n"}
    assert audit(tree(files), watch=["models.*"]).watched == {"models.a": (2, 1)}


def test_one_package_can_be_looked_at_alone(said):
    files = PACKAGE | {"lib/__init__.py": "", "main.py": "import models.gone\nimport lib.gone\n"}
    assert said(files, package="lib") == ["error missing-module main.py:2 lib.gone"]


def test_a_package_is_also_found_below_a_directory_that_is_none(said):
    files = PACKAGE | {"svc/plugins/__init__.py": "", "svc/plugins/x.py": "import models.gone\n"}
    assert said(files, package="plugins") == ["error missing-module svc/plugins/x.py:1 models.gone"]
    assert said(files, package="svc.plugins.x") == said(files, package="svc") == said(files, package="plugins")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"package": "nope"}, "no package nope in .*; it has main, models$"),
        ({"package": "model"}, "no package model in"),
        ({"package": "docs"}, "no package docs in"),
        ({"watch": ["models.*", "zzz.*"]}, r"--watch 'zzz\.\*' matches no module of .*; it has main, models$"),
    ],
)
def test_what_the_tree_does_not_have_does_not_look_like_a_clean_tree(tree, wrong, says):
    path = tree(PACKAGE | {"main.py": "import models.gone\n", "docs/readme.txt": ""})
    with pytest.raises(UsageError, match=says):
        audit(path, **wrong)


def test_a_file_that_cannot_be_read_is_an_error(tree):
    path = tree(PACKAGE | {"main.py": "import models.a\n"})
    (path / "models/closed.py").symlink_to("/proc/self/mem")  # reading it fails, also for root
    (finding,) = audit(path).findings
    assert (finding.rule, finding.severity, finding.file) == ("unreadable", "error", "models/closed.py")
    assert finding.message == "cannot be read: input/output error"


@pytest.mark.parametrize("files", [{"readme.txt": ""}, {"node_modules/x.py": ""}])
def test_a_directory_without_python_is_refused(tree, files):
    with pytest.raises(UsageError, match="no Python files"):
        audit(tree(files))


def test_a_directory_with_a_dot_in_its_name(said):
    files = {"a.py": "A = 1\n", "v1.2/b.py": "import json\nfrom a import A\nfrom a import gone\nfrom . import c\n"}
    assert said(files)[0] == "error missing-name v1.2/b.py:3 gone"
