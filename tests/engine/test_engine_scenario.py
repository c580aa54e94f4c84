"""Declaring a scenario, finding one, and every way in which a script can be wrong."""

import inspect
from pathlib import Path

import pytest

from e2e import Drain, Load, expect, scenario
from e2e.engine.scenario import DEFAULT_EXPECT, load_scenario, shipped_scenarios
from e2e.errors import ScenarioError, UsageError

SCRIPT = """
from e2e import Device, Load, expect, scenario

@scenario(title="First", load=Load.users(2))
async def first_one(device: Device, chunks: int = 5):
    '''Says hello.'''
"""

SECOND = """
@scenario(title="Second")
async def second(device: Device):
    pass
"""


@pytest.fixture
def script(tmp_path):
    def write(text: str, name: str = "script.py") -> str:
        path = tmp_path / name
        path.write_text(inspect.cleandoc(text) + "\n")
        return str(path)

    return write


def test_a_scenario_keeps_what_was_declared():
    @scenario(title="T", load=Load.users(3), expect=[expect.close_code(1001)], services=("pusher",))
    async def some_thing(device):
        """Words."""

    assert (some_thing.name, some_thing.title, some_thing.description) == ("some-thing", "T", "Words.")
    assert (some_thing.load, some_thing.services) == (Load(3), ("pusher",))
    assert some_thing.expect == (expect.close_code(1001),)
    assert some_thing.drain == Drain.disconnected()


def test_a_scenario_that_expects_nothing_of_its_own_still_expects_something():
    @scenario(title="T")
    async def bare(device): ...

    assert bare.expect == DEFAULT_EXPECT and bare.expect
    assert bare.load == Load(1)


def test_what_is_no_coroutine_function_of_a_device_is_refused():
    declare = scenario(title="T")
    with pytest.raises(ScenarioError, match=r"async def plain\(device: Device\)"):

        @declare
        def plain(device): ...

    with pytest.raises(ScenarioError, match="lonely"):

        @declare
        async def lonely(): ...


@pytest.mark.parametrize(
    ("given", "values"),
    (
        ({}, {}),
        ({"chunks": "7"}, {"chunks": 7}),
        ({"loud": "true"}, {"loud": True}),
        ({"loud": "FALSE"}, {"loud": False}),
        ({"gain": "0.5"}, {"gain": 0.5}),
        ({"name": "3000"}, {"name": "3000"}),
        ({"listen.language": "fr", "chunks": "1"}, {"chunks": 1}),
    ),
)
def test_settings_are_converted_to_the_type_of_each_default(given, values):
    @scenario(title="T")
    async def typed(device, chunks: int = 5, loud: bool = False, gain: float = 1.0, name: str = "x"): ...

    assert typed.settings(given) == values
    assert [type(v) for v in typed.settings(given).values()] == [type(v) for v in values.values()]


@pytest.mark.parametrize("given", ({"chunks": "many"}, {"chunks": "1.5"}, {"loud": "yes"}, {"gain": ""}))
def test_a_setting_of_another_type_is_refused(given):
    @scenario(title="T")
    async def typed(device, chunks: int = 5, loud: bool = False, gain: float = 1.0): ...

    (name, value), *_ = given.items()
    with pytest.raises(UsageError, match=f"--set {name}={value}"):
        typed.settings(given)


def test_an_unknown_setting_is_refused_with_those_that_there_are():
    @scenario(title="T")
    async def typed(device, chunks: int = 5, gain: float = 1.0): ...

    with pytest.raises(UsageError, match=r"'chunk'; --set may say chunks, gain, listen\.NAME"):
        typed.settings({"chunk": "3"})


def test_the_shipped_scenarios():
    shipped = shipped_scenarios()
    assert {"endpoints", "podcast", "pusher", "smoke"} <= set(shipped) and list(shipped) == sorted(shipped)
    assert all(item.title and item.description for item in shipped.values())
    assert load_scenario("smoke") is shipped["smoke"]


@pytest.mark.parametrize(("wrong", "meant"), (("smok", "smoke"), ("podcats", "podcast"), ("endpoint", "endpoints")))
def test_an_unknown_name_is_refused_with_the_nearest(wrong, meant):
    with pytest.raises(ScenarioError, match=f"did you mean '{meant}'"):
        load_scenario(wrong)


def test_a_name_that_is_near_to_none_is_refused_with_all_of_them():
    with pytest.raises(ScenarioError, match=r"no scenario 'zzz'\. Shipped are: .*endpoints, .*podcast, .*smoke"):
        load_scenario("zzz")


def test_a_script_is_found_by_its_path(script):
    found = load_scenario(script(SCRIPT))
    assert (found.name, found.load.count, found.description) == ("first-one", 2, "Says hello.")
    assert found.settings({"chunks": "8"}) == {"chunks": 8}


def test_one_of_several_scenarios_is_chosen_by_name(script):
    path = script(SCRIPT + SECOND)
    with pytest.raises(ScenarioError, match=r"several scenarios.*script\.py:first-one"):
        load_scenario(path)
    assert load_scenario(f"{path}:second").title == "Second"
    assert load_scenario(f"{path}:first_one").title == load_scenario(f"{path}:first-one").title == "First"
    with pytest.raises(ScenarioError, match=r"no scenario 'third'; it has: first-one, second"):
        load_scenario(f"{path}:third")


def test_scenarios_that_a_script_imported_are_not_its_own(script, tmp_path, monkeypatch):
    script(SCRIPT, "shared_scenarios.py")
    monkeypatch.syspath_prepend(tmp_path)
    assert (
        load_scenario(script("from shared_scenarios import first_one" + SCRIPT.replace("First", "Mine"))).title
        == "Mine"
    )


WRONG = {
    "syntax error": ("x = 1\nasync def broken(:\n    pass", 2, "invalid syntax"),
    "raises at import": ("import e2e\n\nraise ValueError('not today')", 3, "ValueError: not today"),
    "raises in a library": ("import json\njson.loads('{')", 2, "JSONDecodeError"),
    "a module that is not there": ("\nimport no_such_module_at_all", 1, "No module named 'no_such_module_at_all'"),
    "an unknown name of e2e": ("from e2e import Devise", 1, "cannot import name 'Devise'"),
    "exits": ("import sys\nsys.exit(0)", 2, "SystemExit: 0"),
}


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("relative", (True, False))
def test_a_script_that_cannot_be_loaded_is_refused_with_file_and_line(script, tmp_path, monkeypatch, kind, relative):
    text, line, says = WRONG[kind]
    path = script(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ScenarioError) as error:
        load_scenario("script.py" if relative else path)
    assert f"{Path(path).name}:{line}: " in str(error.value) and says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_wrong_declaration_in_a_script_is_refused(script):
    with pytest.raises(ScenarioError, match=r"close_code\(99\)"):
        load_scenario(script("from e2e import expect\nexpect.close_code(99)"))
    with pytest.raises(ScenarioError, match="async def"):
        load_scenario(script("from e2e import scenario\n@scenario(title='T')\ndef f(device): pass"))


def test_a_script_without_a_scenario_is_refused_with_how_to_write_one(script):
    with pytest.raises(ScenarioError, match=r"declares no scenario: decorate an `async def`"):
        load_scenario(script("x = 1"))


def test_a_path_that_leads_nowhere_is_refused(script, tmp_path):
    with pytest.raises(ScenarioError, match=r"no script at .*nowhere\.py"):
        load_scenario(str(tmp_path / "nowhere.py"))
    with pytest.raises(ScenarioError, match="no script at"):
        load_scenario(f"{tmp_path}/")
    with pytest.raises(ScenarioError, match=r"ends in \.py"):
        load_scenario(script(SCRIPT, "notes.txt"))


def test_what_is_no_text_is_refused(tmp_path):
    for data in (b"\xff\xfe\x00", b"x = 1\n\x00\n"):
        (tmp_path / "binary.py").write_bytes(data)
        with pytest.raises(ScenarioError, match=r"binary\.py"):
            load_scenario(str(tmp_path / "binary.py"))
