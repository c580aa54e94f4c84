"""The table of answers to the upgrade request, and whether a client may take them for a WebSocket."""

from dataclasses import dataclass, field

from tests.clients.conformance_peer import ACCEPTED, Mark, Script, close_frame, frame

HEAD = b"HTTP/1.1 101 Switching Protocols\r\n"
UPGRADE, CONNECTION = b"Upgrade: websocket\r\n", b"Connection: Upgrade\r\n"
ACCEPT = b"Sec-WebSocket-Accept: {accept}\r\n"
LENGTH = len(ACCEPTED) - len(b"{accept}") + 28
"""Bytes of the plain answer once the key stands in it."""


@dataclass(frozen=True)
class Handshake:
    name: str
    answer: bytes
    status: int | None = None
    """What a refusal says; `None` where the answer is no HTTP response, or a 101 that is wrong."""
    accepted: bool = False
    cuts: tuple[int, ...] = ()
    reset: bool = False
    script: Script = field(init=False)

    def __post_init__(self) -> None:
        after = (frame(0x1, b"hi"), close_frame(1000, b"end"), Mark.CLOSED) if self.accepted else ()
        steps = (Mark.RESET,) if self.reset else after
        object.__setattr__(self, "script", Script(steps, answer=self.answer, cuts=self.cuts))


def http(status: int, phrase: bytes = b"No", headers: bytes = b"", body: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (status, phrase, headers, body)


def switching(*headers: bytes) -> bytes:
    return HEAD + b"".join(headers) + b"\r\n"


def sized(body: bytes) -> tuple[bytes, bytes]:
    return b"Content-Length: %d\r\n" % len(body), body


def accepted() -> list[Handshake]:
    many = b"".join(b"X-%d: y\r\n" % n for n in range(125))  # 128 headers with the three that matter
    answers = {
        "plain": ACCEPTED,
        "headers-in-other-order": switching(ACCEPT, CONNECTION, UPGRADE),
        "names-lower": switching(UPGRADE.lower(), b"connection: Upgrade\r\n", b"sec-websocket-accept: {accept}\r\n"),
        "names-upper": switching(
            b"UPGRADE: websocket\r\n", b"CONNECTION: Upgrade\r\n", b"SEC-WEBSOCKET-ACCEPT: {accept}\r\n"
        ),
        "values-other-case": switching(b"Upgrade: WebSocket\r\n", b"Connection: uPGRADE\r\n", ACCEPT),
        "no-space-after-colon": switching(
            b"Upgrade:websocket\r\n", b"Connection:Upgrade\r\n", ACCEPT.replace(b" ", b"")
        ),
        "many-spaces-and-tabs": switching(
            b"Upgrade: \t websocket \t\r\n", b"Connection:   Upgrade  \r\n", b"Sec-WebSocket-Accept: \t{accept}\t \r\n"
        ),
        "connection-keep-alive-upgrade": switching(UPGRADE, b"Connection: keep-alive, Upgrade\r\n", ACCEPT),
        "connection-upgrade-keep-alive-tight": switching(UPGRADE, b"Connection: upgrade,keep-alive\r\n", ACCEPT),
        "connection-empty-elements": switching(UPGRADE, b"Connection: , ,Upgrade,\r\n", ACCEPT),
        "connection-twice": switching(UPGRADE, b"Connection: keep-alive\r\n", CONNECTION, ACCEPT),
        "other-phrase": b"HTTP/1.1 101 Web Socket Protocol Handshake\r\n" + UPGRADE + CONNECTION + ACCEPT + b"\r\n",
        "empty-phrase": b"HTTP/1.1 101 \r\n" + UPGRADE + CONNECTION + ACCEPT + b"\r\n",
        "latin-1-phrase": b"HTTP/1.1 101 \xe9\r\n" + UPGRADE + CONNECTION + ACCEPT + b"\r\n",
        "more-headers": switching(
            b"Date: Sat, 01 Jan 2000 00:00:00 GMT\r\nServer: uvicorn\r\n",
            UPGRADE,
            CONNECTION,
            ACCEPT,
            b"Set-Cookie: a=b\r\n",
        ),
        "header-empty": switching(UPGRADE, CONNECTION, ACCEPT, b"X-Empty:\r\n"),
        "header-latin-1": switching(UPGRADE, CONNECTION, ACCEPT, b"X-Name: \xe9\r\n"),
        "header-with-colons": switching(UPGRADE, CONNECTION, ACCEPT, b"Location: http://a:1/b:c\r\n"),
        "header-8000-bytes": switching(UPGRADE, CONNECTION, ACCEPT, b"X-Long: " + b"y" * 8000 + b"\r\n"),
        "headers-128": switching(UPGRADE, CONNECTION, ACCEPT, many),
        "headers-60000-bytes": switching(
            *[b"X-%d: " % n + b"y" * 7500 + b"\r\n" for n in range(8)], UPGRADE, CONNECTION, ACCEPT
        ),
        "upgrade-empty-elements": switching(b"Upgrade: ,websocket,\r\n", CONNECTION, ACCEPT),
        "other-header-twice": switching(UPGRADE, CONNECTION, ACCEPT, b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n"),
        "content-length-0": switching(UPGRADE, CONNECTION, ACCEPT, b"Content-Length: 0\r\n"),
        "content-length-5-means-nothing": switching(UPGRADE, CONNECTION, ACCEPT, b"Content-Length: 5\r\n"),
        "chunked-means-nothing": switching(UPGRADE, CONNECTION, ACCEPT, b"Transfer-Encoding: chunked\r\n"),
        "accept-like-header-too": switching(UPGRADE, CONNECTION, b"X-Sec-WebSocket-Accept: no\r\n", ACCEPT),
    }
    places = {"in-status-line": 10, "before-first-lf": 33, "after-first-line": 34, "in-name": 38, "in-accept": 110}
    places |= {"before-last-crlf": LENGTH - 2, "before-last-lf": LENGTH - 1, "after-first-byte": 1}
    return [
        *(Handshake(name, answer, accepted=True) for name, answer in answers.items()),
        *(Handshake(f"cut-{place}", ACCEPTED, accepted=True, cuts=(at,)) for place, at in places.items()),
        Handshake("bytewise", ACCEPTED, accepted=True, cuts=tuple(range(1, LENGTH))),
        Handshake(
            "headers-60000-bytes-in-20",
            answers["headers-60000-bytes"],
            accepted=True,
            cuts=(*range(3000, 60_000, 3000),),
        ),
    ]


def wrong_101() -> list[Handshake]:
    good = (UPGRADE, CONNECTION, ACCEPT)
    answers = {
        "upgrade-missing": switching(CONNECTION, ACCEPT),
        "upgrade-empty": switching(b"Upgrade:\r\n", CONNECTION, ACCEPT),
        "upgrade-other": switching(b"Upgrade: h2c\r\n", CONNECTION, ACCEPT),
        "upgrade-longer": switching(b"Upgrade: websockets\r\n", CONNECTION, ACCEPT),
        "upgrade-two-protocols": switching(b"Upgrade: websocket, h2c\r\n", CONNECTION, ACCEPT),
        "upgrade-twice": switching(UPGRADE, UPGRADE, CONNECTION, ACCEPT),
        "connection-missing": switching(UPGRADE, ACCEPT),
        "connection-close": switching(UPGRADE, b"Connection: close\r\n", ACCEPT),
        "connection-longer": switching(UPGRADE, b"Connection: Upgraded\r\n", ACCEPT),
        "connection-malformed-element": switching(UPGRADE, b"Connection: keep alive, Upgrade\r\n", ACCEPT),
        "connection-quoted": switching(UPGRADE, b'Connection: "Upgrade"\r\n', ACCEPT),
        "upgrade-empty-elements-only": switching(b"Upgrade: ,\r\n", CONNECTION, ACCEPT),
        "connection-malformed": switching(UPGRADE, b"Connection: Upgrade; x\r\n", ACCEPT),
        "accept-missing": switching(UPGRADE, CONNECTION),
        "accept-empty": switching(UPGRADE, CONNECTION, b"Sec-WebSocket-Accept:\r\n"),
        "accept-wrong": switching(UPGRADE, CONNECTION, b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
        "accept-swapped-case": switching(UPGRADE, CONNECTION, b"Sec-WebSocket-Accept: {swapped}\r\n"),
        "accept-without-padding": switching(UPGRADE, CONNECTION, b"Sec-WebSocket-Accept: {short}\r\n"),
        "accept-quoted": switching(UPGRADE, CONNECTION, b'Sec-WebSocket-Accept: "{accept}"\r\n'),
        "accept-twice": switching(*good, ACCEPT),
        "accept-twice-one-wrong": switching(*good, b"Sec-WebSocket-Accept: AAAA\r\n"),
        "extension-not-offered": switching(*good, b"Sec-WebSocket-Extensions: permessage-deflate\r\n"),
        "extension-unknown": switching(*good, b"Sec-WebSocket-Extensions: x-zip; a=1\r\n"),
        "extension-header-empty": switching(*good, b"Sec-WebSocket-Extensions:\r\n"),
        "extension-header-lower": switching(*good, b"sec-websocket-extensions: permessage-deflate\r\n"),
        "subprotocol-not-offered": switching(*good, b"Sec-WebSocket-Protocol: chat\r\n"),
        "subprotocol-header-empty": switching(*good, b"Sec-WebSocket-Protocol:\r\n"),
    }
    return [Handshake(name, answer) for name, answer in answers.items()]


def malformed_101() -> list[Handshake]:
    good = (UPGRADE, CONNECTION, ACCEPT)
    answers = {
        "folded-header": switching(*good, b"X-Folded: a\r\n b\r\n"),
        "folded-connection": switching(UPGRADE, b"Connection: keep-alive,\r\n Upgrade\r\n", ACCEPT),
        "space-before-colon": switching(b"Upgrade : websocket\r\n", CONNECTION, ACCEPT),
        "space-before-name": HEAD + b" Upgrade: websocket\r\n" + CONNECTION + ACCEPT + b"\r\n",
        "header-without-colon": switching(*good, b"nonsense\r\n"),
        "header-without-name": switching(*good, b": value\r\n"),
        "header-name-with-parenthesis": switching(*good, b"X(1): value\r\n"),
        "header-name-with-at": switching(*good, b"X@1: value\r\n"),
        "header-with-del": switching(*good, b"X-Del: a\x7fb\r\n"),
        "header-with-form-feed": switching(*good, b"X-Ff: a\x0cb\r\n"),
        "upgrade-with-vertical-tab": switching(b"Upgrade: websocket\x0b\r\n", CONNECTION, ACCEPT),
        "phrase-with-nul": ACCEPTED.replace(b"Switching", b"Swi\x00ching"),
        "header-with-nul": switching(*good, b"X-Nul: a\x00b\r\n"),
        "header-with-cr": switching(*good, b"X-Cr: a\rb\r\n"),
        "header-name-not-ascii": switching(*good, b"X-\xe9: a\r\n"),
        "header-9000-bytes": switching(*good, b"X-Long: " + b"y" * 9000 + b"\r\n"),
        "header-200000-bytes": switching(*good, b"X-Long: " + b"y" * 200_000 + b"\r\n"),
        "headers-129": switching(*good, b"".join(b"X-%d: y\r\n" % n for n in range(126))),
        "http-1.0": ACCEPTED.replace(b"HTTP/1.1", b"HTTP/1.0"),
        "http-2": ACCEPTED.replace(b"HTTP/1.1", b"HTTP/2"),
        "http-lower": ACCEPTED.replace(b"HTTP/1.1", b"http/1.1"),
        "no-phrase-no-space": ACCEPTED.replace(b" Switching Protocols", b""),
        "two-spaces-before-status": ACCEPTED.replace(b"1 101", b"1  101"),
        "status-line-tab": ACCEPTED.replace(b"1 101", b"1\t101"),
        "status-0101": ACCEPTED.replace(b"1 101", b"1 0101x"),
        "empty-line-first": b"\r\n" + ACCEPTED,
        "bare-lf": ACCEPTED.replace(b"\r\n", b"\n"),
        "bare-lf-status-line": ACCEPTED.replace(b"\r\n", b"\n", 1),
        "bare-lf-at-the-end": ACCEPTED[:-2] + b"\n",
        "status-line-9000-bytes": ACCEPTED.replace(b"Switching", b"S" * 9000),
    }
    return [Handshake(name, answer) for name, answer in answers.items()]


def other_statuses() -> list[Handshake]:
    json = b'{"detail":"Bad uid"}'
    chunks = b"7\r\nservice\r\n5;x=y\r\n down\r\n0\r\nX-Trailer: 1\r\n\r\n"
    plain = (100, 200, 204, 301, 302, 304, 307, 400, 401, 403, 404, 426, 429, 500, 502, 503, 599)
    return [
        *(Handshake(f"status-{status}", http(status, headers=b"Content-Length: 0\r\n"), status) for status in plain),
        *(
            Handshake(
                f"status-{status}-redirect", http(status, headers=b"Location: /x\r\nContent-Length: 0\r\n"), status
            )
            for status in (301, 307, 308)
        ),
        *(
            Handshake(f"status-{status}-with-body", http(status, b"No", *sized(json)), status)
            for status in (401, 403, 503)
        ),
        Handshake("status-200-upgrade-headers", ACCEPTED.replace(b"101", b"200") + b"ok", 200),
        Handshake("status-403-body-until-eof", http(403, body=json), 403),
        Handshake("status-503-chunked", http(503, headers=b"Transfer-Encoding: chunked\r\n", body=chunks), 503),
        Handshake(
            "status-503-chunked-bytewise",
            http(503, headers=b"Transfer-Encoding: chunked\r\n", body=chunks),
            503,
            cuts=tuple(range(1, 90)),
        ),
        Handshake("status-503-chunked-broken", http(503, headers=b"Transfer-Encoding: chunked\r\n", body=b"zz\r\n")),
        Handshake("status-503-gzip-coding", http(503, headers=b"Transfer-Encoding: gzip\r\n", body=b"x")),
        Handshake("status-500-body-cut-short", http(500, headers=b"Content-Length: 100\r\n", body=b"short")),
        Handshake("status-500-length-not-a-number", http(500, headers=b"Content-Length: x\r\n", body=b"short")),
        Handshake("status-500-length-2-MiB", http(500, headers=b"Content-Length: 2097152\r\n", body=b"short")),
        Handshake(
            "status-500-length-twice", http(500, headers=b"Content-Length: 1\r\nContent-Length: 2\r\n", body=b"ab")
        ),
        Handshake("status-500-body-60000-bytes", http(500, b"No", *sized(b"error " * 10_000)), 500),
        Handshake("status-401-latin-1-body", http(401, b"No", *sized(b"\xe9t\xe9")), 401),
        Handshake(
            "status-401-body-in-two",
            http(401, b"No", *sized(json)),
            401,
            cuts=(len(http(401, b"No", *sized(json))) - 9,),
        ),
        Handshake("status-403-bytewise", http(403, b"No", *sized(json)), 403, cuts=tuple(range(1, 60))),
        Handshake("status-99", http(99)),
        Handshake("status-600", http(600)),
        Handshake("status-1010", http(1010)),
        Handshake("status-word", b"HTTP/1.1 OK fine\r\n\r\n"),
    ]


def no_http() -> list[Handshake]:
    answers = {
        "nothing": b"",
        "one-byte": b"H",
        "ssh": b"SSH-2.0-OpenSSH_9.6\r\n",
        "nul-bytes": bytes(64),
        "ff-bytes": b"\xff" * 64,
        "tls-alert": b"\x15\x03\x01\x00\x02\x02\x46",
        "websocket-frames": b"\x81\x02hi" * 10,
        "html-only": b"<html>hello</html>\r\n\r\n",
        "no-line-end-20000-bytes": b"x" * 20_000,
        "half-a-status-line": HEAD[:15],
        "status-line-only": HEAD,
        "half-the-headers": ACCEPTED[:60],
        "all-but-the-last-lf": ACCEPTED[:-1],
        "all-but-the-last-line": ACCEPTED[:-2],
    }
    return [
        *(Handshake(f"eof-after-{name}", answer) for name, answer in answers.items()),
        Handshake("reset-at-once", b"", reset=True),
        Handshake("reset-in-headers", ACCEPTED[:60], reset=True),
    ]


HANDSHAKES = [row for group in (accepted, wrong_101, malformed_101, other_statuses, no_http) for row in group()]

OVER_TLS = frozenset(
    (
        "plain",
        "bytewise",
        "accept-swapped-case",
        "status-401",
        "status-403-with-body",
        "status-503-chunked",
        "eof-after-nothing",
    )
)
