"""Hostile text made safe to show: control characters and direction marks become visible, markup becomes text."""

import html
import re

# C0 and C1 controls but tab and newline, direction marks and invisible characters, surrogates and non-characters.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\ufffe\uffff\U000e0000-\U000e007f]"
)
# Underscores inside words are no emphasis, and names such as `close_code` should stay readable in the source.
_MARKDOWN = re.compile(r"([\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])|^[#+=-]|(?<=^\d)[.)](?=\s))")
_BREAKS = re.compile(r"\s*[\r\n]+\s*")
# What a forge turns into links, mentions and references by itself; a word joiner (U+2060) in it prevents that.
_AUTOLINK = re.compile(
    r"(?i)\bhttps?://(?!127\.0\.0\.1\b|localhost\b)|\bftp://|\bwww(?=\.)|@(?=\w)|\bGH-(?=\d)|#(?=\d)"
)
_RUNS = re.compile(r"`+")


def visible(text: object) -> str:
    """Text in which nothing hides: ESC shows as ␛, a right-to-left override as ‹U+202E›."""
    return _INVISIBLE.sub(_shown, str(text))


def _shown(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"‹U+{code:04X}›"


def one_line(text: object, limit: int = 500) -> str:
    """Visible text on one line, cut at `limit` characters."""
    line = visible(_BREAKS.sub(" ", str(text)))
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def markdown(text: object, limit: int = 500) -> str:
    """Text that Markdown shows as it is: no markup, no HTML, no table cells, no mentions, no links."""
    escaped = html.escape(one_line(text, limit), quote=False)
    return _MARKDOWN.sub(r"\\\1", _AUTOLINK.sub(r"\g<0>&#8288;", escaped))


def fence(lines: list[str], limit: int = 400) -> str:
    """A fenced block; its fence is longer than any run of backticks inside."""
    body = "\n".join(one_line(line, limit) for line in lines)
    longest = max((len(run) for run in _RUNS.findall(body)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}text\n{body}\n{ticks}"
