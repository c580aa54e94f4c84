"""Single keys of a terminal, which is left as it was found."""

import asyncio
import os
import signal
import termios

import pytest

from e2e.cli.live import Controls
from e2e.live.keys import KeyReader, keyboard
from tests.engine.conftest import eventually


@pytest.fixture
def terminal():
    ours, theirs = os.openpty()
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


async def test_keys_come_one_by_one_and_arrows_are_none(terminal):
    ours, theirs = terminal
    before, pressed = termios.tcgetattr(theirs), []
    with KeyReader(asyncio.get_running_loop(), theirs, pressed.append, lambda: None, lambda: None):
        mode = termios.tcgetattr(theirs)[3]
        assert not mode & (termios.ICANON | termios.ECHO) and mode & termios.ISIG  # Ctrl-C stays a signal
        os.write(ours, b"p+")
        await eventually(lambda: pressed == ["p", "+"], "both keys")
        os.write(ours, b"\x1b[A")
        await asyncio.sleep(0.05)
        os.write(ours, b"q\xff")
        await eventually(lambda: pressed == ["p", "+", "q", "\ufffd"], "the key after the arrow")
    assert termios.tcgetattr(theirs) == before


async def test_the_terminal_is_restored_when_something_breaks(terminal):
    _, theirs = terminal
    before, handler = termios.tcgetattr(theirs), signal.getsignal(signal.SIGTSTP)
    reader = KeyReader(asyncio.get_running_loop(), theirs, print, lambda: None, lambda: None)
    with pytest.raises(ZeroDivisionError), reader:
        raise ZeroDivisionError
    assert termios.tcgetattr(theirs) == before and signal.getsignal(signal.SIGTSTP) is handler


async def test_a_terminal_that_goes_away_is_asked_no_more():
    ours, theirs = os.openpty()
    pressed, loop = [], asyncio.get_running_loop()
    with KeyReader(loop, theirs, pressed.append, lambda: None, lambda: None):
        os.close(ours)
        await asyncio.sleep(0.05)
        assert not loop.remove_reader(theirs)  # it was done already
    os.close(theirs)
    assert not pressed


def test_there_is_no_keyboard_where_standard_input_is_none(monkeypatch, tmp_path):
    with (tmp_path / "file").open("w") as file:
        monkeypatch.setattr("sys.stdin", file)
        assert keyboard() is None
    assert keyboard() is None  # closed
    monkeypatch.setattr("sys.stdin", None)
    assert keyboard() is None


class Load:
    """As much of a crowd as the keys know."""

    def __init__(self, planned: int, **may) -> None:
        self.counts = type("Counts", (), {"planned": planned})
        self.finished = self.paused = False
        self.may_pause = self.may_add = True
        self.__dict__ |= may
        self.did: list[tuple] = []

    def __getattr__(self, name):
        return lambda *args: self.did.append((name, *args))


class Run:
    def __init__(self, crowd) -> None:
        self.crowd = crowd

    def add_devices(self, devices, by):
        self.crowd.did.append(("add", devices, by))


def offered(crowd) -> list[str]:
    return [does for _, does in Controls(Run(crowd)).offered()]


def test_only_keys_that_make_sense_now_are_offered():
    assert offered(None) == []
    assert offered(Load(5)) == ["finish", "pause", "users"]
    assert offered(Load(5, paused=True, may_pause=False)) == ["finish", "resume", "users"]
    assert offered(Load(5, may_pause=False, may_add=False)) == ["finish"]
    assert offered(Load(5, finished=True)) == []


@pytest.mark.parametrize(("planned", "some"), ((1, 1), (4, 1), (5, 1), (26, 3), (1000, 100)))
def test_more_and_fewer_are_a_tenth_and_at_least_one(planned, some):
    crowd = Load(planned)
    controls = Controls(Run(crowd))
    for key in "+-x":
        controls.press(key)
    assert crowd.did == [("add", some, "key +"), ("add", -some, "key -")]


def test_each_key_does_what_it_says():
    crowd = Load(5)
    controls = Controls(Run(crowd))
    controls.press("q")
    controls.press("p")
    crowd.paused = True
    controls.press("p")
    assert crowd.did == [("finish", "key q"), ("pause", "key p"), ("resume", "key p")]
    Controls(Run(None)).press("q")  # before the load, and after it
