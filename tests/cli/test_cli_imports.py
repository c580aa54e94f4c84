"""Whole runs in which an import is broken: found by the log, by the import probe, or by both."""

import json
import sys
from collections import Counter
from pathlib import Path

import pytest

from e2e import standin
from e2e.audit.baseline import load_baseline
from e2e.audit.check import audit
from e2e.audit.model import Severity
from tests.cli.conftest import STANDIN, free_port

SMOKE = ("run", "smoke", *STANDIN, "--pace", "max", "--chunks", "30", "--quiet")

# fault: what is found, by which statement of which file, when, by whom
BROKEN = {
    "boot": ("e2e.standin.models", "Geolocation", "broken.py", "def at_boot", "boot", "log, probe"),
    "circular": ("e2e.standin.circle", "Structured", "circle_back.py", "The other half", "boot", "log, probe"),
    "route": ("e2e.standin.models", "ConversationPhoto", "broken.py", "def in_a_route", "services", "log, probe"),
    "stream": ("e2e.standin.models", "CalendarContext", "broken.py", "def while_streaming", "stream", "log, probe"),
    "background": (
        *("e2e.standin.conversation_summary", None, "broken.py"),
        *("def in_background", "stream", "log, probe"),
    ),
    "swallowed": ("e2e.standin.models", "Geolocation", "broken.py", "def swallowed", "stream", "probe"),
}


def line_of(file, where):
    """The first import after the words `where`, counted from 1."""
    lines = (Path(standin.__file__).parent / file).read_text().splitlines()
    start = next(n for n, line in enumerate(lines) if where in line)
    return next(n for n, line in enumerate(lines, 1) if n > start + 1 and line.split()[:1] in (["from"], ["import"]))


def broken():
    """Whole runs take seconds each: the slow tests show the others."""
    for fault in BROKEN:
        yield pytest.param(fault, marks=() if fault in ("stream", "swallowed") else pytest.mark.slow)


@pytest.mark.parametrize("fault", [*broken()])
def test_a_planted_import_error_is_found_and_named(e2e, fault):
    module, name, file, where, phase, source = BROKEN[fault]
    result = e2e(*SMOKE, "--fault", f"import={fault}")
    assert result.code == 1 and result.checks()["zero_import_errors"] == "fail"
    (error,) = result.run["imports"]["errors"]
    assert (error["service"], error["module"], error["name"]) == ("backend", module, name)
    assert error["file"].endswith(f"e2e/standin/{file}") and error["line"] == line_of(file, where)
    assert (error["phase"], error["source"]) == (phase, source)
    assert error["kind"] == ("ImportError" if name else "ModuleNotFoundError") and error["evidence"]
    backend = result.run["imports"]["services"]["backend"]
    assert backend["proven"]["failed"] == 1 and backend["found_by_audit"] == 0
    if fault == "route":  # the service closes the connection after its 500, and the next row is asked all the same
        assert [row["status"] for row in result.run["endpoints"]][-2:] == [500, 200]
    if fault in ("stream", "background", "swallowed"):
        assert result.run["counters"]["close_codes"] == {"1000": 1}


@pytest.mark.slow
def test_without_the_probe_a_swallowed_failure_is_not_seen_and_the_check_says_on_what_it_stands(e2e):
    result = e2e(*SMOKE, "--fault", "import=swallowed", "--no-probe")
    assert result.code == 0
    assert "no import error: logs of 2 services read, no import probe, audit of 1 source tree" in result.out
    assert "Never executed: not known" in (e2e.directory / "reports/latest/report.md").read_text()


def test_what_was_exercised_is_in_the_report(e2e):
    result = e2e(*SMOKE)
    assert result.code == 0
    assert "no import error: logs of 2 services read, import probe in 2 services, audit of 1 source tree" in result.out
    exercised = result.run["imports"]["exercised"]
    assert exercised["watch"] == ["e2e.standin.models"] and exercised["never"] == []
    assert {row["service"] for row in exercised["rows"]} == {"backend", "pusher"}
    for name in ("report.md", "report.html"):
        text = (e2e.directory / "reports/latest" / name).read_text()
        assert "where exercised" in text and "from e2e.standin.models import Document" in text
    proven(result, e2e)


def proven(result, e2e):
    """The audit and the probe know the statements of the stand-in by the same places."""
    imports = result.run["imports"]
    (tree,) = imports["trees"]
    assert (tree["tree"], tree["services"], tree["complete"]) == ("e2e/standin", ["backend", "pusher"], True)
    assert tree["executed"] + tree["never"] == tree["statements"] and tree["failed"] == 0
    assert tree["executed"] > 100 and tree["accepted"] == 7
    assert tree["never"] == sum(map(len, tree["never_where"].values()))
    assert line_of("broken.py", "def swallowed") in tree["never_where"]["e2e/standin/broken.py"]
    journal = [json.loads(line) for line in e2e.journal().splitlines()]
    known = {(f, n) for r in journal if r["type"] == "import_places" for f, lines in r["files"].items() for n in lines}
    used = {(r["file"], r["line"]) for r in journal if r["type"] == "import_use" and "/standin/" in r["file"]}
    assert used and used <= known
    streamed = next(r["t"] for r in journal if r["type"] == "phase" and r["phase"] == "stream")
    assert all(r["t"] < streamed for r in journal if r["type"] == "import_audit")
    for name in ("report.md", "report.html"):
        text = (e2e.directory / "reports/latest" / name).read_text()
        assert "Imports: what was proven" in text and f"{tree['executed']} of {tree['statements']}" in text


def test_the_baseline_of_the_standin_is_its_planted_faults_and_up_to_date():
    tree = Path(standin.__file__).parent
    findings = [f for f in audit(tree).findings if f.severity is not Severity.INFO]
    assert Counter(f.fingerprint for f in findings) == load_baseline(tree / "imports.json")
    assert {f.file for f in findings} == {"broken.py", "circle.py", "circle_back.py"}


SERVICE = """
import http.server, sys
print("INFO:     Application startup complete.", flush=True)
try:
    import no_such_distribution
except ImportError:
    no_such_distribution = None
def never_called():
    from models.place import gone
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""

LOOK = """
from e2e import Load, expect, scenario

@scenario(title="The service alone", load=Load.none(), services=("backend",), expect=[expect.zero_import_errors()])
async def look(device):
    pass
"""


@pytest.fixture
def service(e2e):
    """A service with an import that it does without, and one in a function that cannot work: run it so configured."""
    (e2e.directory / "tree/models").mkdir(parents=True)
    e2e.write("tree/models/place.py", "HERE = 1\n")
    e2e.write("tree/serve.py", SERVICE)
    e2e.write("look.py", LOOK)

    def run(imports):
        port = free_port()
        lines = [f'[targets.local.backend]\nurl = "http://127.0.0.1:{port}"\ncwd = "tree"']
        lines += [f"command = {json.dumps([sys.executable, 'serve.py', str(port)])}"]
        e2e.write("e2e.toml", "\n".join([*lines, "[targets.local.imports]", *imports]) + "\n")
        return e2e("run", "look.py", "--quiet")

    return run


def test_what_is_declared_required_may_not_be_missing(service):
    (forgiven,) = service([]).run["imports"]["exercised"]["forgiven"]
    assert forgiven["module"] == "no_such_distribution" and "not declared required" in forgiven["rule"]
    result = service(['required = ["no_such_distribution"]'])
    assert result.code == 1
    (error,) = result.run["imports"]["errors"]
    place = ("serve.py", SERVICE.splitlines().index("    import no_such_distribution") + 1)
    assert (error["service"], error["kind"], error["module"]) == (
        "backend",
        "ModuleNotFoundError",
        "no_such_distribution",
    )
    assert (error["name"], error["file"], error["line"]) == (None, *place)
    assert (error["phase"], error["source"]) == ("boot", "probe") and "declared required" in error["evidence"][0]


def test_what_only_the_audit_found_fails_the_run_until_a_baseline_accepts_it(service, e2e):
    result = service(["audit = true"])
    assert result.code == 1
    (error,) = result.run["imports"]["errors"]
    line = SERVICE.splitlines().index("    from models.place import gone") + 1
    assert (error["service"], error["kind"], error["module"]) == ("backend", "missing-name", "models.place")
    assert (error["name"], error["file"], error["line"]) == ("gone", "serve.py", line)
    assert (error["phase"], error["source"]) == (None, "audit") and "IMP102" in error["evidence"][0]
    proof = result.run["imports"]["services"]["backend"]["proven"]
    # Executed: the first line. Failed: what is done without. Never: the one in the function.
    assert (proof["statements"], proof["executed"], proof["failed"], proof["never"]) == (3, 1, 1, 1)
    assert e2e("imports", "tree", "--baseline", "accepted.json", "--write-baseline").code == 0
    result = service(["audit = true", 'baseline = "accepted.json"'])
    assert result.code == 0 and "log of 1 service" not in result.out
    assert "logs of 1 service read, import probe in 1 service, audit of 1 source tree" in result.out


def test_an_audit_that_cannot_run_is_said_and_does_not_count(service, e2e):
    e2e.write("accepted.json", "no baseline")
    result = service(["audit = true", 'baseline = "accepted.json"'])
    assert result.code == 0 and "import probe in 1 service, no source audit" in result.out
    backend = result.run["imports"]["services"]["backend"]
    assert not backend["audited"] and "cannot be read as a baseline" in backend["audit"]
    assert "cannot be read as a baseline" in (e2e.directory / "reports/latest/report.md").read_text()
