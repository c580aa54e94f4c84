"""The table of what a whole connection sees: closes, pings, reads that split and join, ends, and our own sends."""

import itertools
import random

from tests.clients import conformance_frames as frames
from tests.clients.conformance_clients import Deed
from tests.clients.conformance_frames import CLEF, EURO, MASK, Case, binary, case, cont, ping, text
from tests.clients.conformance_peer import CLOSE, PONG, Mark, bytewise, close_frame, cut, frame


def closes() -> list[Case]:
    valid = (1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999)
    # RFC 6455 reserves 1016-2999 for the protocol itself; not being defined they may not be sent.
    invalid = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
    end = Mark.CLOSED
    return [
        *(case(f"close-{code}", close_frame(code, b"why"), end, sent=code) for code in valid),
        *(case(f"close-{code}-without-reason", close_frame(code), end, sent=code) for code in (1000, 1011, 4999)),
        *(case(f"close-{code}-invalid", close_frame(code, b"why"), end, sent=1002) for code in invalid),
        case("close-empty", frame(CLOSE), end, sent=1005),
        case("close-one-byte", frame(CLOSE, b"\x03"), end, sent=1002),
        case("close-reason-123-bytes", close_frame(1000, b"r" * 123), end),
        case("close-reason-124-bytes", close_frame(1000, b"r" * 124), end, sent=1002),
        case("close-reason-unicode", close_frame(4000, EURO + CLEF), end, sent=4000),
        case("close-reason-invalid-utf8", close_frame(1000, b"\xff\xfe"), end, sent=1007),
        case("close-reason-truncated-utf8", close_frame(1000, EURO[:2]), end, sent=1007),
        case("close-invalid-code-and-utf8", close_frame(1005, b"\xff"), end, sent=1007),
        case("close-bytewise", *bytewise(close_frame(1001, b"going")), end, sent=1001),
        case("close-after-text-joined", text("a") + close_frame(1001), end, sent=1001),
        case("close-then-text", close_frame(1001) + text("never"), end, sent=1001),
        case("close-then-text-apart", close_frame(1001), text("never"), end, sent=1001),
        case("close-then-ping", close_frame(1001) + ping(), end, sent=1001),
        case("close-then-garbage", close_frame(1001) + b"\xff" * 50, end, sent=1001),
        case("close-twice", close_frame(1001, b"one") + close_frame(1002, b"two"), end, sent=1001),
        case("close-twice-apart", close_frame(1001, b"one"), close_frame(1002, b"two"), end, sent=1001),
        case("close-ping-before-joined", ping(b"last") + close_frame(1012), end, sent=1012),
        case("close-after-failure", frame(0x3), Mark.CLOSED, close_frame(1011, b"ours"), sent=1002),
    ]


def controls() -> list[Case]:
    return [
        *(case(f"ping-{size}-bytes", ping(b"p" * size), Mark.FRAME) for size in (0, 1, 124, 125)),
        *(case(f"ping-{size}-bytes-too-long", ping(b"p" * size), sent=1002) for size in (126, 127, 65536)),
        case("pong-126-bytes-too-long", frame(PONG, b"p" * 126), sent=1002),
        case("ping-all-bytes", ping(bytes(range(125))), Mark.FRAME, ping(bytes(range(131, 256))), Mark.FRAME),
        case("ping-fragmented", ping(b"a", fin=False) + cont(b"b"), sent=1002),
        case("ping-fragmented-empty", ping(b"", fin=False), sent=1002),
        case("ping-100-joined", b"".join(ping(b"%d" % n) for n in range(100))),
        case("ping-bytewise", *bytewise(ping(b"slowly"))),
        case("ping-between-texts", text("a") + ping(b"1") + text("b") + ping(b"2") + text("c")),
        case("ping-empty-text-empty", ping(b"") + text("") + ping(b"")),
        case("pong-unsolicited", frame(PONG, b"nobody asked") + text("after")),
        case("pong-unsolicited-empty", frame(PONG)),
    ]


def every_cut(*frames: bytes) -> tuple[bytes, ...]:
    """Each frame once for each place it can be cut at, the second part joined to the first part of the next."""
    halves = [cut(data, at) for data in frames for at in range(1, len(data))]
    joined = [a[1] + b[0] for a, b in itertools.pairwise(halves)]
    return (halves[0][0], *joined, halves[-1][1])


def reads() -> list[Case]:
    texts = [text(f'{{"type":"segment","n":{n}}}') for n in range(1000)]
    long, longer = text("é" * 100), text("x" * 65536)
    mixed = text("hello") + binary(b"\x00\x01") + ping(b"p") + text("wor", fin=False) + cont(b"ld") + text("")
    return [
        case("joined-1000-texts", b"".join(texts)),
        case("joined-1000-texts-with-answer", b"".join(texts), joined=True),
        case("joined-1000-mixed", b"".join(t + binary(b"b") if n % 3 else t + ping(b"p") for n, t in enumerate(texts))),
        case(
            "joined-text-ping-text-close",
            text("a") + ping(b"p") + text("b") + close_frame(1001),
            Mark.CLOSED,
            sent=1001,
        ),
        case("joined-text-binary-text", text("a") + binary(b"b") + text("c")),
        case("joined-long-and-short", long + text("a") + longer + text("b") + long),
        case("joined-text-and-half-a-header", text("a") + text("b" * 300)[:1], text("b" * 300)[1:] + text("c")),
        case("joined-text-and-half-a-text", text("a") + text("bcdef")[:4], text("bcdef")[4:] + text("g")),
        case("apart-100-texts", *texts[:100]),
        case("bytewise-mixed", *bytewise(mixed)),
        case("bytewise-long-text", *bytewise(long)),
        case("pairs-mixed", *(mixed[n : n + 2] for n in range(0, len(mixed), 2))),
        case("thirds-mixed", *(mixed[n : n + 3] for n in range(0, len(mixed), 3))),
        case("cut-everywhere-text", *every_cut(text("aé€𝄞"))),
        case("cut-everywhere-126-text", *every_cut(text("é" * 63))),
        case("cut-everywhere-binary", *every_cut(binary(b"\x00\xff\xfe"))),
        case("cut-everywhere-ping", *every_cut(ping(b"ping"))),
        case("cut-everywhere-fragments", *every_cut(text("a€", fin=False) + cont(b"b") + text("c"))),
        case("cut-everywhere-text-and-ping", *every_cut(text("ab") + ping(b"p"), ping(b"q") + text("cd"))),
        *(case(f"cut-65536-header-at-{at}", *cut(longer, at)) for at in range(1, 11)),
        case("long-in-16-parts", *(longer[n : n + 4097] for n in range(0, len(longer), 4097))),
        case("with-answer-text", text("first"), joined=True),
        case("with-answer-half-a-text", text("first")[:3], text("first")[3:], joined=True),
        case("with-answer-one-byte", text("first")[:1], text("first")[1:], joined=True),
        case("with-answer-binary-and-ping", binary(b"first") + ping(b"p"), joined=True),
        case("with-answer-close", close_frame(1008, b"Bad uid"), Mark.CLOSED, sent=1008, joined=True),
        case("with-answer-text-and-close", text("sorry") + close_frame(4001), Mark.CLOSED, sent=4001, joined=True),
        case("with-answer-bad-opcode", frame(0x5, b"x"), sent=1002, joined=True),
        case("with-answer-bad-utf8", text(b"\xff"), Mark.CLOSED, sent=1007, joined=True),
    ]


def ends() -> list[Case]:
    """The TCP connection ends at each place; 1006 for the client, and no close frame is sent."""
    synced = (ping(b"sync"), Mark.FRAME)  # a reset may overtake data that was not read yet
    cuts = {
        "in-header": text("abc")[:1],
        "before-payload": text("abc")[:2],
        "in-payload": text("abc")[:4],
        "in-126-length": text("a" * 200)[:3],
        "before-126-payload": text("a" * 200)[:4],
        "in-127-length": text("a" * 70000)[:6],
        "in-127-payload": text("a" * 70000)[:60000],
        "in-ping": ping(b"abc")[:3],
        "in-close": close_frame(1000, b"bye")[:3],
        "between-fragments": text("a", fin=False),
        "in-second-fragment": text("a", fin=False) + cont(b"bcd")[:3],
        "after-text": text("whole"),
        "after-text-in-header": text("whole") + text("half")[:1],
    }
    return [
        case("eof-after-answer", Mark.EOF, sent=None),
        *(case(f"eof-{where}", data, Mark.EOF, sent=None) for where, data in cuts.items()),
        *(case(f"eof-{where}-with-answer", cuts[where], Mark.EOF, sent=None, joined=True) for where in list(cuts)[-3:]),
        case("eof-after-close", close_frame(1001, b"bye"), Mark.EOF, sent=1001),
        case("eof-after-text-and-close", text("a") + close_frame(1001, b"bye"), Mark.EOF, sent=1001),
        case("eof-after-failure", frame(0x3), Mark.CLOSED, Mark.EOF, sent=1002),
        case("reset-after-answer", *synced, Mark.RESET, sent=None),
        *(
            case(f"reset-{where}", data, *synced, Mark.RESET, sent=None)
            for where, data in (("after-text", text("whole")), ("between-fragments", text("a", fin=False)))
        ),
        case("reset-in-header", *synced, text("abc")[:1], Mark.RESET, sent=None),
        case("reset-in-payload", *synced, text("abc")[:4], Mark.RESET, sent=None),
        case("reset-after-close", close_frame(1001, b"bye"), Mark.CLOSED, Mark.RESET, sent=1001),
    ]


def ours_first() -> list[Case]:
    """The client sends: frames at the boundaries of length, a ping, and the close that it begins itself."""
    sizes = (0, 1, 125, 126, 127, 65535, 65536)
    shut: tuple[Deed, ...] = (("close", 1000, "done"),)
    echo = close_frame(1000, b"done")
    return [
        *(case(f"send-binary-{size}", Mark.FRAME, deeds=(("binary", b"\xa5" * size),)) for size in sizes),
        *(case(f"send-text-{size}", Mark.FRAME, deeds=(("text", "é" * (size // 2)),)) for size in sizes),
        case("send-many", *[Mark.FRAME] * 40, deeds=(("text", "{}"), ("binary", b"\x00" * 320)) * 20),
        case("send-ping-answered", Mark.FRAME, frame(PONG, b"e2e"), deeds=(("ping",),)),
        case("send-ping-answered-with-other", Mark.FRAME, frame(PONG, b"???"), deeds=(("ping",),)),
        case("send-close-echoed", Mark.CLOSED, echo, deeds=shut),
        case("send-close-empty-reason", Mark.CLOSED, close_frame(1000), deeds=(("close", 1000, ""),)),
        case("send-close-4321", Mark.CLOSED, close_frame(4321), sent=4321, deeds=(("close", 4321, "€"),)),
        case("send-close-long-reason", Mark.CLOSED, echo, sent=1001, deeds=(("close", 1001, "r" * 123),)),
        case("send-close-answered-with-other", Mark.CLOSED, close_frame(1011, b"no"), deeds=shut),
        case("send-close-answered-empty", Mark.CLOSED, frame(CLOSE), deeds=shut),
        case("send-close-answered-invalid", Mark.CLOSED, close_frame(1005), deeds=shut),
        case("send-close-answered-bytewise", Mark.CLOSED, *bytewise(echo), deeds=shut),
        case("send-close-texts-before-echo", Mark.CLOSED, text("a"), text("b") + echo, deeds=shut),
        case("send-close-fragments-before-echo", Mark.CLOSED, text("a", fin=False) + cont(b"b") + echo, deeds=shut),
        case("send-close-ping-before-echo", Mark.CLOSED, ping(b"last") + echo, deeds=shut),
        case("send-close-text-after-echo", Mark.CLOSED, echo + text("never"), deeds=shut),
        case("send-close-bad-frame-before-echo", Mark.CLOSED, frame(0x3) + echo, deeds=shut),
        case("send-close-bad-utf8-and-no-echo", Mark.CLOSED, text(b"\xff"), Mark.EOF, deeds=shut),
        case("send-close-eof", Mark.CLOSED, Mark.EOF, deeds=shut),
        case("send-close-reset", Mark.CLOSED, Mark.RESET, deeds=shut),
        case("send-text-then-close", Mark.FRAME, Mark.CLOSED, echo, deeds=(("text", "last"), *shut)),
    ]


def random_mixes() -> list[Case]:
    """Good frames in any order, cut at any place; every third row ends with a frame that breaks the protocol."""
    good = [
        *(text(part) for part in ("", "a", "é€𝄞", "x" * 125, "y" * 126, "z" * 3000)),
        *(binary(part) for part in (b"", b"\x00\xff", b"b" * 200)),
        *(ping(b""), ping(b"p" * 125), frame(PONG, b"o")),
        text("a", fin=False) + cont(EURO[:1], fin=False) + ping(b"m") + cont(EURO[1:]),
        binary(b"", fin=False) + cont(b"\xfe"),
    ]
    bad = [frame(0x4), text("m", mask=MASK), text("r", rsv=2), cont(b"c"), ping(b"f", fin=False), close_frame(1006)]
    rows = []
    for seed in range(60):
        chance = random.Random(seed)
        broken = seed % 3 == 0
        data = b"".join(chance.choices(good, k=chance.randint(1, 30))) + (chance.choice(bad) if broken else b"")
        cuts = sorted(chance.sample(range(1, len(data)), k=min(len(data) - 1, chance.randint(0, 25))))
        parts = [data[a:b] for a, b in itertools.pairwise([0, *cuts, len(data)])]
        rows.append(case(f"random-{seed}", *parts, sent=1002 if broken else 1000, joined=seed % 2 == 0))
    return rows


GROUPS = (closes, controls, reads, ends, ours_first, random_mixes)
CASES = frames.CASES + [row for group in GROUPS for row in group()]

OVER_TLS = frozenset(
    (
        "opcode-1-fin",
        "opcode-2-fin",
        "opcode-3-fin",
        "reserved-rsv1-text",
        "masked-text",
        "length-0-text",
        "length-65537-binary",
        "fragments-3",
        "fragments-inside-euro",
        "fragments-ping-between",
        "utf8-ff",
        "utf8-clef-bytewise",
        "close-1011",
        "close-empty",
        "ping-125-bytes",
        "joined-1000-texts",
        "joined-1000-texts-with-answer",
        "bytewise-mixed",
        "cut-everywhere-text-and-ping",
        "with-answer-text-and-close",
        "eof-after-answer",
        "eof-in-payload",
        "send-binary-65536",
        "send-close-echoed",
        "send-close-texts-before-echo",
    )
)
