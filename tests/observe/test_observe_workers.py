"""Tracebacks of two workers in one log come apart, however their lines are mixed."""

import itertools
import random
import subprocess
import sys

import pytest

from e2e.observe.imports import ErrorScanner, ImportFinding
from e2e.observe.lines import clean, normalise

WORKER = """
import importlib, sys, traceback
sys.path.insert(0, sys.argv[1])
try:
    importlib.import_module(sys.argv[2])
except ImportError:
    traceback.print_exc()
"""


@pytest.fixture(scope="module")
def tracebacks(tmp_path_factory):
    """Two real ones, of different depth: lines, and the module, file and line that each must be read as."""
    root = tmp_path_factory.mktemp("app")
    (root / "models.py").write_text("x = 1\n")
    (root / "one.py").write_text("\n\nfrom models import Geolocation\n")
    (root / "deep.py").write_text("import middle\n")
    (root / "middle.py").write_text("\nimport bottom\n")
    (root / "bottom.py").write_text("\n\n\nimport no_such_module\n")
    told = []
    for name, what, file, line in (("one", "models", "one.py", 3), ("deep", "no_such_module", "bottom.py", 4)):
        command = [sys.executable, "-c", WORKER, str(root), name]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stderr
        told.append((text.splitlines(), (what, str(root / file), line)))
    return told


def found(lines):
    scanner, findings = ErrorScanner(), []
    for n, text in enumerate(lines, 1):
        for line in normalise(clean(text), n):
            findings += scanner.feed(line)
    findings += scanner.flush()
    assert all(isinstance(finding, ImportFinding) for finding in findings)
    return {(f.broken.module, f.broken.file, f.broken.line) for f in findings}


def alternating(one, other):
    return [line for pair in itertools.zip_longest(one, other) for line in pair if line is not None]


def mixed(rng, one, other):
    """Any order that keeps each writer's own."""
    queues = [list(one), list(other)]
    while any(queues):
        queue = rng.choice([q for q in queues if q])
        yield queue.pop(0)


def test_line_by_line(tracebacks):
    (one, first), (other, second) = tracebacks
    for order in (alternating(one, other), alternating(other, one)):
        assert found(order) == {first, second}


def test_one_printed_inside_the_other(tracebacks):
    (one, first), (other, second) = tracebacks
    for outer, inner in ((one, other), (other, one)):
        for cut in range(1, len(outer)):
            assert found([*outer[:cut], *inner, *outer[cut:]]) == {first, second}, cut


def test_any_order_where_lines_name_their_process(tracebacks):
    (one, first), (other, second) = tracebacks
    rng = random.Random(3)
    for _ in range(200):
        order = mixed(rng, [f"[101] {line}" for line in one], [f"[102] {line}" for line in other])
        assert found(order) == {first, second}


def test_any_order_where_they_do_not_still_names_what_is_broken(tracebacks):
    (one, first), (other, second) = tracebacks
    rng = random.Random(4)
    whole = 0
    for _ in range(200):
        names = found(mixed(rng, one, other))
        assert {module for module, _, _ in names} == {first[0], second[0]}
        whole += names == {first, second}
    assert whole > 50  # an order without any rule cannot always be undone


def test_clean_lines_of_others_between(tracebacks):
    (one, first), (other, second) = tracebacks
    clean_lines = [f"INFO:routers.transcribe:_listen e2e-{n}" for n in range(30)]
    rng = random.Random(5)
    for lines, what in ((one, first), (other, second)):
        for _ in range(100):
            assert found(mixed(rng, lines, clean_lines)) == {what}
