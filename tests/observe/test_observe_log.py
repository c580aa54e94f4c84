"""Lines from any source become clean, redacted records; nothing that is too long or secret gets through."""

import asyncio
import json
import time
import tracemalloc

import pytest

from e2e.observe.lines import MAX_LINE_BYTES, LineSplitter, clean, normalise
from e2e.observe.log import ServiceLog
from e2e.record.journal import Journal, read_journal
from e2e.record.redact import Redactor

SECRET = 'admin"key-ü-123'


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal.jsonl", time.monotonic, Redactor([SECRET])) as journal:
        yield journal


def records(journal, type):
    journal.flush()
    return [record for record in read_journal(journal.path) if record["type"] == type]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_splitter_gives_the_same_lines_whatever_the_reads(size):
    data = b"one\r\ntwo\n\nthree \xff\nlast"
    splitter = LineSplitter()
    found = [item for i in range(0, len(data), size) for item in splitter.feed(data[i : i + size])]
    found += splitter.flush()
    assert [line for line, _ in found] == [b"one", b"two", b"", b"three \xff", b"last"]
    assert sum(taken for _, taken in found) == len(data)


def test_splitter_drops_the_rest_of_a_huge_line_without_keeping_it():
    splitter = LineSplitter()
    tracemalloc.start()
    found = [item for _ in range(1000) for item in splitter.feed(b"word " * 2000)]
    found += splitter.feed(b"end\nnext\n")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * MAX_LINE_BYTES
    assert [len(line) <= MAX_LINE_BYTES + 20 for line, _ in found] == [True, True]
    assert found[0][0].endswith(b"[line cut]") and found[0][1] == 10_000_004 and found[1] == (b"next", 5)


def test_a_secret_that_the_cut_would_halve_is_dropped():
    splitter = LineSplitter(limit=20)
    ((line, _),) = splitter.feed(b"some words SECRET-VALUE-1\n")
    assert line == b"some words  [line cut]"


def test_clean_takes_out_escapes_and_what_turns_text_round():
    hostile = b"\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b(Bx\x00\xc2\x9b\tend \xff \xe2\x80\xaeabc"
    assert clean(hostile) == "red x\tend � abc"


@pytest.mark.parametrize(
    ("text", "level", "logger", "message"),
    [
        ("INFO:routers.pusher:hello: you", "INFO", "routers.pusher", "hello: you"),
        ("INFO:     uvicorn says", "INFO", None, "uvicorn says"),
        ("WARNING:root:  indented", "WARNING", "root", "  indented"),
        ("Metadata: {", None, None, "Metadata: {"),
        ('{"severity":"ERROR","textPayload":"INFO:a.b:fine"}', "INFO", "a.b", "fine"),
        ('{"level":"warn","msg":"x","logger":"q"}', "WARNING", "q", "x"),
        ('{"jsonPayload":{"message":"deep","level":"error"}}', "ERROR", None, "deep"),
        ('{"severity":"INFO","message":"a \\u001b[31mb"}', "INFO", None, "a b"),
        ('{"id": 1}', None, None, '{"id": 1}'),
        ('{"message": broken}', None, None, '{"message": broken}'),
        ('{"message": 7, "textPayload": "t"}', None, None, "t"),
        ("[pod/b-1/c] INFO:x:hi", "INFO", "x", "hi"),
    ],
)
def test_normalise(text, level, logger, message):
    line = normalise(text, 1)[0]
    assert (line.level, line.logger, line.message) == (level, logger, message)


def test_a_line_whose_frame_names_the_user_says_so_in_the_journal(journal, tmp_path):
    log = ServiceLog("backend", journal, tmp_path / "backend.log")
    framed = {"severity": "INFO", "message": "STT is slow", "uid": "u1", "session_id": "s-1"}
    for line in (json.dumps(framed), json.dumps(framed | {"uid": "x" * 9000, "session_id": SECRET}), "INFO:x:plain u1"):
        log.take(line.encode())
    log.close()
    first, second, plain = records(journal, "log")
    assert (first["uid"], first["session"]) == ("u1", "s-1") and not {"uid", "session"} & set(plain)
    assert len(second["uid"]) == 200 and "key-" not in second["session"]


def test_secrets_reach_neither_file_nor_journal(journal, tmp_path):
    log = ServiceLog("backend", journal, tmp_path / "backend.log")
    lines = [
        f"INFO:x:using {SECRET}",
        json.dumps({"message": f"using {SECRET}", "severity": "INFO"}),
        json.dumps({"message": "hi", "token": "abcdefgh-1234"}, ensure_ascii=False),
        f"ERROR:x:failed with {SECRET}",
        "INFO:x:Authori\x1b[0mzation: Bearer abcdef123456",
        f"ERROR:x:cannot import name 'A' from 'b' ({SECRET})",
        "INFO:x:" + f"{SECRET} " * 3000,
    ]
    for line in lines:
        log.take(line.encode())
    log.close()
    journal.flush()
    for text in ((tmp_path / "backend.log").read_text(), journal.path.read_text()):
        assert "key-" not in text and "abcdef" not in text
        assert "[redacted]" in text


def test_records_of_a_log(journal, tmp_path):
    log = ServiceLog("backend", journal, tmp_path / "backend.log")
    log.names("process", "process 1")
    log.opened()
    for line in (b"INFO:     Application startup complete.", b"ERROR:x:bad", b"INFO:r:_listen u1"):
        log.take(line)
    log.phase = "stream"
    log.take(b"ERROR:x:No module named 'late'")
    log.close()
    log.close()
    assert [(r["state"], r["source"]) for r in records(journal, "log_source")] == [
        ("open", "process"),
        ("closed", "process"),
    ]
    closed = records(journal, "log_source")[-1]
    assert closed["lines"] == 4 and closed["boot_marker"] == "INFO:     Application startup complete."
    assert closed["bytes"] == (tmp_path / "backend.log").stat().st_size
    levels = [(r["n"], r["level"]) for r in records(journal, "log")]
    assert levels == [(1, "INFO"), (2, "ERROR"), (3, "INFO"), (4, "ERROR")]
    assert [r["event"] for r in records(journal, "lifecycle")] == ["startup_complete", "listen_started"]
    assert [(r["n"], r["noise"]) for r in records(journal, "error_line")] == [(2, False)]
    (found,) = records(journal, "import_error")
    assert (found["module"], found["phase"], found["source"], found["n"]) == ("late", "stream", "log", 4)


def test_whose_an_error_was_and_its_fingerprint(journal, tmp_path):
    log = ServiceLog("pusher", journal, tmp_path / "pusher.log")
    for line in (
        "ERROR:routers.pusher:batch: No module named 'aac' u-1 s-1",
        "ERROR:routers.pusher:received 1011 from u-1",
        "ERROR:routers.pusher:received 1006 from u-2",
        "ERROR:    Exception in ASGI application",
        "Traceback (most recent call last):",
        '  File "/app/a.py", line 2, in get',
        "    return found[key]",
        "KeyError: 'geo'",
        "ERROR:    Exception in ASGI application",
        "Traceback (most recent call last):",
        '  File "/app/a.py", line 9, in get',
        "    s.recv()",
        "socket.timeout: timed out",
    ):
        log.take(line.encode())
    log.close()
    (found,) = records(journal, "import_error")
    assert (found["uid"], found["session"]) == ("u-1", "s-1")
    told = records(journal, "error_line")
    assert [r["pattern"] for r in told] == [
        "received <n> from <n>",
        "received <n> from <n>",
        "Exception in ASGI application KeyError: 'geo'",
        "Exception in ASGI application socket.timeout: timed out",
    ]
    assert told[0]["fingerprint"] == told[1]["fingerprint"]
    assert len({r["fingerprint"] for r in told}) == 3
    assert told[2]["exception"] == "KeyError: 'geo'"


def test_a_long_traceback_in_one_json_line_is_read_to_its_last_word(journal, tmp_path):
    frames = "".join(
        f'  File "/app/deep/module_{n}.py", line {n}, in call\n    return await app(scope)\n' for n in range(900)
    )
    text = f"Traceback (most recent call last):\n{frames}ModuleNotFoundError: No module named 'geopy'"
    data = json.dumps({"severity": "ERROR", "message": text}).encode() + b"\n"
    assert 64_000 < len(data) < MAX_LINE_BYTES
    log = ServiceLog("backend", journal, tmp_path / "backend.log")
    for line, size in LineSplitter().feed(data):
        log.take(line, size)
    log.close()
    (found,) = records(journal, "import_error")
    assert (found["module"], found["file"], found["line"]) == ("geopy", "/app/deep/module_899.py", 899)


def test_a_source_that_failed_says_so_when_it_closes(tmp_path):
    seconds = [0.0]
    with Journal(tmp_path / "journal.jsonl", lambda: seconds[-1]) as journal:
        log = ServiceLog("backend", journal, tmp_path / "backend.log")
        log.opened()
        for now, why in ((1.0, "no pod"), (3.0, "no pod"), (4.0, None), (5.0, "gone")):
            seconds.append(now)
            log.failed(why) if why else log.opened()
        seconds.append(7.5)
        log.close()
        (closed,) = [r for r in records(journal, "log_source") if r["state"] == "closed"]
    assert (closed["failures"], closed["gap_seconds"]) == (3, 5.5)


class Breaks(Redactor):
    """A stand-in for whatever in the reading of a line may fail."""

    def text(self, text):
        if "poison" in text:
            raise RecursionError
        return super().text(text)


def test_a_line_that_breaks_its_reader_is_counted_and_passed_over(tmp_path):
    deep = '{"message": "deep", "a": ' + '{"a": ' * 3000 + "1" + "}" * 3001
    with Journal(tmp_path / "journal.jsonl", time.monotonic, Breaks()) as journal:
        log = ServiceLog("backend", journal, tmp_path / "backend.log")
        for line in ("INFO:x:one", "INFO:x:poison", deep, deep.replace("3", "token"), "INFO:x:three"):
            log.take(line.encode())
        log.take(b"ERROR:x:No module named 'late'")
        log.close()
        told = records(journal, "log")
        (closed,) = records(journal, "log_source")
        assert [r["module"] for r in records(journal, "import_error")] == ["late"]
    assert told[1]["text"] == "[a line of 13 bytes that could not be read: RecursionError]"
    assert [r["n"] for r in told] == [1, 2, 3, 4, 5, 6] and closed["lines"] == 6
    assert closed["unreadable"] >= 1
    assert "poison" not in (tmp_path / "backend.log").read_text()


@pytest.mark.parametrize(
    ("service", "line", "proof"),
    [
        ("backend", 'INFO:     127.0.0.1:1 - "WebSocket /v4/listen?language=en" [accepted]', True),
        ("backend", 'INFO:     127.0.0.1:1 - "WebSocket /v1/trigger/listen?uid=a" [accepted]', False),
        ("pusher", "INFO:     ('127.0.0.1', 1) - \"WebSocket /v1/trigger/listen?uid=a\" [accepted]", True),
        ("pusher", 'INFO:     127.0.0.1:1 - "WebSocket /v4/listen" 403', False),
        ("backend", 'INFO:     127.0.0.1:1 - "GET /v1/conversations?limit=1 HTTP/1.1" 200 OK', True),
        ("pusher", 'INFO:     127.0.0.1:1 - "GET /v1/conversations?limit=1 HTTP/1.1" 200 OK', False),
        ("pusher", 'INFO:     127.0.0.1:1 - "GET /health HTTP/1.1" 200 OK', True),
        ("backend", 'INFO:     127.0.0.1:1 - "GET /health HTTP/1.1" 404 Not Found', False),
        ("backend", "INFO:routers.transcribe:_listen u1 s1", True),
        ("pusher", "INFO:routers.transcribe:_listen u1 s1", False),
        ("pusher", "INFO:routers.pusher:_websocket_util_trigger u1", True),
        ("backend", "INFO:routers.pusher:_websocket_util_trigger u1", False),
        ("backend", "INFO:     Application startup complete.", False),
        ("backend", "INFO:cron:unrelated", False),
    ],
)
def test_only_lines_of_the_service_itself_prove_that_this_is_its_log(journal, tmp_path, service, line, proof):
    log = ServiceLog(service, journal, tmp_path / "a.log")
    log.take(b"INFO:x:first")
    log.take(line.encode())
    log.close()
    (closed,) = records(journal, "log_source")
    assert closed["proof"] == (line if proof else None)


async def test_an_import_error_is_told_when_the_log_falls_silent(journal, tmp_path):
    log = ServiceLog("pusher", journal, tmp_path / "pusher.log")
    told = asyncio.Event()
    journal.subscribe(lambda record: told.set(), "import_error")
    log.take(b"Error processing transcript batch: No module named 'x'")
    assert not told.is_set()
    await asyncio.wait_for(told.wait(), 10)
    log.close()
    assert len(records(journal, "import_error")) == 1
