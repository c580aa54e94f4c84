"""Loads, options, and the uids of devices."""

import pytest

from e2e import Load
from e2e.engine.options import Options, parse_pace
from e2e.errors import E2EError, ScenarioError, UsageError
from e2e.protocol.auth import DEV_UID, Credentials


@pytest.mark.parametrize(
    ("load", "starts"),
    (
        (Load.users(1), [0.0]),
        (Load.users(1, ramp="10s"), [0.0]),
        (Load.users(3), [0.0, 0.0, 0.0]),
        (Load.users(4, ramp="10s"), [0.0, 2.5, 5.0, 7.5]),
        (Load.users(2, ramp=1), [0.0, 0.5]),
        (Load.users(2, ramp="250ms"), [0.0, 0.125]),
        (Load.users(2, ramp="2m"), [0.0, 60.0]),
        (Load.users(0, ramp="10s"), []),
        (Load.none(), []),
    ),
)
def test_the_first_device_begins_at_once_and_the_others_spread_over_the_ramp(load, starts):
    assert load.starts() == starts


def test_another_number_of_users_keeps_the_ramp():
    load = Load.users(20, ramp="10s")
    assert load.with_users(None) == load
    assert load.with_users(2).starts() == [0.0, 5.0]


@pytest.mark.parametrize("ramp", ("ten", "10 parsecs", "-1s", -1, float("nan"), float("inf"), True))
def test_a_ramp_that_is_no_duration_is_refused(ramp):
    with pytest.raises(ScenarioError, match="not a duration"):
        Load.users(2, ramp=ramp)


def test_fewer_than_no_users_are_refused():
    with pytest.raises(ScenarioError, match="-1 users"):
        Load.users(-1)


@pytest.mark.parametrize(
    ("text", "speed"), (("realtime", 1.0), ("max", None), ("20x", 20.0), ("0.5x", 0.5), ("1x", 1.0), ("1e2x", 100.0))
)
def test_paces(text, speed):
    assert parse_pace(text) == speed


@pytest.mark.parametrize("text", ("", "x", "20", "fast", "-1x", "0x", "infx", "nanx", "20X", "20xx", "Max"))
def test_what_is_no_pace_is_refused_with_what_would_be(text):
    with pytest.raises(UsageError, match=r"realtime, max, or a factor such as 20x"):
        parse_pace(text)


def test_options_tell_query_parameters_from_parameters_of_the_scenario():
    options = Options(settings={"chunks": "5", "listen.language": "fr", "listen.uid": "x"})
    assert options.listen_settings() == {"language": "fr", "uid": "x"}
    assert options.journalled()["settings"] == dict(options.settings)


@pytest.mark.parametrize(
    ("scheme", "devices", "uids"),
    (
        ("admin", 1, ["qa"]),
        ("admin", 3, ["qa-1", "qa-2", "qa-3"]),
        ("bearer", 2, ["qa", "qa"]),  # a token is one user, whoever shows it
        ("dev", 2, ["qa", "qa"]),
    ),
)
def test_each_device_is_a_user_of_its_own_where_the_credentials_allow_it(scheme, devices, uids):
    credentials = Credentials(scheme, "secret", "qa")
    assert [credentials.device_uid(n, devices) for n in range(devices)] == uids


def test_headers_by_scheme():
    assert Credentials("admin", "key-", "qa").headers("qa-2") == {"Authorization": "Bearer key-qa-2"}
    assert Credentials("bearer", "token", "qa").headers("qa") == {"Authorization": "Bearer token"}
    assert Credentials("dev", "dev", DEV_UID).headers(DEV_UID) == {"Authorization": "Bearer dev"}


def test_every_misuse_is_an_error_of_the_one_tree():
    assert issubclass(ScenarioError, UsageError) and issubclass(UsageError, E2EError)
