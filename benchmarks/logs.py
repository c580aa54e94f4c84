"""How many log lines a second one core reads: `python -m benchmarks.logs`.

Prints lines per second of processor time, the median of several passes, for two mixes and two ways. `matcher` is what
decides about a line: from bytes to a clean line, life-cycle events, import errors and error lines. `all of it` is what
a run does besides: redaction, the log file and the journal, on disk.

The mixes are what the services log: clean sessions above all, an error line in every 400, a traceback in every 1,000.
`plain` is their own layout, `json` the same as a cloud wraps it, one object a line.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from e2e.observe.catalogue import recognise
from e2e.observe.imports import ErrorScanner, ImportFinding
from e2e.observe.lines import LineSplitter, clean, normalise
from e2e.observe.log import ServiceLog
from e2e.record.journal import Journal
from e2e.record.redact import Redactor

_CLEAN = (
    "INFO:routers.transcribe:_listen {uid}",
    'INFO:     127.0.0.1:{n} - "WebSocket /v4/listen?language=en&sample_rate=16000&codec=pcm16" [accepted]',
    "INFO:routers.transcribe:_stream_handler {uid} {sid} en 16000 pcm16",
    "INFO:routers.transcribe:Created new stub conversation: {sid} {uid} {sid}",
    "INFO:routers.transcribe:Starting conversation lifecycle manager (timeout: 120s) {uid} {sid}",
    "INFO:routers.transcribe:Speaker ID: loaded 0 person embeddings {uid} {sid}",
    *("INFO:utils.app_integrations:trigger_realtime_integrations {uid}",) * 6,
    *("INFO:routers.transcribe:transcript {n} chars in 2 segments {uid} {sid}",) * 8,
    *('INFO:     127.0.0.1:{n} - "GET /v1/conversations?limit=1 HTTP/1.1" 200 OK',) * 4,
    "INFO:routers.transcribe:finalize_processing_conversations len(processing): 0 {uid} {sid}",
    "INFO:routers.transcribe:Client disconnected: code=1000 reason=normal_closure {uid} {sid}",
    "INFO:routers.transcribe:_stream_handler ended {uid} {sid}",
)
_ERROR = "ERROR:routers.transcribe:Error during WebSocket operation: received {n} (internal error) {uid} {sid}"
_TRACEBACK = """ERROR:    Exception in ASGI application
Traceback (most recent call last):
  File "/app/main.py", line 40, in call
    return await app(scope, receive, send)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/app/routers/conversations.py", line {n}, in search
    from models.geolocation import Geolocation
ImportError: cannot import name 'Geolocation' from 'models.geolocation' (/app/models/geolocation.py)"""
_ERROR_EVERY, _TRACEBACK_EVERY = 400, 1000


def events(count: int) -> Iterator[str]:
    """What the services say, one event each; a traceback is one event of several lines. The same for each call."""
    rng = random.Random(7)
    for number in range(count):
        kind = rng.choice(_CLEAN)
        if number % _ERROR_EVERY == _ERROR_EVERY - 1:
            kind = _ERROR
        elif number % _TRACEBACK_EVERY == _TRACEBACK_EVERY // 2:
            kind = _TRACEBACK
        yield kind.format(uid=f"e2e-load{rng.randrange(500)}", sid=f"{rng.getrandbits(64):x}", n=rng.randrange(60_000))


def plain(count: int) -> bytes:
    return "".join(f"{event}\n" for event in events(count)).encode()


def wrapped(count: int) -> bytes:
    records = ({"severity": event.partition(":")[0], "message": event} for event in events(count))
    return "".join(f"{json.dumps(record)}\n" for record in records).encode()


def match(data: bytes) -> tuple[int, int]:
    """Take the bytes through the matcher; gives the lines and the import errors."""
    splitter, scanner, n, found = LineSplitter(), ErrorScanner(), 0, []
    for raw, _ in splitter.feed(data):
        n += 1
        lines = normalise(clean(raw), n)
        recognise("backend", lines[0])
        for line in lines:
            found += scanner.feed(line)
    found += scanner.flush()
    return n, sum(isinstance(finding, ImportFinding) for finding in found)


def record(data: bytes) -> tuple[int, int]:
    """Take the bytes through everything that a run does with a log; gives the lines and the import errors."""
    with TemporaryDirectory(prefix="bench-logs-") as directory:
        with Journal(Path(directory) / "journal.jsonl", time.monotonic, Redactor(["a-secret-value"])) as journal:
            errors: list[object] = []
            journal.subscribe(errors.append, "import_error")
            log = ServiceLog("backend", journal, Path(directory) / "backend.log")
            for raw, size in LineSplitter().feed(data):
                log.take(raw, size)
            log.close()
        return log.lines, len(errors)


MIXES: dict[str, Callable[[int], bytes]] = {"plain": plain, "json": wrapped}
WAYS: dict[str, Callable[[bytes], tuple[int, int]]] = {"matcher": match, "all of it": record}


def measure(way: Callable[[bytes], tuple[int, int]], data: bytes, passes: int) -> tuple[float, int]:
    """Lines per second of processor time, the median of the passes; and the import errors that were found."""
    rates = []
    for _ in range(passes):
        began = time.process_time()
        lines, errors = way(data)
        rates.append(lines / (time.process_time() - began))
    return statistics.median(rates), errors


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.logs", description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=50_000, help="what the services say in one pass (default 50000)")
    parser.add_argument("--passes", type=int, default=5)
    options = parser.parse_args()
    print(f"{'mix':<6} {'way':<10} {'lines/s':>9}  import errors found")
    for mix, make in MIXES.items():
        data = make(options.events)
        for name, way in WAYS.items():
            rate, errors = measure(way, data, options.passes)
            print(f"{mix:<6} {name:<10} {rate:>9,.0f}  {errors} of {_planted(options.events)}")


def _planted(count: int) -> int:
    return sum(1 for n in range(count) if n % _TRACEBACK_EVERY == _TRACEBACK_EVERY // 2 and (n + 1) % _ERROR_EVERY)


if __name__ == "__main__":
    main()
