"""What one server message costs the generator: `python -m benchmarks.messages`.

Prints microseconds of processor time (`getrusage`, user and system) per message, the median of several passes, by part.
The **live** path is what happens when a message comes: it is decoded, followed, and written into the journal; where
somebody watches the run, the live figures come on top (here of a session whose words they do not follow). The **fold**
path is what happens to it in the evaluation: its record is read back, goes through the state table, its segments are
accounted for and its latencies taken. `together` is decoding, state table, segments and metrics: what has to be
understood of a message, whoever wrote it down.

The messages are those of five-minute listen sessions: the start, a `ping` every 10 s, and a transcript every 0.6 s of
speech, with one to three segments that grow word by word; now and then a segment is deleted.
"""

import argparse
import json
import random
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from e2e.clients.listen import ListenSession
from e2e.clients.session import Link
from e2e.protocol import listen
from e2e.record.journal import Journal, read_journal
from e2e.record.redact import Redactor
from e2e.verdict.findings import Findings
from e2e.verdict.fold import read_facts
from e2e.verdict.live import LiveFigures
from e2e.verdict.metrics import Latencies
from e2e.verdict.sessions import Session
from e2e.verdict.transcript import Transcript

_WORDS = (
    "good",
    "morning",
    "everybody",
    "in",
    "the",
    "kitchen",
    "talks",
    "about",
    "bread",
    "and",
    "a",
    "cup",
    "of",
    "tea",
)
_STATUSES = ("initiating", "in_progress_conversations_processing", "stt_initiating", "ready")
_SECONDS, _FLUSH, _PING_EVERY = 300.0, 0.6, 10.0
_PAUSE, _DELETED = 0.3, 0.02  # shares of flushes without a transcript, and of transcripts with a deletion
_TOGETHER = ("decode", "state table", "segments", "metrics")


def messages(session: int) -> Iterator[tuple[float, str]]:
    """What the backend says in one session: (seconds since it was accepted, payload). The same for each call."""
    rng = random.Random(session)
    yield 0.0, "ping"
    for n, status in enumerate(_STATUSES):
        yield 0.01 * n, json.dumps({"type": "service_status", "status": status, "status_text": None})
    t, next_ping, number, segments = 0.1, _PING_EVERY, 0, []
    while t < _SECONDS:
        t += _FLUSH
        if t >= next_ping:
            next_ping += _PING_EVERY
            yield t, "ping"
        if rng.random() < _PAUSE:
            segments = segments[-2:] if rng.random() < 0.5 else []
            continue
        if not segments or rng.random() < 0.3:
            number += 1
            segments.append(_segment(f"{session:08x}-{number:04x}-4000-8000-000000000000", t, rng))
        for item in segments:
            item["text"] += f" {rng.choice(_WORDS)}"
            item["end"] = round(t, 3)
        segments = segments[-3:]
        yield t, json.dumps(segments)
        if rng.random() < _DELETED:
            gone = segments.pop()
            yield t, json.dumps({"type": "segments_deleted", "segment_ids": [gone["id"]]})


def _segment(key: str, t: float, rng: random.Random) -> dict[str, Any]:
    told = {"speaker": "SPEAKER_00", "speaker_id": 0, "is_user": False, "person_id": None, "translations": []}
    own = {"id": key, "text": rng.choice(_WORDS), "start": round(t - 0.5, 3), "end": round(t, 3)}
    return own | told | {"speech_profile_processed": True, "stt_provider": "deepgram"}


def cpu() -> float:
    """Seconds of processor time of this process, user and system."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _timed(work: Callable[[], Any]) -> float:
    began = cpu()
    work()
    return cpu() - began


def run_pass(sessions: list[list[tuple[float, str]]], directory: Path) -> dict[str, float]:
    """Seconds of processor time by part, for all messages together."""
    payloads = [payload for said in sessions for _, payload in said]
    path = directory / "journal.jsonl"
    path.unlink(missing_ok=True)
    times = {"decode": _timed(lambda: [listen.decode(payload) for payload in payloads])}
    clock = [time.monotonic()]
    with Journal(path, lambda: clock[0], Redactor(["a-secret-value"])) as journal:
        link: Any = Link(journal, None, lambda: clock[0], lambda t: t, None, None)  # type: ignore[arg-type]
        listening = [_connected(link, n) for n in range(len(sessions))]
        times["live total"] = _timed(lambda: _say(sessions, listening, clock))
    times["journal write and rest"] = times["live total"] - times["decode"]

    records: list[dict[str, Any]] = []
    times["journal read"] = _timed(lambda: records.extend(read_journal(path)))
    judged, transcripts, followed = _state(records), _state(records), _state(records)
    findings, latencies = Findings(), Latencies()
    said = [record for record in records if record["type"] == "message"]
    for record in records:
        if record["type"] == "session":
            findings.session(judged[record["sid"]], record)
    times["state table"] = _timed(lambda: [findings.message(judged[r["sid"]], r) for r in said])
    times["segments"] = _timed(lambda: _account(said, {sid: s.transcript for sid, s in transcripts.items()}))
    figures = LiveFigures().readers()["message"]
    times["live figures"] = _timed(lambda: [figures(record) for record in said])
    both = _timed(lambda: [followed[r["sid"]].message(r, latencies) for r in said])
    times["metrics"] = both - times["segments"]
    times["fold total"] = _timed(lambda: read_facts(read_journal(path)))
    times["together"] = sum(times[part] for part in _TOGETHER)
    assert not findings.groups, findings.groups
    return times


def _connected(link: Any, n: int) -> ListenSession:
    session = ListenSession(link, f"s{n}", "http://127.0.0.1:1", listen.ListenParams(), {}, uid=f"u{n}", device=n)
    session.opened(link.clock(), link.clock())
    return session


def _say(sessions: list[list[tuple[float, str]]], listening: list[ListenSession], clock: list[float]) -> None:
    began = clock[0]
    for said, session in zip(sessions, listening, strict=True):
        for t, payload in said:
            clock[0] = began + t
            session.message(payload)


def _state(records: list[dict[str, Any]]) -> dict[str, Session]:
    return {r["sid"]: Session(r["sid"], "listen") for r in records if r["type"] == "session"}


def _account(said: list[dict[str, Any]], transcripts: dict[str, Transcript]) -> None:
    for record in said:
        if record["kind"] == "transcript":
            transcripts[record["sid"]].fold(record["data"])
        elif record["kind"] == "segments_deleted":
            transcripts[record["sid"]].delete(record["data"])


ROWS = (
    ("live", "decode"),
    ("live", "journal write and rest"),
    ("live", "live total"),
    ("live", "live figures"),
    ("fold", "journal read"),
    ("fold", "state table"),
    ("fold", "segments"),
    ("fold", "metrics"),
    ("fold", "fold total"),
    ("both", "together"),
)


def measure(sessions: int, passes: int) -> tuple[dict[str, float], int]:
    """Microseconds per message by part, the median of the passes; and how many messages there were in one."""
    said = [list(messages(n)) for n in range(sessions)]
    count = sum(map(len, said))
    with TemporaryDirectory(prefix="bench-messages-") as directory:
        runs = [run_pass(said, Path(directory)) for _ in range(passes)]
    return {part: statistics.median(run[part] for run in runs) / count * 1e6 for _, part in ROWS}, count


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.messages", description=__doc__.partition("\n")[0])
    parser.add_argument("--sessions", type=int, default=50, help="five-minute sessions in one pass (default 50)")
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="shows that it works; its figures mean nothing")
    options = parser.parse_args()
    figures, count = measure(2, 1) if options.quick else measure(options.sessions, options.passes)
    print(f"{'path':<5} {'part':<24} {'us/message':>10}   ({count} messages)")
    for path, part in ROWS:
        print(f"{path:<5} {part:<24} {figures[part]:>10.2f}")


if __name__ == "__main__":
    main()
