"""What a command repeats of the time before the run is told by the time in its lines."""

import sys
from datetime import UTC, datetime

import pytest

from e2e.observe.backlog import Backlog, time_of
from e2e.observe.child import Warden
from e2e.observe.sources import CommandSource
from tests.observe.test_observe_sources import Caught, until

START = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "line",
    [
        b"2026-03-14T09:26:53Z ERROR:x:y",
        b"2026-03-14T10:26:53.123456789+01:00 stdout F x",
        b"[2026-03-14 09:26:53,123 +0000] [123] [INFO] Booting worker",
        b"[pod/backend-7d/api] 2026-03-14T09:26:53.1Z x",
        b"backend-1  | 2026-03-14T09:26:53Z x",
        b'{"severity": "ERROR", "timestamp": "2026-03-14T09:26:53.5Z", "message": "x"}',
        b'{"time": "2026-03-14T10:26:53+01:00", "msg": "x"}',
    ],
)
def test_times_that_count(line):
    assert time_of(line) == START


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"INFO:     Application startup complete.",
        b"2026-03-14 09:26:53,123 - routers - ERROR - whose zone is not known",
        b"INFO:x:as of 2020-01-01T00:00:00Z",
        b"2026-99-14T09:26:53Z",
        b'{"message": "x", "segment": {"time": "2020-01-01T00:00:00Z"}}',
        b'{"time": 7, "timestamp": "yesterday"}',
        b"{not json 2020-01-01T00:00:00Z",
        b"[" * 100_000,
        b"{" * 100_000,
    ],
)
def test_and_those_that_do_not(line):
    assert time_of(line) is None


def test_a_traceback_is_as_old_as_the_line_before_it():
    clock = [START]
    backlog = Backlog(START, lambda: clock[0])
    lines = {
        b"undated": False,
        b"2026-03-14T09:00:00Z ERROR:x:old": True,
        b"ImportError: cannot import name 'gone' from 'models.place'": True,
        b"2026-03-14T09:26:45Z INFO:x:clocks differ": False,
        b"ImportError: of now": False,
    }
    assert [backlog.is_old(line) for line in lines] == list(lines.values())
    assert backlog.before == 2 and backlog.dated
    clock[0] += 61
    assert not backlog.is_old(b"2026-03-14T09:00:00Z only mentioned") and not backlog.is_old(b"undated")
    backlog.began()  # started again, a command repeats itself again
    assert not backlog.is_old(b"undated") and backlog.is_old(b"2026-03-14T09:00:00Z ERROR:x:old")


def test_an_old_stretch_at_the_start_does_not_hide_undated_lines_for_ever():
    clock = [START]
    backlog = Backlog(START, lambda: clock[0])
    assert backlog.is_old(b"2026-03-14T09:00:00Z old") and backlog.is_old(b"undated")
    clock[0] += 61
    assert not backlog.is_old(b"undated")


async def test_a_command_that_begins_with_old_lines():
    now = datetime.now(UTC).isoformat()
    script = (
        f"print('2020-01-01T00:00:00Z ERROR:x:No module named gone\\n  old too\\n{now} INFO:x:new\\nnew too')\n"
        "import time; time.sleep(600)"
    )
    caught, guard = Caught(), Warden()
    source = CommandSource([sys.executable, "-c", script], caught.sink, caught.tell, guard)
    await source.open()
    await until(lambda: len(caught.lines) == 2)
    await source.close()
    guard.close()
    assert caught.lines == [f"{now} INFO:x:new", "new too"]
    assert source.figures == {"before": 2, "dated": True}
