"""Text from outside made safe to show: nothing in it can move a cursor, turn the reading order round or hide."""

import re

# C0 and C1 controls (tab and newline too: what is shown is one line), line separators, zero-width and bidirectional
# marks, and lone surrogates, which no terminal or file can encode.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def printable(text: str) -> str:
    """The same text with each such character written as its escape (`\\x1b`, `\\u202e`)."""
    return _UNSEEN.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
