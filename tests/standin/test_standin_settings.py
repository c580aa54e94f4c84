"""How a stand-in is described: settings, faults and the plan of its two processes."""

import sys
from pathlib import Path

import pytest

from e2e.errors import UsageError
from e2e.standin.faults import FAULTS, Faults
from e2e.standin.plan import plan
from e2e.standin.settings import Settings

DB = Path("/nowhere/standin.db")


def test_settings_survive_the_environment():
    settings = Settings(
        db=DB,
        recogniser="vad",
        timers=0.1,
        seed=7,
        faults=("session=vanish", "pusher=silent"),
        admin_key="key",
        token="token",
        token_uid="me",
        pusher_url="http://127.0.0.1:9",
    )
    assert Settings.from_env(settings.to_env()) == settings


def test_nothing_is_inherited_from_the_environment_of_the_run():
    inherited = {"ADMIN_KEY": "theirs", "LOCAL_DEVELOPMENT": "true", "E2E_STANDIN_FAULTS": "session=vanish"}
    settings = Settings.from_env(inherited | Settings(db=DB).to_env())
    assert (settings.admin_key, settings.local_development, settings.faults) == (None, False, ())


def test_secrets_are_not_in_the_repr():
    assert "s3cret" not in repr(Settings(db=DB, admin_key="s3cret", token="s3cret-too"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"recogniser": "magic"}, "sphinx, vad"),
        ({"timers": 0.0}, "above 0"),
        ({"faults": ("session=vanishes",)}, "did you mean 'session=vanish'"),
        ({"faults": ("zzzz",)}, "e2e list --faults"),
        ({"faults": ("session",)}, "use one of session=never-ready, session=close-1011, session=vanish"),
        ({"faults": ("session=vanish", "session=never-ready")}, "given twice"),
    ],
)
def test_what_cannot_be_is_refused_with_a_hint(options, says):
    with pytest.raises(UsageError, match=says):
        Settings(db=DB, **options)


@pytest.mark.parametrize("env", [{}, {"E2E_STANDIN_DB": "x", "E2E_STANDIN_TIMERS": "fast"}])
def test_an_environment_that_cannot_be_read_is_refused(env):
    with pytest.raises(UsageError, match="E2E_STANDIN_"):
        Settings.from_env(env)


def test_each_fault_has_one_line_of_text():
    for fault, text in FAULTS.items():
        name, _, value = fault.partition("=")
        assert Faults([fault]).get(name) == value
        assert text and "\n" not in text and "\t" not in text


def test_the_plan_names_two_processes_that_find_each_other():
    services = plan(Settings(db=DB, pusher_url="http://elsewhere"), port=1, pusher_port=2)
    assert set(services) == {"backend", "pusher"}
    assert all(service.command[:3] == (sys.executable, "-m", "uvicorn") for service in services.values())
    assert services["backend"].url == "http://127.0.0.1:1"
    assert services["backend"].env["HOSTED_PUSHER_API_URL"] == services["pusher"].url == "http://127.0.0.1:2"
