"""The table of what a server can send after the upgrade, with the close code that the client has to send.

Each script ends with a close frame of the server unless it says how it ends itself. Where the oracle is stricter or
kinder than RFC 6455 the row says so; the wire follows the oracle.
"""

import itertools
from dataclasses import dataclass

from tests.clients.conformance_clients import MAX_MESSAGE_BYTES, Deed
from tests.clients.conformance_peer import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Mark,
    Script,
    Step,
    bytewise,
    close_frame,
    frame,
    header_of,
)

CONT = 0x0
MASK = b"\x01\x02\x03\x04"
EURO = "€".encode()
CLEF = "𝄞".encode()


@dataclass(frozen=True)
class Case:
    name: str
    script: Script
    sent: int | None
    deeds: tuple[Deed, ...] = ()


def case(name: str, *steps: Step, sent: int | None = 1000, joined: bool = False, deeds: tuple[Deed, ...] = ()) -> Case:
    if not {Mark.EOF, Mark.RESET, Mark.CLOSED} & {step for step in steps if isinstance(step, Mark)}:
        steps = (*steps, close_frame(1000, b"end"), Mark.CLOSED)
    return Case(name, Script(steps, joined=joined), sent, deeds)


def text(payload: bytes | str, **options) -> bytes:
    return frame(TEXT, payload.encode() if isinstance(payload, str) else payload, **options)


def binary(payload: bytes, **options) -> bytes:
    return frame(BINARY, payload, **options)


def cont(payload: bytes, *, fin: bool = True, **options) -> bytes:
    return frame(CONT, payload, fin=fin, **options)


def ping(payload: bytes = b"p", **options) -> bytes:
    return frame(PING, payload, **options)


def opcodes() -> list[Case]:
    # RFC 6455 lets a close frame come between fragments; the oracle answers it with 1002.
    sent = {(TEXT, True): 1000, (BINARY, True): 1000, (CLOSE, True): 1000, (PING, True): 1000, (PONG, True): 1000}
    return [
        case(
            f"opcode-{opcode:x}-{'fin' if fin else 'more'}",
            frame(opcode, b"\x03\xe8" if opcode == CLOSE else b"x", fin=fin),
            sent=sent.get((opcode, fin), 1002),
        )
        for opcode, fin in itertools.product(range(16), (True, False))
    ]


def reserved_bits() -> list[Case]:
    kinds = {"text": TEXT, "binary": BINARY, "cont": CONT, "ping": PING, "pong": PONG, "close": CLOSE}
    bits = {"rsv1": 4, "rsv2": 2, "rsv3": 1, "all": 7}
    rows = [
        case(f"reserved-{bit}-{kind}", frame(opcode, b"\x03\xe8", rsv=value), sent=1002)
        for (bit, value), (kind, opcode) in itertools.product(bits.items(), kinds.items())
    ]
    return [
        *rows,
        case("reserved-rsv1-in-second-fragment", text("a", fin=False), cont(b"b", rsv=4), sent=1002),
        case("reserved-rsv1-after-good-text", text("good") + text("bad", rsv=4) + text("never"), sent=1002),
    ]


def masked() -> list[Case]:
    frames = {
        "text": text("hello", mask=MASK),
        "text-zero-key": text("hello", mask=bytes(4)),
        "empty-text": text("", mask=MASK),
        "long-text": text("x" * 126, mask=MASK),
        "binary": binary(b"hello", mask=MASK),
        "ping": ping(mask=MASK),
        "close": frame(CLOSE, b"\x03\xe8", mask=MASK),
    }
    rows = [case(f"masked-{kind}", data, sent=1002) for kind, data in frames.items()]
    return [*rows, case("masked-after-good-text", text("good") + text("bad", mask=MASK), sent=1002)]


def lengths() -> list[Case]:
    kinds = {"text": text, "binary": binary}
    plain = [
        case(f"length-{size}-{kind}", make(b"a" * size))
        for size, (kind, make) in itertools.product((0, 1, 125, 126, 127, 65535, 65536, 65537), kinds.items())
    ]
    # RFC 6455 asks for the shortest form; the oracle reads all of them.
    longer = [
        case(f"length-{size}-{kind}-as-{form}", make(b"a" * size, form=form))
        for (form, size), (kind, make) in itertools.product(
            [(126, 0), (126, 5), (126, 125), (127, 0), (127, 5), (127, 126), (127, 65535)], kinds.items()
        )
    ]
    return [
        *plain,
        *longer,
        case("length-joined-long-form-then-text", text("long way", form=127) + text("short")),
        case("length-ping-as-126", ping(b"abc", form=126)),
        case("length-ping-as-127", ping(b"abc", form=127)),
        case("length-close-as-126", frame(CLOSE, b"\x03\xe9", form=126), sent=1001),
        case("length-top-bit", b"\x81\x7f" + (1 << 63).to_bytes(8) + b"abc", sent=1009),
        case("length-all-bits", b"\x82\x7f" + b"\xff" * 8, sent=1009),
        case("length-ping-top-bit", b"\x89\x7f" + (1 << 63).to_bytes(8), sent=1009),
        case("size-max", header_of(BINARY, MAX_MESSAGE_BYTES) + bytes(MAX_MESSAGE_BYTES)),
        case("size-above-max-text", header_of(TEXT, MAX_MESSAGE_BYTES + 1) + b"abc", sent=1009),
        case("size-above-max-binary", header_of(BINARY, MAX_MESSAGE_BYTES + 1) + b"abc", sent=1009),
        case("size-above-max-after-good-text", text("good") + header_of(TEXT, MAX_MESSAGE_BYTES + 1), sent=1009),
        case(
            "size-above-max-in-fragments",
            text("a", fin=False),
            header_of(CONT, MAX_MESSAGE_BYTES),
            sent=1009,
        ),
    ]


def fragments() -> list[Case]:
    many = [b"%d," % n for n in range(1000)]
    first, rest = text(many[0], fin=False), [cont(part, fin=part is many[-1]) for part in many[1:]]
    clef = [CLEF[n : n + 1] for n in range(4)]
    return [
        case("fragments-2", text("he", fin=False), cont(b"llo")),
        case("fragments-2-joined", text("he", fin=False) + cont(b"llo")),
        case("fragments-3", text("he", fin=False), cont(b"l", fin=False), cont(b"lo")),
        case("fragments-3-bytewise", *bytewise(text("he", fin=False) + cont(b"l", fin=False) + cont(b"lo"))),
        case("fragments-1000-joined", first + b"".join(rest)),
        case("fragments-100", first, *rest[:99], rest[-1]),
        case("fragments-binary", binary(b"\x00\xff", fin=False), cont(b"\xfe", fin=False), cont(b"\xc3")),
        case("fragments-empty-all", text("", fin=False), cont(b"", fin=False), cont(b"")),
        case("fragments-empty-first", text("", fin=False), cont(b"abc")),
        case("fragments-empty-last", text("abc", fin=False), cont(b"")),
        case("fragments-empty-middle", text("a", fin=False), cont(b"", fin=False), cont(b"b")),
        case("fragments-long", text("a" * 200, fin=False), cont(b"b" * 70000)),
        case("fragments-inside-euro", text(b"a" + EURO[:1], fin=False), cont(EURO[1:] + b"b")),
        case(
            "fragments-inside-clef-each-byte", text(clef[0], fin=False), *(cont(b, fin=b is clef[3]) for b in clef[1:])
        ),
        case("fragments-then-whole", text("a", fin=False) + cont(b"b") + text("c") + binary(b"d")),
        case("fragments-two-messages", (text("a", fin=False) + cont(b"b") + binary(b"c", fin=False) + cont(b"d"))),
        case("fragments-ping-between", text("a", fin=False), ping(b"1"), Mark.FRAME, cont(b"b", fin=False), cont(b"c")),
        case("fragments-ping-between-joined", text("a", fin=False) + ping(b"1") + ping(b"2") + cont(b"b")),
        case("fragments-pong-between", text("a", fin=False) + frame(PONG, b"x") + cont(b"b")),
        case("fragments-close-between", text("a", fin=False), close_frame(1001), sent=1002),
        case("fragments-text-inside", text("a", fin=False), text("b"), cont(b"c"), sent=1002),
        case("fragments-text-inside-joined", text("a", fin=False) + text("b") + cont(b"c"), sent=1002),
        case("fragments-binary-inside", text("a", fin=False) + binary(b"b") + cont(b"c"), sent=1002),
        case("fragments-new-start-inside", text("a", fin=False) + text("b", fin=False) + cont(b"c"), sent=1002),
        case("fragments-cont-alone", cont(b"a"), sent=1002),
        case("fragments-cont-alone-empty", cont(b""), sent=1002),
        case("fragments-cont-alone-not-fin", cont(b"a", fin=False) + cont(b"b"), sent=1002),
        case("fragments-cont-after-whole-text", text("whole") + cont(b"a"), sent=1002),
        case("fragments-cont-after-the-end", text("a", fin=False) + cont(b"b") + cont(b"c"), sent=1002),
    ]


def early() -> list[Case]:
    """Failures that the first bytes of a frame show; no more of it ever comes."""
    heads = {
        "bad-opcode": b"\x83\x05",
        "bad-opcode-127": b"\x83\x7f",
        "masked-text": b"\x81\x85",
        "masked-126-text": b"\x81\xfe",
        "masked-127-text": b"\x81\xff",
        "masked-binary": b"\x82\x85",
        "masked-ping": b"\x89\x85",
    }
    return [case(f"early-{name}", head, Mark.CLOSED, sent=1002) for name, head in heads.items()]


def utf8() -> list[Case]:
    good = {
        "nul": b"a\x00b",
        "bom": b"\xef\xbb\xbfabc",
        "euro": EURO,
        "clef": CLEF,
        "last-code-point": b"\xf4\x8f\xbf\xbf",
        "noncharacter": b"\xef\xbf\xbf",
        "before-surrogates": b"\xed\x9f\xbf",
    }
    bad = {
        "ff": b"\xff\xfe",
        "continuation-alone": b"\x80",
        "overlong-slash": b"\xc0\xaf",
        "overlong-nul": b"\xc0\x80",
        "overlong-3": b"\xe0\x80\xaf",
        "overlong-4": b"\xf0\x80\x80\xaf",
        "surrogate": b"\xed\xa0\x80",
        "surrogate-pair": b"\xed\xa0\xbd\xed\xb8\x80",
        "above-last-code-point": b"\xf4\x90\x80\x80",
        "five-bytes": b"\xf8\x88\x80\x80\x80",
        "truncated-2": b"abc\xc3",
        "truncated-3": b"abc\xe2\x82",
        "truncated-4": b"abc\xf0\x9d\x84",
        "broken-in-the-middle": b"ab\xe2\x28\xa1cd",
        "latin-1": "é".encode("latin-1"),
    }
    # The library decodes when its user asks for the message, so it could answer frames that came with a bad text.
    # The scripts wait for its verdict before they send more; then both may only ignore it.
    late = (Mark.CLOSED, text("late"), ping(b"late"), close_frame(1000))
    return [
        *(case(f"utf8-{name}", text(data)) for name, data in good.items()),
        *(case(f"utf8-{name}-bytewise", *bytewise(text(data))) for name, data in good.items()),
        *(case(f"utf8-{name}", text(data), *late, sent=1007) for name, data in bad.items()),
        case("utf8-bad-empty-after-good", text("good") + text(b"\xff"), *late, sent=1007),
        case("utf8-bad-long", text(b"a" * 70000 + b"\xff"), *late, sent=1007),
        case("utf8-bad-in-first-fragment", text(b"\xff", fin=False), cont(b"a"), *late, sent=1007),
        case("utf8-bad-in-second-fragment", text("a", fin=False), cont(b"b\xff"), *late, sent=1007),
        case("utf8-bad-over-fragments", text(b"\xe2\x82", fin=False), cont(b"a"), *late, sent=1007),
        case("utf8-truncated-in-last-fragment", text("a", fin=False), cont(EURO[:2]), *late, sent=1007),
        case("utf8-bad-then-text-joined", text("1") + text(b"\xff") + text("never"), *late, sent=1007),
        case("utf8-bad-then-binary-joined", text(b"\xff") + binary(b"never"), *late, sent=1007),
        case("utf8-bad-in-binary-is-data", binary(b"\xff\xfe\xc0\x80")),
        case("utf8-bad-in-ping-is-data", ping(b"\xff\xfe")),
    ]


GROUPS = (opcodes, reserved_bits, masked, lengths, early, fragments, utf8)
CASES = [row for group in GROUPS for row in group()]
