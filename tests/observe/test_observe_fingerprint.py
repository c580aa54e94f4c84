"""Equal errors share a fingerprint, whatever ids, numbers, addresses and places they name; different ones do not."""

import pytest

from e2e.observe.fingerprint import fingerprint, pattern

SAME = [
    (
        "Error during WebSocket operation: received 1011 e2e-load7 8a7c3f",
        "Error during WebSocket operation: received 1006 e2e-load12 00ff41",
    ),
    (
        "could not store 3f2b8a64-5717-4562-b3fc-2c963f66afa6 in 0.31 s",
        "could not store 7d444840-9dc0-11d1-b245-5ffdce74fad2 in 12 s",
    ),
    ("cannot read /app/data/a.bin", "cannot read /srv/omi/data/b.bin"),
    ("GET https://api.example.com/v1/x?k=1 failed: 503", "GET https://10.0.0.7:8443/v2/y failed: 502"),
    ("peer ('127.0.0.1', 52110) is gone", "peer ('10.1.2.3', 41022) is gone"),
    ("object at 0x7f12aa00 leaked", "object at 0x55ee0001 leaked"),
    ("user aBcDEfgHijKLmnOPqrStUVwx has no plan", "user ZYxwVUtsRQponMLkjiHGfedC has no plan"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_differs_between_runs_is_masked(one, other):
    assert pattern(one) == pattern(other)


def test_words_stay():
    told = ["Translation error: timed out", "Translation error: refused", "Storage error: refused"]
    assert [pattern(text) for text in told] == told
    assert len({fingerprint("ERROR", "x", pattern(text)) for text in told}) == 3
    assert fingerprint("ERROR", "x", told[0]) != fingerprint("CRITICAL", "x", told[0])


def test_a_fingerprint_is_the_same_in_every_run():
    assert fingerprint("ERROR", "routers.transcribe", "boom <n>") == fingerprint(
        "ERROR", "routers.transcribe", "boom <n>"
    )
    assert fingerprint("ERROR", "routers.pusher", "batch failed") == "8ff11095e340"


@pytest.mark.parametrize("unit", ["a-", "1.", "/", "/a", "A1b", "://", "<n> ", "aB"])
def test_hostile_text_is_masked_in_a_bounded_pattern(unit):
    assert len(pattern(unit * 100_000)) <= 300
