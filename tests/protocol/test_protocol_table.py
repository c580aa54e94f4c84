"""The state tables: what is legal yields nothing, each violation its code, and nothing crashes or grows them."""

import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e.protocol import listen_table, pusher_table
from e2e.protocol.findings import CODES, MAX_EXCERPT, excerpt, malformed
from e2e.protocol.listen_table import EVENTS, ListenTable
from e2e.protocol.machine import MAX_EXPLAINED, TRAIL
from e2e.protocol.profile import PROFILE_NAMES, PROFILES
from e2e.protocol.pusher_table import PusherTable
from tests.protocol.legal import legal_sessions

STARTED = ("ping", "initiating", "in_progress_conversations_processing", "stt_initiating", "ready")


def status(name):
    return "service_status", {"type": "service_status", "status": name, "status_text": None}


def segment(key="a", start=0.0, end=1.0, **more):
    return "transcript", [{"id": key, "text": "hello", "start": start, "end": end, **more}]


def deleted(*keys):
    return "segments_deleted", {"type": "segments_deleted", "segment_ids": list(keys)}


def memory(kind, key="m"):
    return kind, {"type": kind, "memory": {"id": key}, "messages": []}


def closed(code=1000, by="client", sent_code=1000, **more):
    return "closed", {"code": code, "by": by, "sent_code": sent_code, **more}


def asked(key="c"):
    return "sent.pusher.104", {"conversation_id": key, "language": "en"}


def answered(key="c"):
    return "pusher.201", {"conversation_id": key, "success": True}


def told(*events):
    """Events a second apart, the names of statuses and bare events written short."""
    for t, event in enumerate(events):
        if isinstance(event, str):
            event = status(event) if event in (*STARTED[1:], "stt_failed", "odd") else (event, None)
        if len(event) == 2:
            event = (event[0], float(t), event[1])
        yield event


def codes(machine, *events):
    return [finding.code for event, t, data in told(*events) for finding in machine.feed(event, t, data)]


def listening(*events, profile="2026-03"):
    return codes(ListenTable(profile), "open", *STARTED, *events)


PINGS = tuple(("ping", float(t), None) for t in range(10, 100, 10))

LEGAL = {
    "audio before ready": ("open", "ping", "stream.begin", *STARTED[1:], segment(), "stream.end", closed()),
    "slightly negative start": ("open", *STARTED, segment(start=-4.8e-07)),
    "a segment that grows": ("open", *STARTED, segment(), segment(end=4.0), segment(end=9.0)),
    "an end that is revised": ("open", *STARTED, segment(end=5.0), segment(end=4.2)),
    "two notations of a speaker": ("open", *STARTED, segment(speaker="SPEAKER_0"), segment(speaker="SPEAKER_00")),
    "last_memory on the way": ("open", "ping", "initiating", "last_memory", *STARTED[2:]),
    "a memory processed": ("open", *STARTED, memory("memory_processing_started"), memory("memory_created")),
    "a memory before ready": ("open", "ping", "initiating", memory("memory_processing_started"), *STARTED[2:]),
    "a deletion": ("open", *STARTED, segment(), deleted("a"), segment("b")),
    "unknown messages": ("open", *STARTED, "proactive_message", "unknown", ("malformed", 7.0, ("unknown type", {}))),
    "first the answer to a browser's credentials": ("open", "auth_response", *STARTED),
    "inactivity ends the pings": ("open", *STARTED, *PINGS, ("closed", 500.0, {"code": 1006, "by": "lost"})),
    "a script's own close code": ("open", *STARTED, closed(4000, sent_code=4000)),
    "it ended on the way": ("open", "ping", "initiating", closed(1011, "server", 1011)),
    "never open": (closed(1006, "lost", None),),
    "a long close": ("open", *STARTED, ("ping", 6.0, None), ("closed", 30.0, {"code": 1000})),
}


@pytest.mark.parametrize("name", LEGAL)
def test_what_the_protocol_allows_is_no_finding(name):
    assert codes(ListenTable("2026-03"), *LEGAL[name]) == []
    assert codes(ListenTable("auto"), *LEGAL[name]) == []
    closes = name == "inactivity ends the pings"  # `current` ends the session itself
    assert codes(ListenTable("current"), *LEGAL[name]) == ["L-002"] * closes


ILLEGAL = {
    "L-001": ("open", *STARTED[1:]),
    "L-002": ("open", *STARTED, "stream.begin", ("ping", 15.5, None), ("ping", 31.0, None)),
    "L-010": ("open", "ping", "initiating", "stt_initiating", "in_progress_conversations_processing", "ready"),
    "L-011": ("open", "ping", "initiating", "in_progress_conversations_processing", "ready"),
    "L-012": ("open", "ping", "initiating", segment()),
    "L-013": ("open", *STARTED, "ready"),
    "L-020": ("open", *STARTED, segment(start=3.0, end=2.0)),
    "L-021": ("open", *STARTED, segment(end=5.0), segment(end=3.0)),
    "L-022": ("open", *STARTED, segment(), deleted("a"), segment()),
    "L-023": ("open", *STARTED, deleted("never")),
    "L-024": ("open", *STARTED, segment(), deleted("a"), deleted("a")),
    "L-030": ("open", *STARTED, ("malformed", 7.0, ("Object missing required field `id` - at `$[0]`", [{}]))),
    "L-031": ("open", *STARTED, ("malformed", 7.0, ("Expected `str`, got `int` - at `$.status`", {"status": 1}))),
    "L-032": ("open", *STARTED, ("malformed", 7.0, ("JSON is malformed: invalid character (byte 0)", "pong"))),
    "L-040": ("open", *STARTED, memory("memory_created")),
    "L-041": ("open", *STARTED, *(memory(f"memory_{w}") for w in ("processing_started", "created", "created"))),
    "L-050": ("open", *STARTED, closed(4321, "server", 4321)),
    "L-051": ("open", *STARTED, closed(after_close=12)),
    "L-052": ("open", *STARTED, closed(1006, "lost", 1002)),
    "L-060": ("open", *STARTED, "conversation_session"),
    "P-003": ("open", answered()),
    "P-004": ("open", asked(), answered(), answered()),
    "P-005": ("open", asked(), ("closed", 32.0, {"code": 1000, "by": "client", "sent_code": 1000})),
    "P-030": ("open", ("malformed", 1.0, ("Object missing required field `conversation_id`", {"success": True}))),
    "P-031": ("open", ("malformed", 1.0, ("Expected `str`, got `int` - at `$.conversation_id`", {}))),
    "P-032": ("open", ("malformed", 1.0, ("text frame", "hello"))),
    "P-050": ("open", closed(4321, "server", 4321)),
    "P-051": ("open", closed(), answered()),
    "P-052": ("open", closed(1006, "lost", 1007)),
}


def test_every_code_is_shown_by_an_example():
    assert set(ILLEGAL) == set(CODES)


@pytest.mark.parametrize("code", ILLEGAL)
def test_each_violation_has_its_code_and_tells_what_led_to_it(code):
    machine = (ListenTable if code[0] == "L" else PusherTable)("2026-03")
    findings = [f for event, t, data in told(*ILLEGAL[code]) for f in machine.feed(event, t, data)]
    assert [f.code for f in findings] == [code]
    assert findings[0].n == 1 and 1 <= len(findings[0].evidence) <= TRAIL + 1
    assert all(len(line) < MAX_EXCERPT * 3 for line in findings[0].evidence)


def test_a_message_of_any_kind_behind_the_close_is_one():
    assert listening(closed(), "ping", segment()) == ["L-051", "L-051"]


def test_what_a_session_says_of_itself_behind_the_close_is_none():
    assert listening(closed(), "stream.end", "sent") == []


def test_the_recogniser_may_be_started_again_after_it_failed():
    again = ("stt_failed", segment(), "stt_initiating", "ready", segment(end=2.0))
    assert listening(*again, profile="current") == listening(*again, profile="auto") == []


def test_a_later_version_is_known_by_what_it_says():
    machine = ListenTable("auto")
    assert codes(machine, "open", *STARTED, "conversation_session") == [] and machine.profile.name == "current"
    assert machine.feed("closed", 300.0, {"code": 1006, "by": "lost"})[0].code == "L-002"  # it may not fall silent


@pytest.mark.parametrize(("profile", "found"), (("2026-03", []), ("current", ["L-002"]), ("auto", [])))
def test_pings_may_stop_for_want_of_a_message_of_the_client(profile, found):
    assert codes(ListenTable(profile), "open", "ping", *PINGS, ("ping", 140.0, None)) == found


def test_pings_may_not_stop_while_audio_is_sent():
    machine = ListenTable("2026-03")
    assert codes(machine, "open", "ping", "stream.begin", ("ping", 200.0, None)) == ["L-002"]


def test_slow_timers_stretch_the_limits_and_quick_ones_leave_them():
    for slower, found in ((3.0, []), (0.1, ["L-002"])):
        machine = ListenTable("current", slower)
        assert codes(machine, "open", *STARTED, ("ping", 30.0, None)) == found


def test_two_requests_for_one_conversation_have_two_answers():
    assert codes(PusherTable(), "open", asked(), asked(), answered(), answered()) == []
    assert codes(PusherTable(), "open", asked(), answered(), asked(), answered(), closed()) == []
    # It had no time to answer.
    assert codes(PusherTable(), "open", asked(), closed()) == []


def test_every_state_has_an_entry_for_every_event():
    for table in ListenTable.tables.values():
        states = {state for state, _ in table}
        assert {next_state for next_state, _ in table.values()} <= states
        assert set(table) == {(state, event) for state in states for event in EVENTS}
        assert {code for _, found in table.values() for code in found} <= set(CODES)
    assert set(ListenTable.tables) == set(PusherTable.tables) == set(PROFILES) == set(PROFILE_NAMES)


@given(legal_sessions())
def test_every_legal_session_of_the_table_yields_no_finding(session):
    profile, said = session
    machine = ListenTable(profile)
    found = [f for event, t, data in said for f in machine.feed(event, t, data)]
    assert found == []


FIELDS = st.sampled_from(
    ["id", "start", "end", "status", "memory", "segment_ids", "conversation_id", "code", "by", "sent_code"]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["a", "b"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4) | FIELDS, inner, max_size=5),
    max_leaves=12,
)
KINDS = st.sampled_from([*EVENTS, "service_status", "pusher.201", "sent.pusher.104"]) | st.text(max_size=5)


@settings(max_examples=200)
@given(
    st.sampled_from([ListenTable, PusherTable]), st.lists(st.tuples(KINDS, st.floats(0, 1e4), ANYTHING), max_size=30)
)
def test_no_sequence_of_messages_can_crash_a_table(cls, events):
    machine = cls()
    for event, t, data in [("open", 0.0, None), *events]:
        for finding in machine.feed(event, t, data):
            assert finding.code in CODES
            assert len(finding.evidence) <= TRAIL + 1


def test_a_hostile_server_cannot_make_a_table_grow():
    listen, pusher = ListenTable(), PusherTable()
    codes(listen, "open", *STARTED)
    codes(pusher, "open")
    explained = 0
    for n in range(20_000):
        found = (
            *listen.feed(*("transcript", 9.0, [{"id": f"s{n}", "start": 0.0, "end": 1.0}])),
            *listen.feed(*("segments_deleted", 9.0, {"segment_ids": [f"gone{n}", "x" * 10_000]})),
            *listen.feed(*("memory_processing_started", 9.0, {"memory": {"id": f"m{n}"}})),
            *listen.feed(*("memory_created", 9.0, {"memory": {"id": f"n{n}"}})),
            *pusher.feed(*("sent.pusher.104", 9.0, {"conversation_id": f"c{n}"})),
            *pusher.feed(*("pusher.201", 9.0, {"conversation_id": f"d{n}"})),
        )
        explained += sum(bool(f.evidence) for f in found)
    assert explained <= MAX_EXPLAINED * len(CODES)
    assert len(listen._segments) <= listen_table.MAX_SEGMENTS
    assert len(listen._memories) <= listen_table.MAX_MEMORIES + 1
    assert len(pusher._asked) <= pusher_table.MAX_ASKED
    # What is beyond is not followed, so it is not judged either.
    assert listen.feed("segments_deleted", 9.0, {"segment_ids": ["s19999"]}) == ()
    assert pusher.feed("pusher.201", 9.0, {"conversation_id": "c19999"}) == ()


def test_a_session_costs_little_memory():
    machine = ListenTable()
    codes(machine, "open", *STARTED)
    assert not hasattr(machine, "__dict__")
    assert sys.getsizeof(machine) + sys.getsizeof(machine._trail) + sys.getsizeof(machine._segments) < 2_000


def test_an_excerpt_is_one_bounded_text():
    assert excerpt({"a": 1}) == '{"a":1}' and excerpt("ping") == "ping"
    assert len(excerpt("x" * 10**6)) < MAX_EXCERPT + 30
    nested: list = []
    for _ in range(100_000):
        nested = [nested]
    assert excerpt(nested) == "list"
    assert excerpt({"x": json}) == "dict"


@pytest.mark.parametrize(
    ("problem", "kind"),
    (
        ("unknown type", "unknown"),
        ("binary frame", "unknown"),
        ("unknown opcode", "unknown"),
        ("Object missing required field `memory_id`", "missing"),
        ("Expected `str`, got `int` - at `$.status`", "type"),
        ("text frame", "shape"),
        ("Input data was truncated", "shape"),
    ),
)
def test_reasons_of_the_decoders_are_told_apart(problem, kind):
    assert malformed(problem) == kind
