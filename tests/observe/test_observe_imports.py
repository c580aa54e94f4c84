"""What is an import error in a log and what only looks like one."""

import json

import pytest

from e2e.observe.imports import ErrorLine, ErrorScanner, ImportFinding
from e2e.observe.lines import clean, normalise

NO_MODULE = "No module named 'aac'"
NO_NAME = "cannot import name 'Geolocation' from 'models.geolocation' (/app/models/geolocation.py)"
TRACE = """Traceback (most recent call last):
  File "/app/routers/transcribe.py", line 1201, in stream
    from models.geolocation import Geolocation
ImportError: cannot import name 'Geolocation' from 'models.geolocation' (/app/models/geolocation.py)"""


def scan(text: str) -> list:
    scanner = ErrorScanner()
    found = []
    for n, raw in enumerate(text.split("\n"), 1):
        for line in normalise(clean(raw), n):
            found += scanner.feed(line)
    return found + scanner.flush()


def imports(text: str) -> list[ImportFinding]:
    return [finding for finding in scan(text) if isinstance(finding, ImportFinding)]


ONE_LINE = [
    (f"ERROR:routers.transcribe:Error during WebSocket operation: {NO_NAME}", "models.geolocation", "Geolocation"),
    (f"Error processing transcript batch: {NO_NAME}", "models.geolocation", "Geolocation"),
    (f"INFO:routers.pusher:Error processing transcript batch: {NO_NAME}", "models.geolocation", "Geolocation"),
    (f"DEBUG:utils.translation:Translation error: {NO_MODULE}", "aac", None),
    (f"WARNING:routers.transcribe:Speaker ID: failed to load embeddings: {NO_MODULE} e2e-1 abc", "aac", None),
    (f"Could not process data: error {NO_MODULE}", "aac", None),
    (f"INFO:routers.pusher:Could not process data: error {NO_MODULE}", "aac", None),
    (f"ERROR:utils.conversations:Error processing conversation: {NO_MODULE}", "aac", None),
    (f"Unhandled exception in background task: {NO_MODULE}", "aac", None),
    (f"INFO:routers.transcribe:{NO_MODULE}", "aac", None),
    ("ERROR:x:No module named 'a.b.c'; 'a.b' is not a package", "a.b.c", None),
    ("ERROR:x:cannot import name 'F' from 'm' (unknown location)", "m", "F"),
    ("ERROR:x:cannot import name 'F' from 'm' (/m.py). Did you mean: 'f'?", "m", "F"),
    (
        "ERROR:x:cannot import name 'F' from partially initialized module 'm.z' "
        "(most likely due to a circular import) (/app/m/z.py)",
        "m.z",
        "F",
    ),
    ("ERROR:x:cannot import name 'Y' from 'models.z' (/z.py) (most likely due to a circular import)", "models.z", "Y"),
    (
        "ERROR:x:partially initialized module 'm' has no attribute 'f' (most likely due to a circular import)",
        "m",
        "f",
    ),
    ("/usr/bin/python3: No module named uvicorn", "uvicorn", None),
    ('ERROR:    Error loading ASGI app. Could not import module "main".', "main", None),
    (f'ERROR:asyncio:future: <Task exception=ModuleNotFoundError("{NO_MODULE}")>', "aac", None),
    (f'{{"severity": "INFO", "message": "Translation error: {NO_MODULE}"}}', "aac", None),
    (f'{{"severity": "ERROR", "jsonPayload": {{"message": "batch: {NO_MODULE}"}}}}', "aac", None),
    (f"[pod/pusher-1/main] ERROR:routers.pusher:batch: {NO_MODULE}", "aac", None),
    (f"2026-03-01T10:00:00.123Z ERROR:routers.pusher:batch: {NO_MODULE}", "aac", None),
    (f"2026-03-01 10:00:00,123 - routers.pusher - ERROR - batch: {NO_MODULE}", "aac", None),
    (f"pusher-1  | batch error: {NO_MODULE}", "aac", None),
    (f"""INFO:x:result {{"error": "{NO_MODULE}"}}""", "aac", None),
    # A failure word before what looks like the label of speech.
    (f"INFO:utils.translation:Error translating text: {NO_MODULE}", "aac", None),
    (f"Error translating text: {NO_MODULE}", "aac", None),
    (f"INFO:routers.pusher:Error processing segments: {NO_NAME}", "models.geolocation", "Geolocation"),
    (f"Error processing segments: {NO_NAME}", "models.geolocation", "Geolocation"),
    (f"INFO:utils.stt.streaming:Failed to save transcript: {NO_NAME}", "models.geolocation", "Geolocation"),
    (f"Error for user: {NO_MODULE}", "aac", None),
    (f"INFO:x:Error for user: u-1: {NO_MODULE}", "aac", None),
    # A text field that is closed before the phrase.
    (f"""ERROR:x:Error sending: {{"text": "hi"}} {NO_NAME}""", "models.geolocation", "Geolocation"),
    (f"""ERROR:x:Error sending: {{'text': "it's", 'id': 1}}: {NO_MODULE}""", "aac", None),
    (f"""WARNING:x:Error sending [{{"text": "a, \\"b\\", c"}}]: {NO_MODULE}""", "aac", None),
]


@pytest.mark.parametrize(("text", "module", "name"), ONE_LINE)
def test_one_line_forms(text, module, name):
    (finding,) = scan(text)
    assert isinstance(finding, ImportFinding)
    assert finding.broken.what == (module, name)
    assert finding.evidence


QUOTED = [
    "INFO:routers.transcribe:transcript: I got an ImportError again today",
    "INFO:routers.transcribe:transcript e2e-1: import error, module not found error",
    f"INFO:utils.stt.streaming:transcript: the error says {NO_MODULE} and I do not know why",
    f"INFO:utils.stt.streaming:then it printed {NO_MODULE}",
    f"INFO:utils.stt.streaming:{NO_NAME}",
    f"SPEAKER_00: Error: {NO_MODULE}",
    f"""INFO:routers.pusher:segments: [{{'text': "it said error: {NO_MODULE}"}}]""",
    f"""ERROR:routers.pusher:could not store {{"id": 1, "text": "error: {NO_MODULE}"}}""",
    f'INFO:routers.transcribe:user said "Error: {NO_MODULE}"',
    f"""[{{"id": "1", "text": "{NO_NAME}", "speaker": "SPEAKER_00"}}]""",
    "INFO:routers.transcribe:ModuleNotFoundError is what she talked about",
    "INFO:utils.stt.streaming:no module named foo",
    'Metadata: {\n  "transaction_key": "deprecated",\n}',
    f"INFO:x:he asks about the words {NO_MODULE} in a log",
    f"INFO:x:Error handled, user said: {NO_MODULE}",
    f"INFO:x:segment: this fails with error: {NO_MODULE}",
    f"""ERROR:x:Error sending: {{"text": "hi", "transcript": "error: {NO_MODULE}"}}""",
    f"""ERROR:x:Error sending: {{"text": "he said \\"well\\", and error: {NO_MODULE}"}}""",
    f"""ERROR:x:Error sending: {{\\"text\\": \\"error: {NO_MODULE}\\"}}""",
    f"""ERROR:x:Error sending: {{'text': 'it's error: {NO_MODULE}'}}""",
]


@pytest.mark.parametrize("text", QUOTED)
def test_quoted_words_are_no_import_error(text):
    assert imports(text) == []


def test_traceback_is_evidence_with_the_innermost_frame():
    (finding,) = scan("INFO:x:before\n" + TRACE + "\nINFO:x:after")
    assert (finding.broken.kind, finding.broken.what) == ("ImportError", ("models.geolocation", "Geolocation"))
    assert (finding.broken.file, finding.broken.line) == ("/app/routers/transcribe.py", 1201)
    assert finding.evidence == tuple(TRACE.split("\n"))
    assert finding.first.n == 2


TRACEBACKS = {
    "under an error line": "ERROR:    Exception in ASGI application\n" + TRACE,
    "begun on the log line": "ERROR:root:failed " + TRACE,
    "each line logged": "\n".join("ERROR:root:" + line for line in TRACE.split("\n")),
    "asyncio": "ERROR:asyncio:Task exception was never retrieved\n"
    f"future: <Task finished name='Task-1' exception=ImportError(\"{NO_NAME}\")>\n" + TRACE,
    "logged with the same text": f"ERROR:x:Error during WebSocket operation: {NO_NAME}\n" + TRACE,
    "followed by the same text": TRACE + f"\nERROR:x:Error during WebSocket operation: {NO_NAME}",
    "followed by a printed text": TRACE + f"\nError: {NO_NAME}",
    "in a JSON line": json.dumps({"severity": "ERROR", "message": "Exception\n" + TRACE}),
    "in a textPayload": json.dumps({"severity": "DEFAULT", "textPayload": TRACE}),
    "beside a JSON message": json.dumps({"level": "error", "msg": "boom", "exc_info": TRACE}),
    "a JSON line each": "\n".join(json.dumps({"severity": "ERROR", "message": x}) for x in TRACE.split("\n")),
    "under a container's name": "\n".join("pusher-1  | " + line for line in TRACE.split("\n")),
    "in an exception group": "  + Exception Group Traceback (most recent call last):\n"
    '  |   File "/app/main.py", line 3, in <module>\n  | ExceptionGroup: unhandled (1 sub-exception)\n'
    "  +-+---------------- 1 ----------------\n"
    + "\n".join("    | " + line for line in TRACE.split("\n"))
    + "\n    +------------------------------------",
    "cause of another": TRACE + "\n\nThe above exception was the direct cause of the following exception:\n\n"
    'Traceback (most recent call last):\n  File "/app/main.py", line 9, in <module>\nRuntimeError: no start',
    "quoted by another": TRACE + "\n\nDuring handling of the above exception, another exception occurred:\n\n"
    f'Traceback (most recent call last):\n  File "/app/main.py", line 9, in <module>\nRuntimeError: {NO_NAME}',
    "through the import machinery": TRACE.replace(
        "ImportError", '  File "<frozen importlib._bootstrap>", line 1204, in _gcd_import\nImportError'
    ),
    "with lines of another writer": TRACE.replace("\nImportError", "\nlistening to e2e-1 now\nImportError"),
}


@pytest.mark.parametrize("name", TRACEBACKS)
def test_every_traceback_counts_once(name):
    (finding,) = scan("INFO:x:before\n" + TRACEBACKS[name] + "\nINFO:x:after")
    assert isinstance(finding, ImportFinding)
    assert finding.broken.what == ("models.geolocation", "Geolocation")
    assert (finding.broken.file, finding.broken.line) == ("/app/routers/transcribe.py", 1201)
    assert any("Traceback" in line for line in finding.evidence)


def test_chained_tracebacks_name_both_modules_with_the_whole_chain():
    first, second = (
        f'Traceback (most recent call last):\n  File "a.py", line {n}, in <module>\n'
        f"ModuleNotFoundError: No module named '{module}'"
        for n, module in ((1, "fast"), (3, "slow"))
    )
    chain = f"{first}\n\nDuring handling of the above exception, another exception occurred:\n\n{second}"
    found = imports(chain)
    assert {(f.broken.module, f.broken.line) for f in found} == {("fast", 1), ("slow", 3)}
    assert all(len(f.evidence) == 9 for f in found)


def test_the_same_line_twice_is_two_events():
    assert len(imports(f"ERROR:x:batch: {NO_MODULE}\nERROR:x:batch: {NO_MODULE}")) == 2


def test_a_traceback_of_something_else_is_one_error_line():
    (finding,) = scan('ERROR:x:boom\nTraceback (most recent call last):\n  File "a.py", line 1\nKeyError: 1')
    assert isinstance(finding, ErrorLine) and finding.line.text == "ERROR:x:boom" and not finding.noise


def test_a_traceback_cut_short_does_not_hide_what_follows():
    found = scan(f'Traceback (most recent call last):\n  File "a.py", line 1\nINFO:x:go on\nError: {NO_MODULE}')
    assert [f.broken.module for f in found] == ["aac"]
    found = scan(f'Traceback (most recent call last):\n  File "a.py", line 1\nError in batch: {NO_MODULE}')
    assert [f.broken.module for f in found] == ["aac"]


def test_noise_of_clean_sessions_is_marked():
    noise = (
        "ERROR:routers.transcribe:Error during WebSocket operation: Unexpected ASGI message 'websocket.send', "
        "after sending 'websocket.close' or response already completed."
    )
    (finding,) = scan(noise)
    assert isinstance(finding, ErrorLine) and finding.noise


def test_evidence_of_a_deep_stack_is_bounded_and_keeps_the_end():
    deep = "\n".join(f'  File "f{i}.py", line {i}, in f\n    f()' for i in range(2000))
    (finding,) = scan(f"Traceback (most recent call last):\n{deep}\nImportError: {NO_NAME}")
    assert len(finding.evidence) <= 160 and finding.evidence[-1].startswith("ImportError")
    assert finding.broken.line == 1999
