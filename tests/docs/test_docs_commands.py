"""Every command that the docs show is run, and every script and configuration in them is loaded.

A command that needs minutes, a cloud or a machine of its own is run in a shortened form, which `SHORTENED` states. A
command that is in neither way covered fails the suite.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from e2e.config import load_target
from e2e.engine.scenario import load_scenario

ROOT = Path(__file__).parents[2]
DOCS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
E2E = Path(sys.executable).with_name("e2e")

QUICK = "--recogniser vad --timers 0.03 --pace max --quiet"

# Command in the docs -> what is run instead, and the exit codes that are right for it.
SHORTENED: dict[str, tuple[str, set[int]]] = {
    "e2e run smoke --standin": (f"e2e run smoke --standin {QUICK} --chunks 30", {0}),
    "e2e run podcast --standin": (f"e2e run podcast --standin {QUICK} --chunks 30", {0}),
    # The run that it reports on here may have one session.
    "e2e report reports/latest --session s2": ("e2e report reports/latest --session s1", {0}),
    "e2e run podcast --standin --pace 20x --recogniser vad": (
        "e2e run podcast --standin --recogniser vad --timers 0.03 --quiet --pace 20x --chunks 30",
        {0},
    ),
    "e2e run pusher --standin --chunks 20": (f"e2e run pusher --standin {QUICK} --chunks 20", {0}),
    "e2e run endpoints --standin": (f"e2e run endpoints --standin {QUICK}", {0}),
    "e2e run smoke --standin --pace max --recogniser vad": (f"e2e run smoke --standin {QUICK}", {0}),
    "e2e run commute.py --standin --users 2 --set chunks=30": (
        "e2e run commute.py --standin --users 2 --set chunks=30 --ramp 1s --recogniser vad --timers 0.1 --quiet",
        {0, 1, 4, 5},  # its latency has no meaning on a machine that is busy with other tests
    ),
    "e2e run smoke --standin --fault session=close-1011": (
        f"e2e run smoke --standin {QUICK} --fault session=close-1011",
        {1},
    ),
    "e2e compare reports/RUN_A reports/RUN_B": ("e2e compare reports/RUN_A reports/RUN_B --fail-on regression", {0}),
    "e2e run smoke --standin --fault protocol=early-transcript": (
        f"e2e run smoke --standin {QUICK} --chunks 30 --fault protocol=early-transcript",
        {1},
    ),
    # Shown within 20 s of streaming, which the slow tests do (tests/cli/test_cli_protocol.py): here it only begins.
    "e2e run podcast --standin --fault protocol-slow=ping-gap": (
        f"e2e run podcast --standin {QUICK} --chunks 30 --fault protocol-slow=ping-gap",
        {0},
    ),
    "e2e run pusher --standin --fault protocol-slow=pusher-201-twice": (
        f"e2e run pusher --standin {QUICK} --chunks 20 --fault protocol-slow=pusher-201-twice",
        {1},
    ),
    "e2e run smoke --standin --fault import=swallowed": (
        f"e2e run smoke --standin {QUICK} --chunks 30 --fault import=swallowed",
        {1},
    ),
    "e2e run smoke --standin --wait-conversation --timers 0.1": (
        f"e2e run smoke --standin {QUICK} --chunks 30 --wait-conversation",
        {0},
    ),
    # What it finds bad depends on the machine and on the services of the real configuration, which are not here.
    "e2e doctor": ("e2e doctor", {0, 1}),
    "e2e doctor --target local --users 500": ("e2e doctor --target local --users 500", {1}),
    # The tree is made for the test; its own interpreter is not there.
    "e2e imports backend --python .venv/bin/python": (f"e2e imports backend --python {sys.executable}", {0}),
    # The real services are not here: their command is not found, which is said, with the code for it.
    "e2e run smoke": ("e2e run smoke", {2}),
    "e2e run smoke --target local": ("e2e run smoke --target local", {2}),
}

# Run elsewhere in the suite, by the test that is named.
ELSEWHERE = {
    "e2e run podcast --standin --web": "tests/cli/test_cli_web.py",
    "make demo": "tests/test_fresh_clone.py",
    ". .venv/bin/activate": "tests/test_fresh_clone.py",
    "make test": "the suite that runs this test",
    "make lint": ".ci/run",
    "pytest --e2e-target local": "tests/testing/test_pytest_plugin.py",
    "e2e run webhooks --standin": "tests/scenarios/test_scenarios_semantics.py",
    "e2e run webhooks --standin --fault webhook=double": "tests/scenarios/test_scenarios_semantics.py",
    "e2e run podcast --standin --prometheus :9464": "tests/cli/test_cli_live.py",
    "e2e run podcast --standin --otel=http://localhost:4318": "tests/cli/test_cli_live.py",
    "e2e run smoke --standin --recogniser vad --users 10 --ramp 2s --baseline latest-pass --fail-on regression": (
        "tests/cli/test_cli_compare.py"
    ),
    "e2e run smoke --standin --fault ready=late": "tests/cli/test_cli_compare.py",
    "e2e standin --port 10220 --pusher-port 10221": "test_the_standin_serves_until_it_is_told_to_end",
}


def blocks(language: str):
    for path in DOCS:
        for block in re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.S | re.M):
            yield path.name, block


def commands() -> list[str]:
    lines = [line.split("  #")[0].split(" #")[0].strip() for _, block in blocks("sh") for line in block.splitlines()]
    return list(dict.fromkeys(line for line in lines if line))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A directory with the script of the docs and a run to report on."""
    directory = tmp_path_factory.mktemp("docs")
    (script,) = {block for name, block in blocks("python") if name == "scenarios.md" and "def commute" in block}
    (directory / "commute.py").write_text(script)
    (directory / "backend/models").mkdir(parents=True)
    (directory / "backend/models/geolocation.py").write_text("class Geolocation: ...\n")
    (directory / "backend/main.py").write_text("import json\nfrom models.geolocation import Geolocation\n")
    run(f"e2e run pusher --standin {QUICK} --chunks 5", directory)
    for name in ("RUN_A", "RUN_B"):
        shutil.copytree((directory / "reports/latest").resolve(), directory / "reports" / name)
    return directory


def run(command: str, directory: Path) -> subprocess.CompletedProcess[str]:
    program, *arguments = shlex.split(command)
    assert program == "e2e", f"the docs show {command!r}: say in SHORTENED or ELSEWHERE how it is tested"
    environment = os.environ | {"ADMIN_KEY": "docs-admin-key"}
    return subprocess.run(
        [E2E, *arguments], cwd=directory, env=environment, capture_output=True, text=True, timeout=100, check=False
    )


def cases():
    """Whole runs take seconds each: but for the first of all, they are left to the slow tests."""
    for command in commands():
        if command not in ELSEWHERE:
            whole_run = (
                command.startswith("e2e run") and "--standin" in command and command != "e2e run smoke --standin"
            )
            yield pytest.param(command, marks=pytest.mark.slow if whole_run else ())


@pytest.mark.parametrize("command", [*cases()])
def test_each_command_of_the_docs_does_what_it_says(command, place):
    shortened, codes = SHORTENED.get(command, (command, {0}))
    if command == "e2e init":
        (place / "e2e.toml").unlink(missing_ok=True)
    elif (
        command.startswith(("e2e run smoke", "e2e doctor --target"))
        and "--standin" not in command
        and not (place / "e2e.toml").exists()
    ):
        run("e2e init", place)
    done = run(shortened, place)
    assert done.returncode in codes, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    if "docs-admin-key" in done.stdout + done.stderr:
        pytest.fail("a secret was shown")


def test_no_entry_of_the_tables_is_left_over():
    assert set(SHORTENED) | set(ELSEWHERE) <= set(commands())


def test_the_standin_serves_until_it_is_told_to_end(place):
    process = subprocess.Popen(
        [E2E, "standin", "--port", "12920", "--pusher-port", "12921", "--recogniser", "vad"],
        cwd=place,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        lines = iter(process.stdout.readline, "")
        assert any("backend http://127.0.0.1:12920, pusher http://127.0.0.1:12921" in line for line in lines)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_scripts_in_the_docs_declare_scenarios(tmp_path):
    for n, (name, block) in enumerate((n, b) for n, b in blocks("python") if n != "pytest.md"):  # tests, run as such
        script = tmp_path / f"script_{n}.py"
        script.write_text(block)
        assert load_scenario(str(script)).title, name


def test_configurations_in_the_docs_are_targets(tmp_path):
    whole = [block for name, block in blocks("toml") if name == "targets.md" and "[targets.local]" in block]
    rows = [block for name, block in blocks("toml") if name == "targets.md" and block.startswith("[[")]
    logs = [
        line
        for name, block in blocks("toml")
        if name == "targets.md"
        for line in block.splitlines()
        if line.startswith("log = ")
    ]
    imports = [b for name, b in blocks("toml") if name == "targets.md" and b.startswith("[targets.local.imports]")]
    webhooks = [b for name, b in blocks("toml") if name == "targets.md" and b.startswith("[targets.local.webhook]")]
    assert len(whole) == len(imports) == len(webhooks) == 1 and rows and len(logs) == 5
    for log in logs:
        text = whole[0].replace("[targets.local.pusher]", f"{log}\n\n[targets.local.pusher]") + "\n".join(
            rows + imports + webhooks
        )
        tomllib.loads(text)
        (tmp_path / "e2e.toml").write_text(text)
        target = load_target(None, tmp_path, {"ADMIN_KEY": "k-1234"})
        assert target.webhook.port == 8090
        assert target.backend.log.kind in log and target.endpoints[0].path == "/v1/conversations/search"


@pytest.mark.parametrize("path", DOCS, ids=lambda p: p.name)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (path.parent / target).exists(), f"{path.name}: {target}"
