"""The wire against the asyncio client of `websockets`, row by row: whatever a server sends, both must say the same.

A raw server plays each script twice, to the oracle and to `connect`. Compared are the messages, the close codes and
the reason that the client reports, and every frame that it sent (so pong and close payloads to the byte).
"""

import asyncio
import dataclasses
import ssl

import pytest
from websockets.http11 import Request
from websockets.server import ServerProtocol

from tests.clients import conformance_flows, conformance_handshakes
from tests.clients.conformance_clients import Outcome, oracle, ours
from tests.clients.conformance_flows import CASES
from tests.clients.conformance_frames import Case, ping, text
from tests.clients.conformance_handshakes import HANDSHAKES, Handshake
from tests.clients.conformance_peer import CLOSE, Mark, Script, Seen, bytewise, frame, peer
from tests.clients.conftest import LOOPS


def rows(table, only=None):
    return [pytest.param(row, id=row.name) for row in table if only is None or row.name in only]


@pytest.fixture(scope="module", params=LOOPS)
def run(request):
    """Runs a coroutine on one loop that all rows share: a loop for each row would cost more than the row."""
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner.run


async def played(client, script: Script, deeds=(), tls=None) -> tuple[Outcome, Seen]:
    async with peer(script, tls) as (uri, over):
        outcome = await client(uri, deeds)
        return outcome, await over


def summary(outcome: Outcome, seen: Seen) -> dict:
    """What is compared; long messages and frames are shortened only where pytest shows them."""
    return {**dataclasses.asdict(outcome), "frames": seen.frames}


async def both(script: Script, deeds=(), tls=None) -> tuple[Outcome, Seen]:
    """Play to both, compare, and give the outcome they agree on."""
    expected, expected_seen = await played(oracle, script, deeds, tls)
    outcome, seen = await played(ours, script, deeds, tls)
    assert summary(outcome, seen) == summary(expected, expected_seen)
    return outcome, seen


def check(agreed: Outcome, seen: Seen, case: Case) -> None:
    """Two clients that are wrong together agree too: the row says itself what has to come out."""
    assert agreed.accepted and agreed.sent_code == case.sent
    closes = [payload for opcode, _, payload in seen.frames if opcode == CLOSE]
    wire_code = b"" if case.sent == 1005 else (case.sent or 0).to_bytes(2)
    assert [payload[:2] for payload in closes] == ([] if case.sent is None else [wire_code])


@pytest.mark.parametrize("case", rows(CASES))
def test_frames(run, case: Case):
    check(*run(both(case.script, case.deeds)), case)


@pytest.mark.parametrize("case", rows(HANDSHAKES))
def test_handshakes(run, case: Handshake):
    agreed, seen = run(both(case.script))
    assert (agreed.accepted, agreed.status) == (case.accepted, case.status)
    assert agreed.messages == (["hi"] if case.accepted else []) and bool(seen.frames) == case.accepted


@pytest.mark.parametrize("case", rows(CASES, conformance_flows.OVER_TLS))
def test_frames_over_tls(run, tls, case: Case):
    check(*run(both(case.script, case.deeds, tls)), case)


@pytest.mark.parametrize("case", rows(HANDSHAKES, conformance_handshakes.OVER_TLS))
def test_handshakes_over_tls(run, tls, case: Handshake):
    agreed, _ = run(both(case.script, tls=tls))
    assert (agreed.accepted, agreed.status) == (case.accepted, case.status)


# The harness itself, and what has no oracle


def test_the_table_is_whole():
    names = [row.name for row in CASES] + [row.name for row in HANDSHAKES]
    assert len(names) == len(set(names)) > 300
    assert set(names) >= conformance_flows.OVER_TLS | conformance_handshakes.OVER_TLS


@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
def test_each_write_of_a_script_is_a_read_of_its_own(run, request, secure):
    """Else the rows that cut frames would prove nothing."""
    parts = bytewise(frame(0x1, b"x" * 30))
    reads: list[bytes] = []

    class Reader(asyncio.Protocol):
        def connection_made(self, transport):
            transport.write(b"GET / HTTP/1.1\r\nSec-WebSocket-Key: AAAA\r\n\r\n")

        def data_received(self, data):
            reads.append(data)

    async def count():
        context = request.getfixturevalue("tls") if secure else None
        client = ssl.create_default_context() if secure else None
        async with peer(Script((*parts, Mark.EOF)), context) as (uri, over):
            port = int(uri.split(":")[2].split("/")[0])
            await asyncio.get_running_loop().create_connection(Reader, "127.0.0.1", port, ssl=client)
            await over

    run(count())
    assert tuple(reads[-len(parts) :]) == parts


@pytest.mark.parametrize("after", [ping(), frame(CLOSE, b"\x03\xe8")], ids=["ping", "close"])
def test_nothing_is_answered_that_came_in_one_read_with_invalid_utf8(run, after):
    """RFC 6455 section 7.1.7. No oracle: the library decodes when asked, so it has answered before it knows."""
    outcome, seen = run(played(ours, Script((text("good") + text(b"\xff") + after, Mark.CLOSED))))
    assert outcome.messages == ["good"] and (outcome.code, outcome.sent_code) == (1006, 1007)
    assert [(opcode, payload[:2]) for opcode, _, payload in seen.frames] == [(CLOSE, b"\x03\xef")]


def test_the_request_is_one_that_a_strict_server_takes_with_a_fresh_key_and_fresh_masks(run):
    script = Script((Mark.FRAME, Mark.FRAME, frame(CLOSE, b"\x03\xe8"), Mark.CLOSED))
    keys, masks = set(), set()
    for _ in range(3):
        _, seen = run(played(ours, script, (("text", "a"), ("binary", b"b"))))
        server = ServerProtocol()
        server.receive_data(seen.request)
        (request,) = server.events_received()
        assert isinstance(request, Request) and server.accept(request).status_code == 101
        assert request.path == "/v4/listen?x=1" and request.headers["Host"].startswith("127.0.0.1:")
        assert "Sec-WebSocket-Extensions" not in request.headers and "Sec-WebSocket-Protocol" not in request.headers
        keys.add(request.headers["Sec-WebSocket-Key"])
        masks.update(seen.masks)
    assert len(keys) == 3 and len(masks) == 9
