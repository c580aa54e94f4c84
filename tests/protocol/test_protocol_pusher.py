"""Frames of the pusher, byte by byte."""

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e.protocol import pusher


def test_frames_have_the_layout_of_the_protocol():
    assert pusher.keep_alive() == b"\x64\x00\x00\x00"
    assert pusher.audio(1.5, b"ab") == b"\x65\x00\x00\x00" + struct.pack("<d", 1.5) + b"ab"
    assert pusher.conversation("é") == b"\x67\x00\x00\x00" + "é".encode()
    opcode, body = pusher.split(pusher.transcript([{"id": "s"}], None))
    assert opcode == 102 and json.loads(body) == {"segments": [{"id": "s"}], "memory_id": None}
    opcode, body = pusher.split(pusher.process_conversation("c", "en"))
    assert opcode == 104 and json.loads(body) == {"conversation_id": "c", "language": "en"}
    opcode, body = pusher.split(pusher.speaker_sample("p", "c", ["s"]))
    assert opcode == 105 and json.loads(body) == {"person_id": "p", "conversation_id": "c", "segment_ids": ["s"]}


def test_audio_comes_back_as_it_went_in():
    opcode, payload = pusher.split(pusher.audio(1_700_000_000.25, b"\x01\x02"))
    assert opcode == pusher.Opcode.AUDIO and pusher.split_audio(payload) == (1_700_000_000.25, b"\x01\x02")
    with pytest.raises(ValueError, match="shorter than its timestamp"):
        pusher.split_audio(b"1234567")


def test_the_answer_is_typed_and_anything_else_is_kept_raw():
    assert pusher.decode(pusher.conversation_processed("c")) == pusher.ConversationProcessed("c", success=True)
    failed = pusher.decode(pusher.conversation_processed("c", "gone"))
    assert failed == pusher.ConversationProcessed("c", error="gone") and failed.kind == "pusher.201"
    for frame, problem in [
        (b"\xc9\x00\x00\x00{", "truncated"),
        (b"\xc9\x00", "shorter than its opcode"),
        (struct.pack("<I", 999), "unknown opcode"),
        ("text", "text frame"),
    ]:
        unknown = pusher.decode(frame)
        assert isinstance(unknown, pusher.UnknownFrame) and unknown.raw == frame and problem in unknown.problem


@given(st.one_of(st.text(), st.binary(), st.binary().map(lambda b: struct.pack("<I", 201) + b)))
def test_no_frame_can_crash_the_decoder(frame):
    assert pusher.decode(frame).kind
