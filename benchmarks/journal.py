"""A journal as a large run leaves it, made without running anything: the same for each seed.

Every session plays the bundled podcast in a loop. It gets its statuses, a `ping` every 10 s and a transcript for each
flush of the recogniser in which something new was heard: segments that grow word by word, of which each session
understands something else. Now and then a segment is deleted. Beside them stand the log lines of both sides of a
session, the pacer's and the generator's records of each second, and the conversation as it was read at the end.
"""

import heapq
import random
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.audio.library import load_tape
from e2e.audio.tape import Tape
from e2e.record.histogram import Histogram
from e2e.record.journal import Journal
from e2e.verdict import expect

FLUSH, LATENCY, PING_EVERY, LOG_EVERY = 0.6, 0.8, 10.0, 15.0  # s
RAMP = 60.0  # s over which the sessions begin
MISHEARD, DELETED = 0.1, 0.02  # shares of words, and of segments
STATUSES = ("initiating", "in_progress_conversations_processing", "stt_initiating", "ready")

EXPECTED = (
    *(expect.services_healthy(), expect.connected(), expect.ready(), expect.all_chunks_sent()),
    *(expect.transcripts_received(), expect.conversation_stored(), expect.lifecycle(), expect.close_code(1000)),
    *(expect.zero_import_errors(), expect.protocol(), expect.word_error_rate(below=0.5)),
)

Event = tuple[float, str, dict[str, Any]]
"""Instant of the run (s), type and fields of a record."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one session hears when: `flushes` are (seconds after its first audio, [(utterance, words so far)])."""

    tape: Tape
    flushes: list[tuple[float, list[tuple[int, int]]]]

    @classmethod
    def of(cls, tape: Tape, transcripts: int) -> "Plan":
        """Flushes with something new, until there are that many."""
        said, flushes, before, n = tape.utterances, [], {}, 0
        onsets = [u.onset for u in said]
        while len(flushes) < transcripts:
            n += 1
            heard = n * FLUSH - LATENCY
            if heard < 0:
                continue
            loop, at = divmod(heard, tape.duration)
            new = []
            for k in range(max(0, bisect_right(onsets, at) - 2), bisect_right(onsets, at)):
                words = len(said[k].text.split())
                so_far = min(words, int(words * (at - said[k].onset) / (said[k].end - said[k].onset)))
                key = int(loop) * len(said) + k
                if so_far > before.get(key, 0):
                    before[key] = so_far
                    new.append((key, so_far))
            if new:
                flushes.append((n * FLUSH, new))
        return cls(tape, flushes)

    @property
    def seconds(self) -> float:
        return self.flushes[-1][0] + 1.0

    @property
    def chunks(self) -> int:
        return round(self.seconds / self.tape.chunk_seconds)


class Heard:
    """The segments of one session: how it misheard each utterance."""

    def __init__(self, plan: Plan, session: int, seed: int) -> None:
        self._plan, self._session, self._seed = plan, session, seed
        self._key, self._words = -1, [""]
        self.renamed: set[int] = set()  # what was deleted comes again, under another id

    def segment(self, key: int, count: int | None = None) -> dict[str, Any]:
        """As the service tells it, with its first `count` words."""
        said = self._plan.tape.utterances
        loop, k = divmod(key, len(said))
        if key != self._key:
            rng = random.Random(self._seed << 40 | self._session << 20 | key)
            words = said[k].text.lower().replace(",", "").replace(".", "").split()
            self._key = key
            self._words = [word if rng.random() > MISHEARD else f"{word[::-1]}{rng.randrange(9)}" for word in words]
        words = self._words if count is None else self._words[:count]
        start, share = said[k].onset, len(words) / len(self._words)
        begin = loop * self._plan.tape.duration
        return {
            "id": f"{self._session:08x}-{key:04x}-{4000 + (key in self.renamed)}-8000-000000000000",
            "text": " ".join(words),
            "speaker": f"SPEAKER_0{k % 3}",
            "speaker_id": k % 3,
            "is_user": False,
            "person_id": None,
            "start": round(begin + start, 3),
            "end": round(begin + start + (said[k].end - start) * share, 3),
            "translations": [],
            "speech_profile_processed": True,
            "stt_provider": "deepgram",
        }


def session(plan: Plan, n: int, seed: int) -> Iterator[Event]:
    """Everything that is journalled of one session, but for its log lines' numbers."""
    rng = random.Random(seed << 20 | n)
    sid, uid, server = f"s{n + 1}", f"e2e-load{n}", f"{n:08x}-0000-4000-8000-00000000beef"
    conversation = f"{n:08x}-0000-4000-8000-0000c0ffee00"
    own = {"sid": sid, "kind": "listen", "uid": uid, "device": n}
    t = RAMP * rng.random()
    url = f"ws://127.0.0.1:10220/v4/listen?language=en&sample_rate=16000&codec=pcm16&uid={uid}"
    yield t, "session", own | {"event": "connecting", "url": url, "intended": round(t, 6), "probe": False}
    t += 0.004
    yield t, "session", own | {"event": "open", "status": 101, "connect_ms": 0.6, "handshake_ms": 3.9}
    yield t, "message", {"sid": sid, "kind": "ping", "data": "ping", "bytes": 4}
    for event, text in (
        ("handler_started", f"_stream_handler {uid} {server} en 16000 pcm16 True 120"),
        ("conversation_created", f"Created new stub conversation: {conversation} {uid} {server}"),
        ("lifecycle_manager_started", f"Starting conversation lifecycle manager (timeout: 120s) {uid} {server}"),
        ("speaker_id_loaded", f"Speaker ID: loaded 0 person embeddings {uid} {server}"),
    ):
        made = conversation if event == "conversation_created" else None
        yield t + 0.001, "line", _line(text, event, uid, server, made)
    for status in STATUSES:
        t += 0.01 * rng.random()
        data = {"type": "service_status", "status": status, "status_text": None}
        yield t, "message", {"sid": sid, "kind": "service_status", "data": data, "bytes": 80}
    yield t, "session", own | {"event": "ready", "ready_ms": round(rng.uniform(20, 60), 3)}
    play = {"tape": "podcast", "planned": plan.chunks, "pace": "realtime", "interval_ms": 100.0}
    start = t + 0.05
    yield t, "stream", {"sid": sid, "event": "begin", "start": round(start, 6), **play}
    stored: dict[str, str] = {}
    yield from _stream(plan, n, seed, start, uid, stored)
    t = start + plan.seconds
    sent = {"sent": plan.chunks, "seconds": plan.seconds, "realtime_factor": 1.0, "last_send": round(t - 0.1, 6)}
    yield t, "stream", {"sid": sid, "event": "end", **sent}
    yield t, "session", own | _closed(plan)
    gone = f"Client disconnected: code=1000 reason=normal_closure {uid} {server}"
    yield t + 0.002, "line", _line(gone, "client_disconnected", uid, server, detail={"code": 1000})
    yield t + 0.003, "drain", {"uid": uid, "awaited": "client_disconnected", "seen": True, "waited_s": 0.0}
    yield from _read(stored, t + 0.2, sid, uid, conversation)


def _stream(plan: Plan, n: int, seed: int, start: float, uid: str, stored: dict[str, str]) -> Iterator[Event]:
    """What comes back while audio is sent; `stored` becomes the text of each segment, by id."""
    rng, heard = random.Random(seed << 30 | n), Heard(plan, n, seed)
    sid, next_ping, next_log = f"s{n + 1}", start + PING_EVERY, start + LOG_EVERY * rng.random()
    for at, new in plan.flushes:
        # Segments arrive a little later than they were made.
        t = start + at + 0.1 * rng.random()
        while next_ping < t:
            yield next_ping, "message", {"sid": sid, "kind": "ping", "data": "ping", "bytes": 4}
            next_ping += PING_EVERY
        if next_log < t:
            next_log += LOG_EVERY
            yield next_log, "line", _line(f"trigger_realtime_integrations {uid}", "integrations_triggered", uid)
            yield next_log, "line", _line(f"transcript {rng.randrange(500)} chars in 2 segments {uid}")
        data = [heard.segment(key, count) for key, count in new]
        stored |= {item["id"]: item["text"] for item in data}
        yield t, "message", {"sid": sid, "kind": "transcript", "data": data, "bytes": 260 * len(data)}
        if new[0][0] not in heard.renamed and rng.random() < DELETED:
            gone = {"type": "segments_deleted", "segment_ids": [data[0]["id"]]}
            yield t, "message", {"sid": sid, "kind": "segments_deleted", "data": gone, "bytes": 90}
            heard.renamed.add(new[0][0])
            again = heard.segment(*new[0])
            del stored[data[0]["id"]]
            stored[again["id"]] = again["text"]
            yield t + 0.01, "message", {"sid": sid, "kind": "transcript", "data": [again], "bytes": 260}


def _closed(plan: Plan) -> dict[str, Any]:
    codes = {"code": 1000, "reason": "", "by": "client", "sent_code": 1000, "received_code": 1000}
    chunks = {"chunks_planned": plan.chunks, "chunks_sent": plan.chunks, "bytes_sent": 3200 * plan.chunks}
    return {"event": "closed", **codes, **chunks, "messages": len(plan.flushes), "backlog_max_bytes": 0}


def _read(stored: dict[str, str], t: float, sid: str, uid: str, conversation: str) -> Iterator[Event]:
    """The conversation as it was stored: what was streamed."""
    rows = [{"id": key, "text": text} for key, text in stored.items()]
    for k in range(0, len(rows), 100):
        yield t, "stored", {"sid": sid, "conversation": conversation, "segments": rows[k : k + 100]}
    told = {"by": "log", "found": True, "status": 200, "state": "in_progress", "segments": len(rows), "error": None}
    ids = [row["id"] for row in rows[:100]]
    rest = {"segment_ids": ids, "text": " ".join(row["text"] for row in rows)[:3000], "whole": True}
    yield t, "conversation", {"sid": sid, "uid": uid, "conversation": conversation, **told, **rest}


def _line(
    text: str,
    event: str | None = None,
    uid: str | None = None,
    session: str | None = None,
    conversation: str | None = None,
    detail: dict[str, Any] | None = None,
) -> dict[str, Any]:
    ids = {"uid": uid, "session": session, "conversation": conversation}
    return {"text": f"INFO:routers.transcribe:{text}", "event": event, **ids, "detail": detail or {}}


def generator(seconds: float, sessions: int, seed: int) -> Iterator[Event]:
    """What the pacer and the generator say of themselves, once a second."""
    rng = random.Random(seed)
    for second in range(1, int(seconds) + 1):
        late = Histogram().extend(rng.expovariate(1.0) for _ in range(200))
        yield second, "sends", {"n": sessions * 10, "late": 0, "streams": sessions, "lateness": late.to_dict()}
        machine = {"open_files": sessions, "steal": 0.0, "foreign": 0.01, "planned": sessions, "active": sessions}
        own = {"cpu": 0.4, "rss_mb": 120.0, "loop_lag_ms": round(rng.uniform(0.5, 4), 3), "open_sessions": sessions}
        yield second, "generator", own | machine
        for service in ("pusher", "backend"):
            yield second, "resources", {"service": service, "cpu": 0.5, "rss_mb": 300.0}


def write_journal(path: Path, sessions: int, messages: int, seed: int = 0) -> int:
    """Write the journal of a run with about that many messages in all; returns how many there are."""
    plan = Plan.of(load_tape("podcast"), max(10, round(messages / sessions / 1.1)))
    clock, count, line = 0.0, 0, 0
    with Journal(path, lambda: clock) as journal:
        _open(journal, plan)
        seconds = RAMP + plan.seconds + 2
        parts = [session(plan, n, seed) for n in range(sessions)]
        for t, type, fields in heapq.merge(*parts, generator(seconds, sessions, seed), key=lambda event: event[0]):
            if type == "line":
                line += 1
                named = {"service": "backend", "n": line}
                journal.write("log", at=t, **named, level="INFO", text=fields.pop("text"))
                if fields["event"]:
                    journal.write("lifecycle", at=t, service="backend", **fields, n=line)
                continue
            count += type == "message"
            journal.write(type, at=t, **fields)
        clock = seconds + 1
        _close(journal, line)
    return count


def _open(journal: Journal, plan: Plan) -> None:
    target = {"name": "local", "backend": "http://127.0.0.1:10220", "pusher": "http://127.0.0.1:10221"}
    journal.write(
        "run",
        schema=1,
        run_id="20260101-000000-large",
        scenario="large",
        title="A thousand devices that listen to a podcast",
        target=target | {"standin": False, "timers": None},
        started="2026-01-01T00:00:00.000+00:00",
        command=["e2e", "run", "podcast"],
        options={"users": 1000, "pace": "realtime", "seed": 0},
        services=["backend", "pusher"],
        expectations=[e.to_dict() for e in EXPECTED],
        environment={},
    )
    for service in ("backend", "pusher"):
        journal.write("service", service=service, event="launched", command=[service], pid=1)
        journal.write("log_source", service=service, source="process", state="open", where="process 1")
        journal.write("service", service=service, event="healthy", health={"status": 200}, seconds=1.0)
    tape = plan.tape
    said = [{"speaker": u.speaker, "text": u.text, "onset": u.onset, "end": u.end} for u in tape.utterances]
    audio = {"codec": "pcm16", "sample_rate": 16000, "chunk_ms": 100.0, "chunks": len(tape.chunks)}
    words = {"reference": tape.reference, "utterances": said, "partial": None}
    journal.write("tape", name="podcast", description=tape.description, **audio, seconds=tape.duration, **words)
    journal.write("phase", phase="stream", state="begin")


def _close(journal: Journal, lines: int) -> None:
    journal.write("phase", phase="stream", state="end")
    for service in ("backend", "pusher"):
        journal.write("service", service=service, event="stopped", code=0)
        read = {"lines": lines, "bytes": lines * 80, "boot_marker": "Application startup complete."}
        journal.write("log_source", service=service, source="process", state="closed", where="process 1", **read)
    journal.write("end", reason="complete", error=None)
