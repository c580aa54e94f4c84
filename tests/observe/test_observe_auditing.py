"""The static audit of the trees of services, beside their boot."""

import asyncio
from dataclasses import replace

import pytest

from e2e.observe.auditing import Audits, _batches
from e2e.observe.child import Warden
from e2e.observe.spec import ImportsSpec, ServiceSpec
from tests.observe.conftest import records


@pytest.fixture
def tree(tmp_path):
    tree = tmp_path / "tree"
    (tree / "models").mkdir(parents=True)
    (tree / "models" / "place.py").write_text("import os\nHERE = 1\n")
    (tree / "main.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import models.place\nfrom models.place import gone\n"
    )
    return tree


@pytest.fixture
def audits(journal):
    guard = Warden()
    yield lambda *specs, **options: Audits(specs, journal, guard, **options)
    guard.close()


def spec(tree, name="backend", **fields):
    return ServiceSpec(name, "http://127.0.0.1:1", ("x",), imports=ImportsSpec(root=tree, audit=tree), **fields)


async def audited(audits, journal, *specs, seconds=None, **options):
    running = audits(*specs, **options)
    running.start()
    await running.finish(seconds)
    return records(journal, "import_audit")


async def test_one_audit_of_a_tree_is_told_for_each_service_that_runs_from_it(audits, journal, tree):
    told = await audited(audits, journal, spec(tree), spec(tree, "pusher"))
    assert [r["service"] for r in told] == ["backend", "pusher"] and told[0]["seconds"] == told[1]["seconds"]
    for r in told:
        assert (r["error"], r["files"], r["statements"], r["accepted"], r["errors"]) == (None, 2, 3, 0, 1)
        (finding,) = r["findings"]
        assert (finding["kind"], finding["module"], finding["name"]) == ("missing-name", "models.place", "gone")
        assert (finding["file"], finding["line"]) == ("main.py", 4)
    (places,) = records(journal, "import_places")
    assert places["files"] == {"main.py": [1, 4], "models/place.py": [1]} and places["tree"] == told[0]["tree"]


async def test_a_service_that_ran_before_is_not_taken_for_the_tree(audits, journal, tree):
    (told,) = await audited(audits, journal, replace(spec(tree), command=None))
    assert "did not start it" in told["error"] and not records(journal, "import_places")


@pytest.mark.parametrize(
    ("options", "says"),
    [({"patience": 0.001}, "not done after 0.001 s"), ({"seconds": 0.001}, "the run ended before it did")],
)
async def test_one_that_takes_too_long_is_ended_and_said_to_be(audits, journal, tree, options, says):
    (told,) = await audited(audits, journal, spec(tree), **options)
    assert told["error"] == says


async def test_a_tree_that_is_none_is_said(audits, journal, tmp_path):
    (told,) = await audited(audits, journal, spec(tmp_path / "nowhere"))
    assert "is no directory" in told["error"]


async def test_a_directory_named_like_us_is_not_taken_for_us(audits, journal, tree, monkeypatch):
    (tree / "e2e").mkdir()
    (tree / "e2e" / "__init__.py").write_text("raise SystemExit(3)\n")
    monkeypatch.chdir(tree)
    (told,) = await audited(audits, journal, spec(tree))
    assert told["error"] is None


async def test_the_event_loop_goes_on_meanwhile(audits, journal, tree):
    running = audits(spec(tree))
    running.start()
    turns = 0
    while not records(journal, "import_audit"):
        await asyncio.sleep(0.005)
        turns += 1
    await running.finish()
    assert turns > 3


def test_places_come_in_records_that_the_journal_does_not_cut():
    places = {f"package/{n}.py": list(range(1, 1 + n % 50)) for n in range(1, 400)} | {"long.py": list(range(1, 2000))}
    told: dict[str, list[int]] = {}
    for batch in _batches(places):
        assert len(batch) <= 150 and sum(map(len, batch.values())) <= 400
        for file, lines in batch.items():
            told.setdefault(file, []).extend(lines)
    assert told == {file: lines for file, lines in places.items() if lines}
