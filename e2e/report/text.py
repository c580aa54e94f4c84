"""Hostile text made safe to show: control characters and direction marks become visible, markup becomes text."""

import html
import re
from collections.abc import Callable

# C0 and C1 controls but tab and newline, direction marks and invisible characters, surrogates and non-characters.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\ufffe\uffff\U000e0000-\U000e007f]"
)
# Underscores inside words are no emphasis, and names such as `close_code` should stay readable in the source.
_MARKDOWN = re.compile(r"([\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])|^[#+=-])")
_BREAKS = re.compile(r"\s*[\r\n]+\s*")
# What a forge turns into links, mentions and references by itself; a word joiner (U+2060) in it prevents that.
# Addresses of this machine may stay, where nothing in them (`127.0.0.1.example`, `127.0.0.1@example`) leads elsewhere.
_OWN = r"(?!(?:127\.0\.0\.1|localhost)(?::\d+)?(?:[/?#]|[.,;:)]*(?:\s|$)))"
_AUTOLINK = re.compile(rf"(?i)https?://{_OWN}|ftp://|www(?=\.)|@(?=\w)|GH-(?=\d)|#(?=\d)")
_NUMBERED = re.compile(r"^(\d+)([.)])(?=\s|$)")
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
    """Text that Markdown shows as it is: no markup, no HTML, no table cells, no mentions, no links.

    What it becomes has at most `limit` characters too.
    """
    return _within(text, limit, _markdown)


def markup(text: object, limit: int = 500) -> str:
    """The same for a place inside HTML that stands in Markdown, such as a `<summary>`: it is not read as Markdown."""
    return _within(text, limit, _markup)


def _within(text: object, limit: int, escape: Callable[[str], str]) -> str:
    line = one_line(text, limit).strip()
    while len(escaped := escape(line)) > limit:
        line = one_line(line, max(1, min(len(line) - 1, len(line) * limit // len(escaped))))
    return escaped


def _markup(line: str) -> str:
    return _AUTOLINK.sub(r"\g<0>&#8288;", html.escape(line, quote=False))


def _markdown(line: str) -> str:
    return _NUMBERED.sub(r"\1\\\2", _MARKDOWN.sub(r"\\\1", _markup(line)))


def fence(lines: list[str], limit: int = 400) -> str:
    """A fenced block; its fence is longer than any run of backticks inside."""
    body = "\n".join(one_line(line, limit) for line in lines)
    longest = max((len(run) for run in _RUNS.findall(body)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}text\n{body}\n{ticks}"
