"""`e2e --help`, `list`, `init` and `standin`."""

import re
import signal
import subprocess
import sys

import httpx
import pytest

from e2e import __version__
from e2e.standin.faults import FAULTS
from tests.cli.conftest import E2E, Standin, free_port

HEAVY = (
    "numpy",
    "httpx",
    "rich",
    "websockets",
    "msgspec",
    "jinja2",
    "soundfile",
    "soxr",
    "rapidfuzz",
    "psutil",
    "asyncio",
)


def test_help_names_every_command(e2e):
    result = e2e("--help")
    assert result.code == 0 and result.err == ""
    for command in ("run", "list", "init", "report", "compare", "history", "imports", "standin"):
        assert f"\n  {command} " in result.out
        assert e2e(command, "--help").code == 0
    assert "130 interrupted" in result.out


def test_help_imports_nothing_heavy():
    program = """
import sys
from e2e.cli import main
sys.argv = ["e2e", "--help"]
try:
    main()
finally:
    print("\\n".join(sys.modules), file=sys.stderr)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "Usage: " in result.stdout
    loaded = set(result.stderr.split())
    assert "click" in loaded and loaded.isdisjoint(HEAVY)
    ours = {name for name in loaded if name.split(".")[0] == "e2e"}
    assert ours == {"e2e", "e2e.cli", "e2e.errors"}


def test_the_version(e2e):
    assert e2e("--version").out.strip().endswith(__version__)


def test_list_is_plain_lines_of_name_and_text(e2e):
    rows = dict(line.split("\t") for line in e2e("list").out.splitlines())
    assert {"endpoints", "podcast", "pusher", "smoke", "two-devices"} <= set(rows) and all(rows.values())
    assert dict(line.split("\t") for line in e2e("list", "--faults").out.splitlines()) == FAULTS


def test_output_that_nobody_reads_is_no_defect(e2e):
    process = subprocess.Popen(f"{E2E} list | true", shell=True, stderr=subprocess.PIPE, text=True)
    assert process.communicate(timeout=30)[1] == ""


def test_init_writes_once_and_replaces_only_when_told(e2e):
    assert e2e("init").code == 0
    path = e2e.directory / "e2e.toml"
    written = path.read_text()
    assert "10220" in written and "10221" in written and written.startswith("#")
    path.write_text("mine")
    assert "e2e.toml exists already" in e2e("init").error
    assert path.read_text() == "mine"
    assert e2e("init", "--force").code == 0 and path.read_text() == written
    assert "ADMIN_KEY is not set; export it in the shell that runs e2e, or" in e2e("run", "smoke").error


@pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGINT))
def test_the_stand_in_serves_until_it_is_stopped(tmp_path, number):
    standin = Standin(tmp_path)
    assert httpx.get(f"{standin.backend}/v1/health").status_code == 200
    assert httpx.get(f"{standin.pusher}/health").json() == {"status": "healthy"}
    result = standin.stop(number)
    assert result.code == 0 and result.err == ""
    # No key was in the environment, so it made one up and says it: else nobody could talk to it.
    assert "export ADMIN_KEY=" in result.out


def test_the_stand_in_keeps_a_given_key_to_itself(tmp_path):
    standin = Standin(tmp_path, ADMIN_KEY="sesame-street-")
    answer = httpx.get(
        f"{standin.backend}/v1/conversations", headers={"Authorization": "Bearer sesame-street-qa"}, timeout=10
    )
    assert answer.status_code == 200
    result = standin.stop()
    assert "sesame-street-" not in result.out + result.err


def test_a_port_that_is_taken(served, e2e):
    port = served.backend.rpartition(":")[2]
    result = e2e("standin", "--port", port, "--pusher-port", "1")
    assert re.fullmatch(rf"port {port} is in use \(by .*\): choose another with --port", result.error)


def test_a_stand_in_that_dies_at_boot_says_why(e2e):
    ports = ("--port", str(free_port()), "--pusher-port", str(free_port()))
    result = e2e("standin", "--fault", "import=boot", *ports, traceback_on_stdout=True)
    assert result.code == 3 and result.err.startswith("e2e: backend ended at boot") and "Geolocation" in result.err
    assert "backend | Traceback" in result.out  # the log of the service, which is what this command shows
