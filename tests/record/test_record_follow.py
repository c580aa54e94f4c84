"""Reading a journal in part: while it is written, up to a byte, and without the messages that nobody asked for."""

import pytest

from e2e.errors import JournalError
from e2e.record.journal import Follower, Journal, read_journal


@pytest.fixture
def path(tmp_path):
    with Journal(tmp_path / "journal.jsonl", lambda: 0.25) as journal:
        journal.write("note", text='{"t":0,"type":"message","sid":"s1"')
        for n in range(6):
            journal.write("message", at=n + 1e-6, sid=f"s{n % 2}", kind="ping", data="ping")
            journal.write("sent", sid=f"s{n % 2}", kind="text", data="x")
        journal.write("message", sid='s"\\0\u00e9', kind="ping", data="ping")
    return journal.path


def test_messages_of_other_sessions_are_left_out(path):
    whole = list(read_journal(path))
    some = list(read_journal(path, {"s1", 's"\\0\u00e9'}))
    assert some == [r for r in whole if r["type"] != "message" or r["sid"] != "s0"] and len(some) == len(whole) - 3
    assert all(r["type"] != "message" or r["sid"].startswith('s"') for r in read_journal(path, ()))


def test_the_sessions_may_become_known_while_it_is_read(path):
    known: set[str] = set()
    data = []
    for record in read_journal(path, known):
        data.append(record.get("data"))
        if len(data) == 3:
            known.add("s0")
    assert data == [None, "x", "x", "ping", "x", "x", "ping", "x", "x", "ping"]


def test_a_message_that_was_left_half_written_is_none(path):
    with path.open("ab") as file:
        file.write(b'{"t":9.5,"type":"message","sid":"s0","kind":"pi')
    assert len(list(read_journal(path, ("s0",)))) == len(list(read_journal(path))) - 3


def test_no_more_than_asked_for_is_read(path):
    sizes = [len(line) for line in path.read_bytes().splitlines(keepends=True)]
    for n in range(len(sizes) + 1):
        assert len(list(read_journal(path, until=sum(sizes[:n])))) == n


@pytest.mark.parametrize("step", (1, 7, 10_000))
def test_a_journal_is_followed_as_it_grows(path, tmp_path, step):
    data = path.read_bytes()
    grown = tmp_path / "grown.jsonl"
    grown.write_bytes(b"")
    follower, found = Follower(grown), []
    with grown.open("ab", buffering=0) as file:
        for k in range(0, len(data), step):
            file.write(data[k : k + step])
            found += follower.new(4096)
            assert follower.position == data.rfind(b"\n", 0, k + step) + 1
    assert found == list(read_journal(path)) and follower.new(4096) == [] and not follower.behind


def test_a_reader_that_is_behind_says_so(path):
    follower = Follower(path)
    found = follower.new(100)
    assert follower.behind
    while follower.behind:
        found += follower.new(100)
    assert found == list(read_journal(path))


def test_what_is_no_record_ends_the_following(path):
    with path.open("ab") as file:
        file.write(b"nonsense\n")
    with pytest.raises(JournalError, match="damaged"):
        Follower(path).new(1 << 20)
    with pytest.raises(JournalError, match="no journal"):
        Follower(path.with_name("none"))
