"""What became of a stream: conversations compared segment by segment, processed, resumed; webhooks; photos."""

from dataclasses import replace

import pytest

from e2e.protocol.webhook import version
from e2e.record.journal import read_journal
from e2e.report.write import render
from e2e.verdict import compared, expect
from e2e.verdict.transcript import Segment
from tests.verdict.journals import SAID, journal, judged

STORED = [{"id": f"seg{k}", "text": text} for k, (text, _, _) in enumerate(SAID)]


def one(tmp_path, expectations, write, **run):
    with journal(tmp_path / "r") as j:
        j.run(expectations, **run)
        j.boot()
        j.tape()
        write(j)
        j.stop()
        j.end()
    return judged(tmp_path / "r")


def heard(j, sid="s1", uid="u1", said=SAID, logged="conversation_created", quiet=5.0, params="", left=False):
    """A session that heard speech and closed `quiet` seconds after its last word; `left`: as the load ended it."""
    session = {"sid": sid, "kind": "listen", "uid": uid, "device": 0}
    url = f"ws://127.0.0.1:10220/v4/listen?language=en{params}"
    j.write("session", **session, event="connecting", url=url, probe=False)
    j.write("session", **session, event="open", connect_ms=1, handshake_ms=1, status=101)
    if logged:
        j.line("backend", f"INFO:routers.transcribe:x {uid}", logged, uid)
    j.write("session", **session, event="ready", ready_ms=1)
    start = j.begin(session)
    j.speech(session, start, said)
    j.finish(session, start)
    j.time += quiet
    if left:
        j.left(session)
    j.closed(session)
    return session


def stored(j, session, items, whole=True, **fields):
    j.write("stored", sid=session["sid"], conversation="c1", segments=items)
    about = {"language": "en", "source": "omi"} | fields
    ids = [item["id"] for item in items]
    j.stored(session, segments=len(items), segment_ids=ids, whole=whole, **about)


@pytest.mark.parametrize(
    ("items", "options", "word"),
    [
        (STORED, {}, None),
        (STORED[:2], {}, 'segment seg2 was streamed and is not stored: "that\'s fine with me"'),
        ([STORED[0] | {"text": "good evening"}, *STORED[1:]], {}, "streamed as 'good morning everyone', stored as"),
        ([*STORED[:2], STORED[2] | {"text": "that's fine with me too"}], {}, 'stored as "that\'s fine with me too"'),
        ([*STORED, {"id": "x", "text": "and more"}], {}, "segment x is stored and was never streamed: 'and more'"),
        # What came after the client had left, or is of an older session, is no difference.
        ([*STORED, {"id": "x", "text": "and more"}], {"quiet": 0.0}, None),
        ([*STORED[:2], STORED[2] | {"text": "that's fine with me too"}], {"quiet": 0.0}, None),
        ([STORED[0], {"id": "x", "text": "between"}, *STORED[1:]], {"quiet": 0.0}, "segment x is stored and was never"),
        ([STORED[0] | {"text": "good morning everyone here"}, *STORED[1:]], {"quiet": 0.0}, "everyone here'"),
        ([*STORED, {"id": "x", "text": "and more"}], {"logged": "conversation_resumed"}, None),
        ([*STORED, {"id": "x", "text": "and more"}], {"logged": None}, None),
        ([*STORED, {"id": "x", "text": " "}], {}, None),
        # The load ended it in the middle of a sentence, which the service heard on.
        ([*STORED[:2], STORED[2] | {"text": "fat swine are we"}], {"left": True}, None),
        (STORED[:2], {"left": True}, None),
        ([STORED[0], STORED[1] | {"text": "the rain"}, STORED[2]], {"left": True}, "stored as 'the rain'"),
        (STORED[1:], {"left": True}, "segment seg0 was streamed and is not stored"),
        ([*STORED[:2], STORED[2] | {"text": "fat swine are we"}], {}, "stored as 'fat swine are we'"),
    ],
)
def test_a_stored_transcript_must_be_what_was_streamed(tmp_path, items, options, word):
    def write(j):
        stored(j, heard(j, **options), items)

    _, verdict, summary = one(tmp_path, [expect.conversation_stored()], write)
    (check,) = verdict.checks
    assert check.status == ("fail" if word else "pass"), check
    if word:
        assert any(word in line for line in check.evidence), check.evidence
        assert word in (summary["sessions"][0]["conversation_problem"] or "")
    else:
        assert "of 3 segments as streamed" in check.detail
        lost = bool(options.get("left")) and items != STORED
        assert ("1 not judged that still grew when the load ended the session" in check.detail) == lost
    (row,) = summary["became"]["conversations"]
    assert bool(row["wrong"]) == bool(word) and row["streamed"] == 3
    assert "as streamed" in render("markdown", summary)


@pytest.mark.parametrize(
    ("params", "fields", "word"),
    [
        ("&source=phone", {"source": "omi"}, "its source is 'omi', asked for was 'phone'"),
        ("", {"language": "fr"}, "its language is 'fr', asked for was 'en'"),
        ("", {"state": "failed"}, "conversation c1 is 'failed'"),
        ("&source=phone", {"source": "phone", "language": None}, None),
    ],
)
def test_status_language_and_source_are_those_that_were_asked_for(tmp_path, params, fields, word):
    def write(j):
        stored(j, heard(j, params=params), STORED, **fields)

    _, verdict, _ = one(tmp_path, [expect.conversation_stored()], write)
    assert verdict.checks[0].status == ("fail" if word else "pass")
    assert word is None or word in verdict.checks[0].detail


def test_two_devices_share_a_conversation_and_each_finds_its_own(tmp_path):
    other = [("hello from the phone", 0.5, 2.0)]

    def write(j):
        first = heard(j, "s1", "u1")
        second = {"sid": "s2", "kind": "listen", "uid": "u1", "device": 0}
        j.write("session", **second, event="connecting", url="ws://x/v4/listen?source=phone", probe=False)
        j.write("session", **second, event="open", connect_ms=1, handshake_ms=1, status=101)
        j.line("backend", "INFO:x", "conversation_resumed", "u1")
        j.write("session", **second, event="ready", ready_ms=1)
        j.segment(second, "other", other[0][0], 0.5, 2.0)
        j.closed(second)
        for session in (first, second):
            stored(j, session, [*STORED, {"id": "other", "text": other[0][0]}])

    wanted = [expect.conversation_stored(), expect.conversation_resumed()]
    _, verdict, _ = one(tmp_path, wanted, write)
    assert [c.status for c in verdict.checks] == ["pass", "pass"], verdict.checks
    assert "4 of 4 segments as streamed" in verdict.checks[0].detail


@pytest.mark.parametrize(
    ("logged", "conversation", "status"),
    [
        ("conversation_resumed", "c1", "pass"),
        ("conversation_resumed", "c2", "fail"),
        ("conversation_created", "c1", "fail"),
        ("conversation_created", "c2", "fail"),
    ],
)
def test_a_resumed_conversation_is_the_same_one_and_the_log_says_so(tmp_path, logged, conversation, status):
    def write(j):
        for sid, event, name in (("s1", "conversation_created", "c1"), ("s2", logged, conversation)):
            session = heard(j, sid, logged=event)
            j.stored(session, conversation=name)

    _, verdict, _ = one(tmp_path, [expect.conversation_resumed()], write)
    assert verdict.checks[0].status == status, verdict.checks[0]


def test_one_session_resumes_nothing(tmp_path):
    _, verdict, _ = one(tmp_path, [expect.conversation_resumed()], lambda j: heard(j))
    assert verdict.checks[0].status == "inconclusive"


def memory(j, session, kind, status="completed", **structured):
    data = {"type": kind, "memory": {"id": "c1", "status": status, "structured": structured}, "messages": []}
    j.write("message", sid=session["sid"], kind=kind, data=data, bytes=99)


@pytest.mark.parametrize(
    ("kinds", "status", "title", "seen", "word"),
    [
        (("memory_processing_started", "memory_created"), "completed", "A talk", True, None),
        (("memory_created", "memory_processing_started"), "completed", "A talk", True, "without memory_processing"),
        (("memory_processing_started", "memory_created"), "processing", "A talk", True, "status 'processing'"),
        (("memory_processing_started", "memory_created"), "completed", "", True, "without a title"),
        (("memory_processing_started",), "completed", "", False, "memory_processing_started came, but no memory_cre"),
        ((), "completed", "", False, "no memory_created within 135.0 s"),
    ],
)
def test_a_conversation_that_was_waited_for_must_be_processed(tmp_path, kinds, status, title, seen, word):
    def write(j):
        session = heard(j)
        for kind in kinds:
            memory(j, session, kind, status, title=title)
        j.write("wait", sid="s1", awaited="memory_created", seen=seen, heard=True, waited_s=135.0, at_most_s=180.0)

    _, verdict, summary = one(tmp_path, [expect.conversation_completed()], write)
    assert verdict.checks[0].status == ("fail" if word else "pass")
    assert word is None or word in verdict.checks[0].detail
    assert len(summary["became"]["memories"]) == ("memory_created" in kinds)


def test_a_session_that_the_load_ended_while_it_waited_is_excused(tmp_path):
    def write(j):
        first = heard(j, "s1", "u1")
        for kind in ("memory_processing_started", "memory_created"):
            memory(j, first, kind, title="A talk")
        heard(j, "s2", "u2")
        for sid, seen in (("s1", True), ("s2", False)):
            j.write("wait", sid=sid, awaited="memory_created", seen=seen, heard=True, waited_s=5.0, at_most_s=180.0)

    def left(j):
        session = j.connecting("s2", "u2")
        j.open(session)
        j.ready(session)
        start = j.begin(session)
        j.speech(session, start)
        j.left(session)
        j.write("wait", sid="s2", awaited="memory_created", seen=False, heard=True, waited_s=5.0, at_most_s=180.0)
        j.closed(session)

    _, verdict, _ = one(tmp_path / "a", [expect.conversation_completed()], write)
    assert verdict.checks[0].status == "fail"
    _, verdict, _ = one(tmp_path / "b", [expect.conversation_completed()], left)
    assert verdict.checks[0].status == "inconclusive" and "ended by the load" in verdict.checks[0].detail


@pytest.mark.parametrize("waited", [False, True])
def test_who_did_not_wait_or_heard_nothing_knows_nothing(tmp_path, waited):
    def write(j):
        heard(j, said=())
        if waited:
            j.write("wait", sid="s1", awaited="memory_created", seen=False, heard=False, waited_s=0, at_most_s=180)

    _, verdict, _ = one(tmp_path, [expect.conversation_completed()], write)
    assert verdict.checks[0].status == "inconclusive"
    assert ("nothing was heard" if waited else "--wait-conversation") in verdict.checks[0].detail


def hooked(j, uid="u1", error=None):
    for kind, every in (("realtime_transcript", None), ("audio_bytes", 1.0)):
        j.write("webhook", event="set", uid=uid, device=0, kind=kind, origin="http://x", every_s=every, error=error)


def delivered(j, start=0.0, said=SAID, audio=10, delay=1.0, twice=(), **fields):
    """All that a session of `heard` is owed, `delay` seconds behind; the segments of `twice` once more."""
    base = {"event": "delivery", "uid": "u1", "device": 0}
    for second in range(audio):
        j.at(start + second + 1 + delay)
        row = {"kind": "audio_bytes", "bytes": 32_000, "hash": f"{second}", "sample_rate": 16_000, "seconds": 1.0}
        j.write("webhook", **base, **row, **fields)
    for k, (text, onset, end) in [*enumerate(said), *((n, said[n]) for n in twice)]:
        row = [f"seg{k}", end, version(text, onset, end)]
        j.write("webhook", **base, kind="realtime_transcript", bytes=9, hash="h", segments=[row], beyond=0, **fields)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({}, None),
        ({"audio": 9}, None),  # a service may keep what is left of one delivery
        ({"audio": 7}, "lost: 3.0 of 10.0 s of audio"),
        ({"audio": 12}, "doubled: 2.0 s of audio beyond the 10.0 s"),
        ({"said": SAID[:2]}, "lost: 1 of 3 segments in their last version, seg2 first"),
        ({"said": [*SAID[:2], (SAID[2][0], SAID[2][1], 7.0)]}, "lost: 1 of 3 segments"),
        ({"twice": (1,)}, "doubled: 1 segment delivered again unchanged, seg1 first"),
        ({"named": "u2"}, "deliveries name the user 'u2'"),
        ({"delay": 9.0}, "late: a delivery of audio_bytes came"),
    ],
)
def test_deliveries_must_be_whole_once_and_in_time(tmp_path, options, word):
    def write(j):
        hooked(j)
        heard(j, quiet=0.0)
        delivered(j, _start(j), **options)

    _, verdict, summary = one(
        tmp_path, [expect.webhooks_delivered(within="20s" if "delay" not in options else "5s")], write
    )
    (check,) = verdict.checks
    assert check.status == ("fail" if word else "pass"), check
    assert word is None or any(word in line for line in check.evidence), check.evidence
    assert any(row["problems"] for row in summary["became"]["webhooks"]) == bool(word)
    assert {"webhook_audio", "webhook_transcript"} <= set(summary["latency_ms"])


def _start(j) -> float:
    j.journal.flush()
    return next(r["start"] for r in read_journal(j.path) if r["type"] == "stream")


def test_a_segment_that_was_streamed_twice_may_be_delivered_twice(tmp_path):
    def write(j):
        hooked(j)
        session = heard(j, quiet=0.0)
        delivered(j, _start(j), twice=(1,))
        text, onset, end = SAID[1]
        j.segment(session, "seg1", text, onset, end)

    _, verdict, _ = one(tmp_path, [expect.webhooks_delivered(within="60s")], write)
    assert verdict.checks[0].status == "pass", verdict.checks[0]


def test_webhooks_that_were_not_set_or_had_nothing_to_deliver(tmp_path):
    wanted = [expect.webhooks_delivered()]
    _, verdict, _ = one(tmp_path / "a", wanted, lambda j: heard(j))
    assert verdict.checks[0].status == "inconclusive" and "no webhook was set" in verdict.checks[0].detail
    _, verdict, _ = one(tmp_path / "b", wanted, lambda j: hooked(j, error="HTTP 404"))
    assert verdict.checks[0].status == "fail" and "could not be set: HTTP 404" in verdict.checks[0].detail
    _, verdict, _ = one(tmp_path / "c", wanted, lambda j: hooked(j))
    assert verdict.checks[0].status == "inconclusive"


@pytest.mark.parametrize(
    ("messages", "status"),
    [
        ((), "fail"),
        (("photo_processing",), "fail"),
        (("photo_processing", "photo_described"), "pass"),
        (("photo_described",), "fail"),
        (("photo_processing", "discarded"), "fail"),
    ],
)
def test_photos_are_answered_in_two_steps(tmp_path, messages, status):
    def write(j):
        session = heard(j)
        j.write("sent", sid="s1", kind="photo", data={"id": "t1", "bytes": 9, "chunks": 2})
        for kind in messages:
            data = {"photo_id": "p1", "description": "d", "discarded": kind == "discarded"} | {"temp_id": "t1"}
            name = "photo_described" if kind == "discarded" else kind
            j.write("message", sid=session["sid"], kind=name, data={"type": name, **data}, bytes=9)

    _, verdict, _ = one(tmp_path, [expect.photos_described()], write)
    assert verdict.checks[0].status == status, verdict.checks[0]


def test_comparing_keeps_no_more_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(compared, "MAX_KEPT", 5)
    ledger, first, second = compared.Comparisons(), compared.Comparison(), compared.Comparison()
    segment = Segment(0.0, 1.0, "x", None, 1.0, 1.0, 1.0)
    ledger.heard(first, {"a0": segment, "gone": replace(segment, deleted=2.0)})
    ledger.heard(first, {f"a{n}": segment for n in range(3)}, ended=True)
    ledger.heard(second, {f"b{n}": segment for n in range(3)}, ended=True)
    assert second.given_up and not second.possible and not second.heard
    ledger.stored(first, [{"id": "a0", "text": "x"}, "junk", None, {"id": "a1", "text": "x"}])
    ledger.read(first, True)
    assert [str(d) for d in first.differences()] == ["segment a2 was streamed and is not stored: 'x'"]
    ledger.forget(first)
    assert ledger._kept == 0
