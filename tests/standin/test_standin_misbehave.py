"""Each protocol fault, as what it sends: a session that is legal without it, and the one finding that it makes."""

import time

import msgspec
import pytest

from e2e.protocol import listen
from e2e.protocol.listen_table import ListenTable
from e2e.standin import models
from e2e.standin.faults import FAULTS, Faults
from e2e.standin.misbehave import bend

# Fault -> the code that it shows; also read by the runs of the command line.
CODES = {
    "status-order": "L-010",
    "status-missing": "L-011",
    "ready-twice": "L-013",
    "early-transcript": "L-012",
    "no-first-ping": "L-001",
    "segment-backwards": "L-021",
    "segment-inverted": "L-020",
    "segment-after-delete": "L-022",
    "delete-unknown": "L-023",
    "memory-without-start": "L-040",
    "wrong-type": "L-031",
    "missing-field": "L-030",
    "not-json": "L-032",
    "close-code": "L-050",
    "message-after-close": "L-051",
    "pusher-201-unasked": "P-003",
    "pusher-missing-field": "P-030",
}
SLOW = {"ping-gap": ("podcast", "L-002"), "pusher-201-twice": ("pusher", "P-004")}

# What happens to the connection, or in the pusher, is no message of a listen session.
ELSEWHERE = {"close-code", "message-after-close", "pusher-201-unasked", "pusher-missing-field", "pusher-201-twice"}


def status(name):
    return {"type": "service_status", "status": name, "status_text": None}


def session():
    document = models.stub("en", "omi", time.time())
    yield "ping"
    yield from map(status, ("initiating", "in_progress_conversations_processing", "stt_initiating", "ready"))
    for _ in range(4):
        yield "ping"
    yield [models.segment("a", "one", 0.5, 6.5, "standin")]
    yield [models.segment("a", "one two", 0.5, 9.0, "standin"), models.segment("b", "three", 9.5, 12.0, "standin")]
    yield {"type": "segments_deleted", "segment_ids": ["b"]}
    yield {"type": "memory_processing_started", "memory": document, "messages": []}
    yield {"type": "memory_created", "memory": document, "messages": []}


def codes(*faults):
    """What a client makes of a session with these faults: decoded, and led through the table."""
    bent, table = bend(Faults(faults)), ListenTable("2026-03")
    table.feed("open", 0.0)
    table.feed("stream.begin", 0.0)
    found, t = [], 0.0
    for message in session():
        t += 9.0 if message == "ping" and t else 0.1
        for said in bent(message):
            text = said if isinstance(said, str) else msgspec.json.encode(said).decode()
            decoded = listen.decode(text)
            problem = getattr(decoded, "problem", None)
            if problem is not None:
                found += table.feed("malformed", t, (problem, text))
            else:
                found += table.feed(decoded.kind, t, text if text == "ping" else msgspec.json.decode(text))
    return {finding.code for finding in found}


def test_the_faults_are_those_of_the_table():
    named = {fault for fault in FAULTS if fault.startswith("protocol=")}
    assert named == {f"protocol={name}" for name in CODES} and 12 <= len(named) <= 18
    slow = {fault: text for fault, text in FAULTS.items() if fault.startswith("protocol-slow=")}
    assert set(slow) == {f"protocol-slow={name}" for name in SLOW}
    for fault, text in slow.items():
        scenario, _ = SLOW[fault.removeprefix("protocol-slow=")]
        assert f"the scenario `{scenario}` shows it" in text


def test_without_a_fault_a_session_is_as_it_should_be():
    assert codes() == set()


@pytest.mark.parametrize("name", [name for name in CODES if name not in ELSEWHERE])
def test_each_fault_makes_the_one_finding_that_it_is_for(name):
    # `segment-after-delete` also deletes the one that the session deletes.
    assert codes(f"protocol={name}") - {"L-024"} == {CODES[name]}


def test_pings_that_are_left_out_make_a_gap():
    assert codes("protocol-slow=ping-gap") == {"L-002"}
