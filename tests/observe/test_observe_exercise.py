"""The probe in services that the launcher starts, and what the journal then says of their imports."""

import asyncio
import sys

from e2e.observe.optional import judged
from e2e.observe.spec import ImportsSpec
from tests.observe.conftest import records, until

BODY = """
import models.place
def swallowed():
    try:
        from models.place import gone
    except ImportError:
        pass
    try:
        import no_such_distribution
    except ImportError:
        pass
def work():
    from models.place import HERE
    swallowed()
def in_background():
    import time, os
    while not os.path.exists("go"):
        time.sleep(0.02)
    work()
    open("done", "w").close()
threading.Thread(target=in_background, daemon=True).start()
serve()
"""


def plant(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").touch()
    (tmp_path / "models" / "place.py").write_text("HERE = 1\n")
    (tmp_path / "models" / "unused.py").touch()


async def test_facts_are_told_with_their_phase(make, services, journal, tmp_path):
    plant(tmp_path)
    spec = make(BODY, imports=ImportsSpec(watch=("models.*",)))
    async with services(spec) as running:
        running.set_phase("stream")
        (tmp_path / "go").touch()
        await until((tmp_path / "done").exists)
    uses = {(r["module"], *r["names"]): r for r in records(journal, "import_use", file="backend.py")}
    assert uses["models.place",]["phase"] == "boot" and uses["models.place",]["own"]
    assert (uses["models.place", "HERE"]["phase"], uses["models.place", "HERE"]["count"]) == ("stream", 1)
    found = {(r["module"], r["name"]): r for r in records(journal, "import_failure")}
    gone, missing = found["models.place", "gone"], found["no_such_distribution", None]
    assert (gone["error"], gone["phase"], gone["file"], gone["rule"]) == (True, "stream", "backend.py", "watched")
    assert (missing["error"], missing["kind"]) == (False, "ModuleNotFoundError")
    (probe,) = records(journal, "import_probe")
    assert (probe["processes"], probe["complete"]) == (1, True)
    assert probe["watch"] == ["models.place", "models.unused"]


async def test_without_the_probe_nothing_is_told(make, tmp_path, journal):
    from e2e.observe.launcher import Services

    plant(tmp_path)
    async with Services([make(BODY)], journal, tmp_path / "logs", probe=False):
        await asyncio.sleep(0)
    assert not any(records(journal, type) for type in ("import_use", "import_failure", "import_probe"))


async def test_a_service_that_the_probe_does_not_reach_is_said_so(make, services, journal, tmp_path):
    plant(tmp_path)
    spec = make("serve()")
    object.__setattr__(spec, "command", (sys.executable, "-I", spec.command[1]))
    async with services(spec):
        pass
    (probe,) = records(journal, "import_probe")
    assert (probe["processes"], probe["facts"]) == (0, 0)


def test_what_is_an_error():
    spec = ImportsSpec(watch=("models.*",), optional=("models.trial", "local.*"), required=("firebase_admin",))
    assert judged("models.place", ["gone"], False, spec) == (True, "watched")
    assert judged("models.trial", ["gone"], True, spec)[0] is False
    assert judged("utils.x", [], True, spec) == (True, "in the service's own tree")
    assert judged("utils._speedups", [], True, spec)[0] is False
    assert judged("local.thing", [], True, spec)[0] is False
    assert judged("firebase_admin.auth", [], False, spec) == (True, "declared required")
    assert judged("numpy", [], False, spec)[0] is False
    assert judged("os", ["gone"], False, spec)[0] is False
