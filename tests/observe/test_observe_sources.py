"""Files that grow, rotate and vanish, and commands that end too early: no line is lost."""

import asyncio
import sys
import time

import pytest

from e2e.errors import ConfigError
from e2e.observe.child import Warden
from e2e.observe.sources import CommandSource, FileSource


class Caught:
    """What a source said."""

    def __init__(self):
        self.lines: list[str] = []
        self.told: list[tuple[str, str | None]] = []

    def sink(self, line, size):
        self.lines.append(line.decode())

    def tell(self, state, error):
        self.told.append((state, error))

    @property
    def states(self):
        return [state for state, _ in self.told]


@pytest.fixture
def caught():
    return Caught()


@pytest.fixture
def guard():
    guard = Warden()
    yield guard
    guard.close()


async def until(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


def append(path, text):
    with path.open("a") as file:
        file.write(text)


async def test_a_file_is_followed_from_its_end_to_its_last_unfinished_line(tmp_path, caught):
    path = tmp_path / "a.log"
    path.write_text("old\n")
    source = FileSource(path, caught.sink, caught.tell, poll=0.02)
    await source.open()
    append(path, "one\ntw")
    await until(lambda: caught.lines == ["one"])
    append(path, "o\n")
    await until(lambda: caught.lines == ["one", "two"])
    append(path, "last")
    assert await source.close() == "closed"
    assert caught.lines == ["one", "two", "last"] and caught.states == ["open"]


async def test_a_file_that_comes_late_is_read_from_its_start(tmp_path, caught):
    path = tmp_path / "a.log"
    source = FileSource(path, caught.sink, caught.tell, poll=0.02)
    await source.open()
    assert caught.states == []
    path.write_text("first\n")
    await until(lambda: caught.lines == ["first"])
    assert await source.close() == "closed" and caught.states == ["open"]


async def test_a_file_that_comes_at_the_very_end_is_still_read(tmp_path, caught):
    path = tmp_path / "a.log"
    source = FileSource(path, caught.sink, caught.tell, poll=60)
    await source.open()
    await asyncio.sleep(0)
    path.write_text("only\n")
    assert await source.close() == "closed" and caught.lines == ["only"]


async def test_a_file_that_never_comes_is_missing(tmp_path, caught):
    source = FileSource(tmp_path / "none.log", caught.sink, caught.tell, poll=0.02)
    await source.open()
    assert await source.close() == "missing" and caught.told == []


async def test_rotation_and_truncation_lose_nothing(tmp_path, caught):
    path = tmp_path / "a.log"
    path.write_text("")
    source = FileSource(path, caught.sink, caught.tell, poll=0.02)
    await source.open()
    append(path, "1\n2\n")
    await until(lambda: caught.lines == ["1", "2"])
    old = path.open("a")
    path.rename(tmp_path / "a.log.1")
    old.write("3\n4")  # the writer still holds the old file
    old.close()
    path.write_text("5\n")
    await until(lambda: caught.lines == ["1", "2", "3", "4", "5"])
    append(path, "6\n" * 10)
    await until(lambda: len(caught.lines) == 15)
    path.write_text("7\n")  # truncated in place
    await until(lambda: caught.lines[-1] == "7")
    await source.close()
    assert caught.lines == ["1", "2", "3", "4", "5", *["6"] * 10, "7"]


def rotate(path, keep):
    """As `logrotate` and `RotatingFileHandler` do it."""
    for n in range(keep, 0, -1):
        older = path if n == 1 else path.with_name(f"{path.name}.{n - 1}")
        if older.exists():
            older.rename(path.with_name(f"{path.name}.{n}"))


@pytest.mark.parametrize(
    ("rotations", "keep", "read", "gap"),
    [
        (1, 5, "1 2 3", None),
        (2, 5, "1 2 3 4", None),
        (4, 5, "1 2 3 4 5 6", None),
        (2, 2, "1 2 3 4", None),
        (2, 1, "1 2 3 4", "may have been removed"),
        (4, 2, "1 2 4 5 6", "may have been removed"),
    ],
)
async def test_rotations_within_one_look_lose_nothing_that_is_still_there(tmp_path, caught, rotations, keep, read, gap):
    path = tmp_path / "a.log"
    path.with_name("a.log.1").write_text("long ago\n")
    path.with_name("a.log.err").write_text("")
    path.write_text("before\n")
    source = FileSource(path, caught.sink, caught.tell, poll=60)
    await source.open()
    append(path, "1\n")
    await source._look()
    append(path, "2\n")
    path.with_name("a.log.err").write_text("other\n")
    for n in range(rotations):
        rotate(path, keep)
        path.write_text(f"{n + 3}\n")
    await source._look()
    await source._look()
    assert await source.close() == "closed"
    assert " ".join(caught.lines) == read
    assert caught.states == (["open", "failed", "open"] if gap else ["open"])
    assert not gap or gap in caught.told[1][1]


async def test_a_file_in_between_that_is_gone_is_a_gap(tmp_path, caught):
    path = tmp_path / "a.log"
    path.write_text("")
    source = FileSource(path, caught.sink, caught.tell, poll=60)
    await source.open()
    append(path, "1\n")
    for n in range(2, 4):
        rotate(path, 5)
        path.write_text(f"{n}\n")
    path.with_name("a.log.1").unlink()
    await source.close()
    assert caught.lines == ["1", "3"] and "1 file(s) of that time are gone" in caught.told[1][1]


async def test_a_late_file_that_is_rotated_at_once_is_read_too(tmp_path, caught):
    path = tmp_path / "a.log"
    source = FileSource(path, caught.sink, caught.tell, poll=60)
    await source.open()
    path.write_text("1\n")
    rotate(path, 5)
    path.write_text("2\n")
    await source.close()
    assert caught.lines == ["1", "2"] and caught.states == ["open"]


async def test_a_file_that_was_truncated_and_has_outgrown_the_place_is_read_from_its_start(tmp_path, caught):
    path = tmp_path / "a.log"
    path.write_text("before the run\n")
    source = FileSource(path, caught.sink, caught.tell, poll=60)
    await source.open()
    await source._look()
    append(path, "one\n")
    await source._look()
    path.write_text("".join(f"new {n}\n" for n in range(100)))  # as `copytruncate` of logrotate under a busy writer
    await source._look()
    await source.close()
    assert caught.lines == ["one", *(f"new {n}" for n in range(100))]


async def test_a_file_that_vanishes_failed_until_another_one_comes(tmp_path, caught):
    path = tmp_path / "a.log"
    path.write_text("")
    source = FileSource(path, caught.sink, caught.tell, poll=0.02)
    await source.open()
    held = path.open("a")
    path.unlink()
    await until(lambda: caught.states == ["open", "failed"])
    assert caught.told[-1][1].endswith("a.log: it is gone")
    held.write("late\n")
    held.close()
    await until(lambda: caught.lines == ["late"])
    path.write_text("new\n")
    await until(lambda: caught.lines == ["late", "new"])
    assert await source.close() == "closed"
    assert caught.states == ["open", "failed", "open"]


async def test_a_file_whose_name_comes_back_is_not_read_twice(tmp_path, caught):
    path = tmp_path / "a.log"
    path.write_text("")
    source = FileSource(path, caught.sink, caught.tell, poll=0.02)
    await source.open()
    append(path, "one\n")
    path.rename(tmp_path / "away.log")
    await until(lambda: caught.states == ["open", "failed"])
    (tmp_path / "away.log").rename(path)
    await until(lambda: caught.states == ["open", "failed", "open"])
    await source.close()
    assert caught.lines == ["one"]


async def test_what_is_no_file_fails_with_a_reason(tmp_path, caught):
    source = FileSource(tmp_path, caught.sink, caught.tell, poll=0.02)
    await source.open()
    assert await source.close() == "missing"
    ((state, error),) = caught.told
    assert state == "failed" and "not a regular file" in error


async def test_a_command_is_read_to_its_last_line_when_the_run_ends(caught, guard):
    script = (
        "import signal, sys, time\n"
        "def end(*_):\n print('bye'); print('last', end=''); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\nprint('hello')\ntime.sleep(600)"
    )
    source = CommandSource([sys.executable, "-c", script], caught.sink, caught.tell, guard)
    await source.open()
    await until(lambda: caught.lines == ["hello"])
    assert await source.close(10) == "closed"
    assert caught.lines == ["hello", "bye", "last"] and caught.states == ["open"]


async def test_a_command_that_ends_early_failed_and_is_started_again(caught, guard):
    script = "import sys; print('line'); print('no such pod', file=sys.stderr); sys.exit(3)"
    source = CommandSource([sys.executable, "-c", script], caught.sink, caught.tell, guard, backoff=0.05)
    await source.open()
    await until(lambda: caught.states[:4] == ["open", "failed", "open", "failed"])
    await source.close()
    assert caught.told[1] == ("failed", "ended with code 3: no such pod")
    assert caught.lines == ["line", "no such pod"]  # what it said again is left out


async def test_what_a_command_says_again_when_it_starts_again_is_left_out(tmp_path, caught, guard):
    log = tmp_path / "pod.log"
    log.write_text("1\nsame\n2\nsame\n3\n")
    script = f"text = open({str(log)!r}).read(); print(text, end=''); open({str(log)!r}, 'a').write('more\\n')"
    source = CommandSource([sys.executable, "-c", script], caught.sink, caught.tell, guard, backoff=0.05)
    await source.open()
    await until(lambda: caught.lines.count("more") >= 2)
    await source.close()
    assert caught.lines[:7] == ["1", "same", "2", "same", "3", "more", "more"]
    assert caught.lines[7:] == ["more"] * (len(caught.lines) - 7)


async def test_a_command_that_ended_just_before_the_run_failed_too(caught, guard):
    source = CommandSource(["echo", "hello"], caught.sink, caught.tell, guard)
    await source.open()
    # Busy, as a loaded loop is: nothing of ours runs between the command's end and the close.
    await until(lambda: source._child.code is not None)
    await source.close()
    assert caught.told == [("open", None), ("failed", "ended with code 0: hello")] and caught.lines == ["hello"]


async def test_a_command_that_does_not_exist(caught, guard):
    with pytest.raises(ConfigError, match="no-such-program-here"):
        await CommandSource(["no-such-program-here"], caught.sink, caught.tell, guard).open()


async def test_a_source_that_is_closed_while_it_reads_rotated_files_reads_them_all_the_same(tmp_path, caught):
    path = tmp_path / "a.log"
    path.write_text("")
    source = FileSource(path, caught.sink, caught.tell, poll=0.01)
    await source.open()
    await asyncio.sleep(0)
    for n in range(3):
        append(path, f"{n} {'x' * 40}\n" * 3000)
        rotate(path, 5)
    path.write_text("last\n")
    # Somewhere in the middle of the first of them.
    await until(lambda: caught.lines)
    await source.close()
    assert [sum(line.startswith(f"{n} ") for line in caught.lines) for n in range(3)] == [3000] * 3
    assert caught.lines[-1] == "last" and caught.states == ["open"]
