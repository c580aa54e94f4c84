"""`e2e imports` as a user runs it: exit codes, formats, the baseline."""

import json
import subprocess

import pytest

from e2e.audit.model import RULES
from tests.cli.conftest import E2E

TREE = {
    "models/__init__.py": "",
    "models/a.py": "A = 1\n",
    "main.py": "from models.a import Gone\nfrom models.a import *\n",
}


def run(directory, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [E2E, "imports", *arguments]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def broken(tree):
    return tree(TREE)


def test_an_error_ends_with_1_and_says_where(broken):
    done = run(broken, ".")
    assert done.returncode == 1 and done.stderr == ""
    first, *_, last = done.stdout.splitlines()
    assert first == "main.py:1:1: error IMP102 models.a has no name Gone"
    assert last == "errors: 1, warnings: 0, star imports: 1 (import statements: 2, files: 3)"


def test_without_errors_it_ends_with_0(broken):
    (broken / "main.py").write_text("from models.a import A\n")
    assert run(broken, ".").returncode == 0


def test_nothing_of_the_tree_is_run(broken):
    (broken / "main.py").write_text("open('ran', 'w')\nimport models.gone\n")
    assert run(broken, ".").returncode == 1
    assert not (broken / "ran").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["nowhere"], "nowhere is no directory"),
        ([".", "--write-baseline"], "add --baseline FILE"),
        ([".", "--baseline", "nowhere.json"], "cannot be read as a baseline"),
        ([".", "--baseline", "main.py"], "cannot be read as a baseline"),
        ([".", "--format", "xml"], "xml"),
        ([".", "--package", "nope"], "no package nope in .; it has main, models"),
        ([], "PATH"),
    ],
)
def test_wrong_usage_ends_with_2(broken, arguments, text):
    done = run(broken, *arguments)
    assert done.returncode == 2 and text in done.stderr and "Traceback" not in done.stderr


def test_json_holds_every_finding(broken):
    content = json.loads(run(broken, ".", "--format", "json", "--watch", "models.*").stdout)
    assert content["counts"] == {"error": 1, "warning": 0, "info": 1}
    assert [(f["code"], f["file"], f["line"], f["name"]) for f in content["findings"]] == [
        ("IMP102", "main.py", 1, "Gone"),
        ("IMP301", "main.py", 2, "*"),
    ]
    assert content["watched"] == [{"module": "models.a", "imports": 2, "in_functions": 0}]


def test_sarif_has_the_shape_that_code_scanning_reads(broken):
    log = json.loads(run(broken, ".", "--format", "sarif").stdout)
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-2.1.0.json")
    (scan,) = log["runs"]
    rules = scan["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [rule.code for rule in RULES.values()]
    assert scan["originalUriBaseIds"]["SRCROOT"]["uri"].startswith("file:///")
    for result in scan["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note") and result["message"]["text"]
        (place,) = (location["physicalLocation"] for location in result["locations"])
        assert place["artifactLocation"] == {"uri": "main.py", "uriBaseId": "SRCROOT"}
        assert place["region"]["startLine"] >= 1 and place["region"]["startColumn"] >= 1


def test_a_baseline_accepts_what_is_there_also_when_lines_move(broken):
    assert run(broken, ".", "--baseline", "b.json", "--write-baseline").returncode == 0
    (broken / "main.py").write_text('"""Moved."""\n\n\n' + TREE["main.py"])
    done = run(broken, ".", "--baseline", "b.json")
    assert done.returncode == 0 and "accepted by the baseline: 1" in done.stdout
    sarif = json.loads(run(broken, ".", "--baseline", "b.json", "--format", "sarif").stdout)
    suppressed = [r for r in sarif["runs"][0]["results"] if r.get("suppressions") == [{"kind": "external"}]]
    assert [r["ruleId"] for r in suppressed] == ["IMP102"]


def test_a_baseline_does_not_accept_the_same_import_once_more(broken):
    run(broken, ".", "--baseline", "b.json", "--write-baseline")
    (broken / "main.py").write_text(TREE["main.py"] + "def f():\n    from models.a import Gone\n")
    done = run(broken, ".", "--baseline", "b.json")
    assert done.returncode == 1 and "errors: 1," in done.stdout


def test_names_from_files_cannot_control_a_terminal(tree):
    path = tree(
        {"x\x1b[31m.py": "import json", "main.py": "import importlib\nimportlib.import_module('main.\\x1b[2J')"}
    )
    done = run(path, ".")
    assert done.returncode == 1 and "\x1b" not in done.stdout
