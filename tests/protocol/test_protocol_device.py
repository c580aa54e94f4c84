"""What a device says beside audio, and the addresses and bodies of webhooks."""

import base64
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e.protocol import device, webhook


def test_each_message_has_its_type_and_its_fields():
    said = device.SuggestedTranscript(segments=[{"id": "a", "text": "x", "start": 0, "end": 1}], stt_provider="p")
    assert json.loads(said.text) == {
        "type": "suggested_transcript",
        "segments": [{"id": "a", "text": "x", "start": 0, "end": 1}],
        "stt_provider": "p",
    }
    named = device.SpeakerAssigned(speaker_id=1, person_id="p", person_name="Ada", segment_ids=["a"])
    assert json.loads(named.text) == {
        "type": "speaker_assigned",
        "speaker_id": 1,
        "person_id": "p",
        "person_name": "Ada",
        "segment_ids": ["a"],
    }
    assert named.kind == "speaker_assigned"
    assert json.loads(device.Auth(token="t").text) == {"type": "auth", "token": "t"}
    assert "secret" not in repr(device.Auth(token="secret"))


@given(st.binary(max_size=2000), st.integers(1, 500))
def test_an_image_is_whole_again_when_its_pieces_are_put_together(image, size):
    pieces = device.image_chunks(image, "i", size)
    assert [p.index for p in pieces] == list(range(len(pieces))) and {p.total for p in pieces} == {len(pieces)}
    assert base64.b64decode("".join(p.data for p in pieces)) == image


def test_an_address_may_say_how_much_audio_a_delivery_holds():
    assert webhook.split_interval(webhook.with_interval("http://x/a", 2.5)) == ("http://x/a", 2.5)
    assert webhook.with_interval("http://x/a", None) == "http://x/a"
    for odd in ("http://x/a", "http://x/a,", "http://x/a,soon", "http://x/a,-1", "http://x/a,inf", "http://x/a,nan"):
        assert webhook.split_interval(odd) == ("http://x/a", webhook.DEFAULT_AUDIO_SECONDS)
    assert webhook.with_query("http://x/a?k=1", uid="a b", sample_rate=16000) == (
        "http://x/a?k=1&uid=a+b&sample_rate=16000"
    )


@given(st.binary(max_size=500) | st.text(max_size=200).map(str.encode))
def test_no_body_crashes_what_reads_it(body):
    webhook.memory_id_of(body)
    with contextlib.suppress(ValueError):
        assert isinstance(webhook.segments_of(body), list)


def test_a_body_is_read_as_its_segments():
    (segment,) = webhook.segments_of(b'{"session_id":"u","segments":[{"id":"a","text":"x","end":2,"more":[1]}]}')
    assert (segment.id, segment.text, segment.start, segment.end) == ("a", "x", 0.0, 2.0)
    with pytest.raises(ValueError, match="segments"):
        webhook.segments_of(b"{}")
    assert webhook.version("a", 0.0, 1.0) != webhook.version("a", 0.0, 1.1)
