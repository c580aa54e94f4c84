"""Messages of `/v4/listen`, as the services send them."""

import json
from urllib.parse import parse_qs

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e.protocol import listen

SEGMENT = {"id": "a", "text": "hello", "speaker": "SPEAKER_00", "start": -4.8e-07, "end": 1.5, "is_user": False}

KNOWN = [
    ("ping", listen.Ping),
    (json.dumps([SEGMENT]), listen.Transcript),
    (json.dumps([SEGMENT | {"speaker": "SPEAKER_0", "new_field": {"x": 1}}]), listen.Transcript),
    ("  \n[]", listen.Transcript),
    ('{"type": "service_status", "status": "ready", "status_text": null}', listen.ServiceStatus),
    ('{"type": "service_status", "status": "stt_failed", "retryable": true, "retry_after": 3}', listen.ServiceStatus),
    ('{"type": "conversation_session", "conversation_id": "c", "status": "in_progress"}', listen.ConversationSession),
    ('{"type": "last_memory", "memory_id": "m"}', listen.LastMemory),
    ('{"type": "memory_processing_started", "memory": {"id": "m"}}', listen.MemoryProcessingStarted),
    ('{"type": "memory_created", "memory": {"id": "m"}, "messages": []}', listen.MemoryCreated),
    ('{"type": "segments_deleted", "segment_ids": ["a"]}', listen.SegmentsDeleted),
    (json.dumps({"type": "translating", "segments": [SEGMENT]}), listen.Translating),
    (
        '{"type": "speaker_label_suggestion", "speaker_id": 1, "person_id": "", "person_name": "x", "segment_id": "a"}',
        listen.SpeakerLabelSuggestion,
    ),
    ('{"type": "photo_processing", "temp_id": "t", "photo_id": "p"}', listen.PhotoProcessing),
    ('{"type": "photo_described", "photo_id": "p", "description": "d", "discarded": false}', listen.PhotoDescribed),
    ('{"type": "freemium_threshold_reached", "remaining_seconds": 5}', listen.FreemiumThresholdReached),
    ('{"type": "auth_response", "success": false}', listen.AuthResponse),
]


@pytest.mark.parametrize(("payload", "kind"), KNOWN)
def test_known_messages_become_typed_values(payload, kind):
    assert type(listen.decode(payload)) is kind


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        ('{"type": "proactive_message", "text": "hi"}', "unknown type"),
        ('{"type": "last_memory"}', "missing required field `memory_id`"),
        ('{"type": "service_status", "status": 5}', "Expected `str`"),
        ('[{"id": "a"}]', "missing required field"),
        ('{"no": "type"}', "missing required field `type`"),
        ("pong", "malformed"),
        ("", "truncated"),
        ("[" * 100_000, ""),
        (b"\x00\x01", "binary frame"),
    ],
)
def test_what_is_not_understood_is_kept_raw_with_the_reason(payload, problem):
    message = listen.decode(payload)
    assert isinstance(message, listen.Unknown)
    assert message.raw == payload and problem in message.problem and message.kind == "unknown"


@given(st.one_of(st.text(), st.binary(), st.from_regex(r'[\[{].*"type".*[\]}]', fullmatch=True)))
def test_no_payload_can_crash_the_decoder(payload):
    assert isinstance(listen.decode(payload), listen.Message)


def test_query_leaves_out_what_is_not_set_and_writes_booleans_as_the_server_reads_them():
    params = listen.ListenParams(include_speech_profile=False, conversation_timeout=-1, source="omi")
    query = parse_qs(params.query())
    assert query["include_speech_profile"] == ["false"] and query["conversation_timeout"] == ["-1"]
    assert query["sample_rate"] == ["16000"] and query["codec"] == ["pcm16"] and "custom_stt" not in query
    assert listen.ListenParams(language=None, sample_rate=None, codec=None, channels=None).query() == ""


def test_every_query_parameter_of_the_protocol_is_known():
    expected = """language sample_rate codec channels include_speech_profile conversation_timeout source custom_stt
        onboarding speaker_auto_assign vad_gate stt_service uid client_conversation_id create_speakers call_id"""
    assert {f.name for f in msgspec.structs.fields(listen.ListenParams)} == set(expected.split())
