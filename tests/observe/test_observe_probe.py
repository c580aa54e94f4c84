"""The import probe inside real Python processes: what it writes down, and what it leaves as it was."""

import ast
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from e2e.audit.check import audit
from e2e.observe.exercise import PROBE, _counts

PYTHON = os.environ.get("E2E_PROBE_PYTHON", sys.executable)
"""The interpreter of the services here: any from 3.9 on."""

TREE = {
    "models/__init__.py": "",
    "models/place.py": "HERE = 1\n",
    "models/lazy.py": """
        asked = []
        def __getattr__(name):
            asked.append(name)
            if name == "found":
                return 1
            raise AttributeError(name)
    """,
    "models/one.py": "from models.two import second\nfirst = 1\n",
    "models/two.py": "from models.one import first\nsecond = 2\n",
    "models/relative.py": "from . import place\nfrom .place import HERE\n",
    "models/raises.py": "raise ValueError('no settings')\n",
}


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "service"
    for name, text in TREE.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(textwrap.dedent(text))
    return root


@pytest.fixture
def execute(tree, tmp_path):
    """Run a script in the tree; gives the ended process, and each fact with its count."""

    def run(script, *, probe=True, watch="", path="", arguments=("main.py",), code=0, python=PYTHON):
        (tree / "main.py").write_text(textwrap.dedent(script))
        facts = tmp_path / f"facts{len(list(tmp_path.iterdir()))}"
        facts.mkdir()
        env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        if probe:
            env |= {"PYTHONPATH": os.pathsep.join(filter(None, (str(PROBE), path))), "E2E_PROBE_DIR": str(facts)}
            env |= {"E2E_PROBE_ROOT": str(tree), "E2E_PROBE_WATCH": watch}
        elif path:
            env["PYTHONPATH"] = path
        done = subprocess.run([python, *arguments], cwd=tree, env=env, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        return done, read(facts)

    return run


def read(directory):
    found = []
    for path in sorted(directory.glob("*.jsonl")):
        counts = _counts(path)
        for cell, *fact in map(json.loads, path.read_text().splitlines()[1:]):
            if cell is not None:
                found.append((fact, counts[cell]))
    return found


def failures(facts):
    return {(f[0], os.path.basename(f[1]), f[2], f[3], *f[4]): (f[5], n) for f, n in facts if f[0] and n}


def uses(facts):
    return {(os.path.basename(f[1]), f[2], f[3], *f[4]): n for f, n in facts if not f[0] and n}


def test_statements_are_counted_where_they_stand(execute):
    _, facts = execute(
        """
        import models.place as p
        def handler():
            from models.place import HERE
            from models.place import *
        """.replace("            from models.place import *\n", "")
        + """
        from models.place import *
        import models.relative, importlib
        importlib.import_module("models.place")
        for _ in range(1000):
            handler()
        """
    )
    seen = uses(facts)
    assert seen["main.py", 2, "models.place"] == 1
    assert seen["main.py", 4, "models.place", "HERE"] == 1000
    assert seen["main.py", 6, "models.place", "*"] == 1
    assert seen["relative.py", 1, "models", "place"] == seen["relative.py", 2, "models.place", "HERE"] == 1
    assert seen["main.py", 8, "models.place"] == 1
    assert failures(facts) == {}


@pytest.mark.parametrize(
    ("statement", "kind", "module", "name", "own"),
    [
        ("from models.place import gone", "ImportError", "models.place", "gone", True),
        ("from models import gone", "ImportError", "models", "gone", True),
        ("import models.gone", "ModuleNotFoundError", "models.gone", None, True),
        ("from models.lazy import gone", "ImportError", "models.lazy", "gone", True),
        ("import no_such_distribution", "ModuleNotFoundError", "no_such_distribution", None, False),
        ("from os import gone", "ImportError", "os", "gone", False),
        (
            "import importlib; importlib.import_module('.gone', 'models')",
            "ModuleNotFoundError",
            "models.gone",
            None,
            True,
        ),
        ("__import__('models.gone')", "ModuleNotFoundError", "models.gone", None, True),
        ("import models.raises", "ValueError", "models.raises", None, True),
    ],
)
def test_swallowed_failures_are_seen(execute, statement, kind, module, name, own):
    _, facts = execute(f"""
        for _ in range(3):
            try:
                {statement}
            except Exception:
                pass
        """)
    names = (name,) if name else ()
    assert failures(facts) == {(kind, "main.py", 4, module, *names): (own, 3)}
    assert not any(use[0] == "main.py" and name in use for use in uses(facts) if name)


def test_a_circle_is_told_once_and_where_it_breaks(execute):
    _, facts = execute("""
        try:
            import models.one
        except ImportError:
            pass
        """)
    assert failures(facts) == {("ImportError", "two.py", 1, "models.one", "first"): (True, 1)}
    (reason,) = [f[6] for f, _ in facts if f[0]]
    assert "partially initialized module 'models.one' (most likely due to a circular import)" in reason


def test_threads_forks_and_a_killed_process(execute):
    _, facts = execute(
        """
        import os, signal, threading
        def work():
            try:
                from models.place import gone
            except ImportError:
                pass
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if os.fork() == 0:
            work()
            os.kill(os.getpid(), signal.SIGKILL)
        os.wait()
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        code=-9,
    )
    assert [n for f, n in facts if f[0]] == [1, 1]


def test_only_the_services_own_files_count_and_what_is_watched(execute, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "other.py").write_text("import models.place, json\n")
    (elsewhere / "other2.py").write_text("import models.lazy\n")
    script = "import other, other2\n"
    _, facts = execute(script, path=str(elsewhere))
    assert {use[0] for use in uses(facts)} == {"main.py"}
    _, facts = execute(script, path=str(elsewhere), watch="models.place")
    assert uses(facts)["other.py", 1, "models.place"] == 1
    assert "other2.py" not in {use[0] for use in uses(facts)}


BEHAVIOUR = """
    import builtins, importlib, sys, traceback, warnings
    warnings.simplefilter("always")
    from models import lazy
    from models.lazy import found
    try:
        from models.lazy import gone
    except ImportError as error:
        print(error, error.name, error.path == lazy.__file__, error.__context__)
    print(lazy.asked, sys.path[1:], sorted(n for n in vars(lazy) if n != "__builtins__"))
    print(__import__("models.place").__name__, __import__("models.place", fromlist=["HERE"]).__name__)
    print(__import__("models", fromlist=["nothing"]), builtins.__import__.__name__, importlib.import_module.__name__)
    for statement in ("import models.gone", "from models.place import gone", "import models.one", "from . import x",
                      "import models.raises", "from models.lazy import also_gone", "import x.y"):
        try:
            exec(statement, {"__name__": "main", "__package__": ""})
        except Exception as error:
            print(type(error), error, getattr(error, "name", None), getattr(error, "path", None))
            frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith("<frozen")]
            print([(f.filename, f.lineno) for f in frames])
    import models.warns
"""


def test_the_service_behaves_as_without_it(execute, tree):
    (tree / "models" / "warns.py").write_text("import warnings\nwarnings.warn('old', stacklevel=2)\n")
    with_probe, facts = execute(BEHAVIOUR)
    without, _ = execute(BEHAVIOUR, probe=False)
    assert facts
    assert (with_probe.stdout, with_probe.stderr) == (without.stdout, without.stderr)
    assert "main.py:21: UserWarning: old" in without.stderr


def other_pythons():
    """Interpreters of other versions that are on this machine."""
    homes = [Path.home() / ".pyenv" / "versions", Path("/usr/bin"), Path("/usr/local/bin")]
    for minor in range(9, 15):
        found = [p for home in homes for p in (*home.glob(f"3.{minor}.*/bin/python"), home / f"python3.{minor}")]
        yield from (str(p) for p in found[:1] if p.is_file() and minor != sys.version_info.minor)


@pytest.mark.parametrize("python", list(other_pythons()))
def test_every_python_that_is_here(execute, tree, python):
    (tree / "models" / "warns.py").write_text("import warnings\nwarnings.warn('old', stacklevel=2)\n")
    with_probe, facts = execute(BEHAVIOUR, python=python)
    without, _ = execute(BEHAVIOUR, python=python, probe=False)
    assert (with_probe.stdout, with_probe.stderr) == (without.stdout, without.stderr)
    assert ("ImportError", "main.py", 7, "models.lazy", "gone") in failures(facts)
    assert ("ImportError", "two.py", 1, "models.one", "first") in failures(facts)
    assert uses(facts)["main.py", 5, "models.lazy", "found"] == 1


@pytest.mark.parametrize("arguments", [("-m", "main"), ("-c", "import main"), ("-m", "runpy", "main")])
def test_however_it_is_started(execute, arguments):
    _, facts = execute("import models.place\n", arguments=arguments)
    assert ("main.py", 1, "models.place") in uses(facts)


@pytest.mark.parametrize("body", ["print('own sitecustomize')", "raise RuntimeError('own')", "import gone_from_here"])
def test_a_sitecustomize_of_the_services_own_runs_as_ever(execute, tmp_path, body):
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text(body + "\n")
    script = "import sitecustomize\nprint(sitecustomize.__file__)" if "print" in body else "print('served')"
    with_probe, facts = execute(script, path=str(own))
    without, _ = execute(script, path=str(own), probe=False)
    assert with_probe.stdout == without.stdout
    assert with_probe.stderr.splitlines()[-1:] == without.stderr.splitlines()[-1:]
    assert len(facts) > 0 or "print" not in body


def test_a_place_that_cannot_be_written_changes_nothing(tree):
    (tree / "main.py").write_text("import models.place\nprint('served')\n")
    env = os.environ | {"PYTHONPATH": str(PROBE), "E2E_PROBE_DIR": "/nonexistent/e2e", "E2E_PROBE_ROOT": str(tree)}
    done = subprocess.run([PYTHON, "main.py"], cwd=tree, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "served\n", "")


def test_the_file_is_bounded(execute):
    _, facts = execute("""
        for n in range(6000):
            try:
                exec(f"import gone_{n}")
            except ImportError:
                pass
        names = [f"gone_{n}" for n in range(6000)]
        import importlib
        for name in names:
            try:
                importlib.import_module(name)
            except ImportError:
                pass
        """)
    assert 4000 < len(facts) <= 4096


@pytest.mark.parametrize("path", sorted(PROBE.glob("*.py")), ids=lambda p: p.name)
def test_it_is_written_for_python_3_9_and_needs_nothing_but_python(path):
    names = set()
    for node in ast.walk(ast.parse(path.read_text(), feature_version=(3, 9))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module)
    assert names <= {
        "builtins",
        "importlib",
        "itertools",
        "mmap",
        "os",
        "sys",
        "_json",
        "e2e_import_probe",
        "sitecustomize",
    }


FORMS = """
    import os, sys
    from models import (
        place as there,
        relative,
    )
    import importlib
    try:
        from models.place import (
            HERE,

            gone,
        )
    except ImportError:
        gone = None
    def handler():
        import models.place as x; from models.lazy import found
        return importlib.import_module(
            "models.relative"
        )
    if handler():
        from \\
            models.place import \\
            HERE as h
    class Held:
        from models.place import HERE
    with open(os.devnull) as _: from models.place import *
"""


@pytest.mark.parametrize("python", [PYTHON, *other_pythons()])
def test_the_places_are_those_that_the_audit_counts(execute, tree, python):
    _, facts = execute(FORMS, python=python)
    places = {(file, line) for file, lines in audit(tree).places.items() for line in lines}
    seen = {(os.path.relpath(fact[1], tree), fact[2]) for fact, count in facts if count}
    assert seen == {place for place in places if place[0] in ("main.py", "models/relative.py")}
    assert len(seen) == 11
