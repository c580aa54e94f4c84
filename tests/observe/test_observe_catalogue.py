"""Which line means which event, and what it tells."""

import json

import pytest

from e2e.observe.catalogue import CATALOGUE, recognise
from e2e.observe.lines import normalise

UID, SESSION, CONV = "e2e:test/ü+1@x.y", "3f1c-77", "c0-1"

LINES = [
    ("backend", "INFO:     Application startup complete.", "startup_complete", None, None, None, {}),
    ("pusher", "INFO:     Application startup complete.", "startup_complete", None, None, None, {}),
    ("backend", f"INFO:routers.transcribe:_listen {UID}", "listen_started", UID, None, None, {}),
    ("backend", f"_listen {UID} {SESSION} en 16000 pcm16 True None 120", "listen_started", UID, SESSION, None, {}),
    (
        "backend",
        'INFO:     127.0.0.1:52110 - "WebSocket /v4/listen?language=en&uid=other" [accepted]',
        "websocket_accepted",
        None,
        None,
        None,
        {"peer": "127.0.0.1:52110", "path": "/v4/listen"},
    ),
    (
        "pusher",
        "INFO:     ('127.0.0.1', 45756) - \"WebSocket /v1/trigger/listen?uid=a%2Fb&sample_rate=16000\" [accepted]",
        "websocket_accepted",
        "a/b",
        None,
        None,
        {"peer": "('127.0.0.1', 45756)", "path": "/v1/trigger/listen"},
    ),
    (
        "backend",
        'INFO:     127.0.0.1:1 - "WebSocket /v4/listen" 403',
        "websocket_refused",
        None,
        None,
        None,
        {"peer": "127.0.0.1:1", "path": "/v4/listen", "code": 403},
    ),
    (
        "pusher",
        "ERROR:    ASGI callable returned without completing handshake.",
        "websocket_refused",
        None,
        None,
        None,
        {},
    ),
    (
        "backend",
        "ERROR:    ASGI callable returned without sending handshake.",
        "websocket_refused",
        None,
        None,
        None,
        {},
    ),
    (
        "backend",
        f"INFO:routers.transcribe:_stream_handler {UID} {SESSION} en 16000 pcm16 True",
        "handler_started",
        UID,
        SESSION,
        None,
        {"language": "en", "sample_rate": 16000, "codec": "pcm16"},
    ),
    (
        "backend",
        f"INFO:routers.transcribe:Created new stub conversation: {CONV} {UID} {SESSION}",
        "conversation_created",
        UID,
        SESSION,
        CONV,
        {},
    ),
    (
        "backend",
        f"Resuming conversation {CONV}. Will timeout in 97.5s {UID} {SESSION}",
        "conversation_resumed",
        UID,
        SESSION,
        CONV,
        {"timeout": 97.5},
    ),
    (
        "backend",
        f"INFO:r:Starting conversation lifecycle manager (timeout: 120s) {UID} {SESSION}",
        "lifecycle_manager_started",
        UID,
        SESSION,
        None,
        {"timeout": 120},
    ),
    (
        "backend",
        f"INFO:r:Speaker ID: loaded 0 person embeddings {UID} {SESSION}",
        "speaker_id_loaded",
        UID,
        SESSION,
        None,
        {"count": 0},
    ),
    (
        "pusher",
        f"INFO:utils.app_integrations:trigger_realtime_integrations {UID}",
        "integrations_triggered",
        UID,
        None,
        None,
        {},
    ),
    (
        "backend",
        f"INFO:r:finalize_processing_conversations len(processing): 0 {UID} {SESSION}",
        "processing_finalized",
        UID,
        SESSION,
        None,
        {"count": 0},
    ),
    (
        "backend",
        f"INFO:r:Client disconnected: code=1000 reason=normal_closure {UID} {SESSION}",
        "client_disconnected",
        UID,
        SESSION,
        None,
        {"code": 1000, "reason": "normal_closure"},
    ),
    (
        "backend",
        f"INFO:r:Client disconnected: code=None reason=going away now {UID} {SESSION}",
        "client_disconnected",
        UID,
        SESSION,
        None,
        {"code": None, "reason": "going away now"},
    ),
    ("backend", f"INFO:r:_stream_handler ended {UID} {SESSION}", "handler_ended", UID, SESSION, None, {}),
    ("backend", f"INFO:r:_listen ended {UID} {SESSION}", "listen_ended", UID, SESSION, None, {}),
    (
        "backend",
        f"INFO:r:Conversation {CONV} timeout reached (121.3s). Processing... {UID} {SESSION}",
        "conversation_timeout",
        UID,
        SESSION,
        CONV,
        {"timeout": 121.3},
    ),
    (
        "backend",
        f"INFO:r:Session timeout due to inactivity (90s) {UID} {SESSION}",
        "session_inactive",
        UID,
        SESSION,
        None,
        {"timeout": 90},
    ),
    (
        "backend",
        f"INFO:r:Sent process_conversation request to pusher: {CONV} {UID} {SESSION}",
        "process_requested",
        UID,
        SESSION,
        CONV,
        {},
    ),
    (
        "backend",
        f"INFO:r:Conversation processed by pusher: {CONV} {UID} {SESSION}",
        "conversation_processed",
        UID,
        SESSION,
        CONV,
        {},
    ),
    (
        "pusher",
        f"INFO:r:Flushed final private cloud buffer: 64000 bytes {UID}",
        "buffer_flushed",
        UID,
        None,
        None,
        {"bytes": 64000},
    ),
    (
        "pusher",
        f"WARNING:r:Warning: audio_bytes_queue size 21 {UID}",
        "audio_queue_warning",
        UID,
        None,
        None,
        {"count": 21},
    ),
    (
        "backend",
        f"ERROR:r:Pusher transcripts Connection closed: received 1012 (service restart) {UID} {SESSION}",
        "pusher_lost",
        UID,
        SESSION,
        None,
        {"channel": "transcripts", "reason": "received 1012 (service restart)"},
    ),
    ("pusher", f"INFO:routers.pusher:_websocket_util_trigger {UID}", "trigger_started", UID, None, None, {}),
    (
        "pusher",
        f"INFO:routers.pusher:Pusher received conversation_id: {CONV} {UID}",
        "pusher_conversation",
        UID,
        None,
        CONV,
        {},
    ),
    (
        "pusher",
        f"INFO:routers.pusher:Queued speaker sample request: person=p-1, 3 segments {UID}",
        "speaker_sample_queued",
        UID,
        None,
        None,
        {"person": "p-1", "count": 3},
    ),
    (
        "pusher",
        f"INFO:routers.pusher:Pusher received process_conversation request: {CONV} {UID}",
        "pusher_process_request",
        UID,
        None,
        CONV,
        {},
    ),
    ("pusher", "INFO:routers.pusher:WebSocket disconnected", "pusher_disconnected", None, None, None, {}),
]


@pytest.mark.parametrize(("service", "text", "event", "uid", "session", "conversation", "detail"), LINES)
@pytest.mark.parametrize("form", ["plain", "json", "collected"])
def test_lines(service, text, event, uid, session, conversation, detail, form):
    text = {
        "plain": text,
        "json": json.dumps({"severity": "INFO", "textPayload": text}),
        "collected": f"[pod/a-1/main] 2026-03-01T10:00:00Z {text}",
    }[form]
    found = recognise(service, normalise(text, 1)[0])
    assert found is not None
    assert (found.event, found.uid, found.session, found.conversation) == (event, uid, session, conversation)
    assert dict(found.detail) == detail


def test_every_event_has_an_example():
    assert {entry.event for entry in CATALOGUE} == {event for _, _, event, *_ in LINES}


@pytest.mark.parametrize(
    ("service", "text"),
    [
        ("backend", "INFO:r:WebSocket disconnected e2e-1 s"),
        ("backend", "INFO:r:someone said _listen e2e-1"),
        ("backend", 'INFO:     127.0.0.1:1 - "GET /openapi.json HTTP/1.1" 200 OK'),
        ("pusher", "INFO:r:_listen e2e-1"),
        ("backend", 'Metadata: {"a": 1}'),
        ("backend", "INFO:r:Conversation processed"),
    ],
)
def test_other_lines_are_no_event(service, text):
    assert recognise(service, normalise(text, 1)[0]) is None
