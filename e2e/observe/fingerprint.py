"""What an error line says without what differs between two runs: equal errors get the same fingerprint.

Identifiers, numbers, hexadecimal values, addresses and paths are masked; words stay. Two runs of the same services
give the same error the same fingerprint, so a new one is a regression.
"""

import hashlib
import re

_MOST_CHARS = 300

# In this order: an address holds a path, a path holds names with numbers.
_MASKS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]{0,20}://[^\s'\"<>)\]]+"), "<url>"),
    (re.compile(r"(?<![\w<])(?:[A-Za-z]:)?(?:[/\\][\w.@+~%-]+)+[/\\]?(?:\?[^\s'\"]*)?"), "<path>"),
    # Any word with a digit in it: uuids, hexadecimal values, counters, times, peers, devices such as `load7`.
    (re.compile(r"(?<![\w<])[\w.:@+-]{0,200}\d[\w.:@+-]{0,200}(?<![.:-])"), "<n>"),
    # A long word in both cases that a machine made.
    (re.compile(r"(?<!\w)(?=\w{0,40}[a-z])(?=\w{0,40}[A-Z]{2})\w{20,200}(?!\w)"), "<n>"),
    (re.compile(r"<n>(?:[\s,;:|/-]{0,3}<n>)+"), "<n>"),
    (re.compile(r"\s+"), " "),
)


def pattern(message: str) -> str:
    """The message with everything masked that differs between two occurrences of the same error."""
    text = message[: 4 * _MOST_CHARS]
    for shape, mask in _MASKS:
        text = shape.sub(mask, text)
    return text.strip()[:_MOST_CHARS]


def fingerprint(level: str | None, logger: str | None, masked: str) -> str:
    """Twelve hexadecimal digits that stay the same from run to run and machine to machine."""
    return hashlib.blake2b("\0".join((level or "", logger or "", masked)).encode(), digest_size=6).hexdigest()
