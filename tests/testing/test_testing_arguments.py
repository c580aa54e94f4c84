"""Keywords of `e2e_run` become the words of the command line, which reads them."""

import pytest

from e2e import Load, scenario
from e2e.errors import UsageError
from e2e.testing.runs import arguments, run


@scenario(title="Nobody", load=Load.none())
async def nobody(device):
    """Never called."""


def test_keywords_are_options():
    said = arguments(
        {"users": 3, "pace": "20x", "wait_conversation": True, "no_probe": False, "audio": None, "seed": -1}
    )
    assert said == ["--users=3", "--pace=20x", "--wait-conversation", "--seed=-1"]


def test_what_may_be_repeated_is_a_list_a_mapping_or_one_text():
    assert arguments({"settings": {"chunks": 40, "listen.language": "de"}}) == [
        "--set=chunks=40",
        "--set=listen.language=de",
    ]
    assert (
        arguments({"faults": ["a=b", "c=d"]}) == arguments({"fault": ["a=b", "c=d"]}) == ["--fault=a=b", "--fault=c=d"]
    )
    assert arguments({"stage": "2m:5"}) == ["--stage=2m:5"]


def test_an_option_that_is_none_or_is_decided_elsewhere():
    for name in ("colour", "out", "standin", "quiet"):
        with pytest.raises(UsageError, match=f"no option '{name}'.* users"):
            arguments({name: True})


@pytest.mark.parametrize(
    ("options", "says"),
    (
        ({"users": "many"}, "--users"),
        ({"pace": "fast"}, "realtime, max, or a factor such as 20x"),
        ({"settings": {"chunk": 3}}, "no parameter 'chunk'"),
        ({"faults": "session=vanishes"}, "did you mean 'session=vanish'"),
    ),
)
async def test_what_is_wrong_is_said_as_by_the_command_line(tmp_path, options, says):
    with pytest.raises(UsageError, match=says):
        await run(nobody, ["--standin", *arguments(options)], tmp_path, tmp_path / "reports")
    assert not (tmp_path / "reports").exists()


async def test_without_a_target_nothing_is_done(tmp_path):
    with pytest.raises(UsageError, match=r"no e2e\.toml"):
        await run("smoke", [], tmp_path, tmp_path / "reports")
