import time

import pytest

from e2e.record.redact import MASK, Redactor

LEAKS = [
    ("Authorization: Bearer abc.def-123", "abc.def-123"),
    ("authorization='Basic dXNlcjpwYXNz'", "dXNlcjpwYXNz"),
    ('{"token": "xyzzy-1"}', "xyzzy-1"),
    ('{"access_token":"ya29.a0Af"}', "ya29.a0Af"),
    ("GET /v1/x?api_key=0123456789&limit=1", "0123456789"),
    ("ADMIN_KEY=hunter22", "hunter22"),
    ("password: correct-horse", "correct-horse"),
    ("connecting to postgres://user:s3cret@db/omi", "s3cret"),
    ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "eyJzdWIiOiIxIn0"),
    ("key sk-proj-abcdefghijklmnop1234", "abcdefghijklmnop1234"),
    ("AIzaSyA-1234567890abcdefghijklmnopqrstu", "1234567890abcdefghij"),
    ("ghp_abcdefghijklmnopqrstuvwxyz0123", "abcdefghijklmnop"),
    ("-----BEGIN PRIVATE KEY-----\nMIIE\nvQ==\n-----END PRIVATE KEY-----", "MIIE"),
]

HARMLESS = [
    "Client disconnected: code=1000 reason=normal_closure e2e-test",
    "Token refresh required",
    "the secret of good bread is time",
    "Created new stub conversation: 0b1c e2e-test",
    "http://127.0.0.1:10220/v1/health",
    '{"text": "keys and tokens", "token_count": null}',
]


@pytest.mark.parametrize(("text", "secret"), LEAKS)
def test_what_looks_like_a_credential_is_gone(text, secret):
    redacted = Redactor().text(text)
    assert secret not in redacted and MASK in redacted


@pytest.mark.parametrize("text", HARMLESS)
def test_ordinary_lines_stay_as_they_are(text):
    assert Redactor(["abc"]).text(text) == text


def test_known_secrets_go_the_longest_first_and_short_ones_are_left():
    redactor = Redactor(["key-1", "key-1-long", "no"])
    assert redactor.text("key-1-long key-1 no") == f"{MASK} {MASK} no"


def test_the_quick_look_never_misses_what_the_patterns_would_find():
    redactor = Redactor(["own-secret"])
    for text, _ in [*LEAKS, ("an own-secret here", "")]:
        assert redactor.suspects(text.encode()), text
    assert not redactor.suspects(b"INFO:routers.transcribe:_listen e2e-test")
    assert not redactor.suspects(b'{"type":"log","service":"backend","n":7}')


@pytest.mark.parametrize("unit", ["a-", "a.", "eyJaaaaaaaa-", "token", "token =", "://", "a:", "bearer "])
def test_time_grows_with_the_text_and_not_with_its_square(unit):
    def seconds(chars):
        text = "key " + unit * (chars // len(unit))
        began = time.process_time()
        Redactor(["own-secret"]).text(text)
        return time.process_time() - began

    # Sixteen times the text: 256 times the time, were it the square.
    assert seconds(64_000) < 80 * max(min(seconds(4_000) for _ in range(3)), 0.0005)


def test_redacting_twice_changes_nothing_more():
    for text, _ in LEAKS:
        once = Redactor().text(text)
        assert Redactor().text(once) == once


def test_a_value_whose_key_names_a_secret_is_gone_and_its_neighbours_stay():
    value = {"access_token": "abcd1", "Authorization": "x-y-z-1", "tokens": "many", "deep": [{"api-key": "12345"}]}
    expected = {"access_token": MASK, "Authorization": MASK, "tokens": "many", "deep": [{"api-key": MASK}]}
    assert Redactor().value(value) == expected
