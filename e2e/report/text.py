"""Hostile text made safe to show: control characters and direction marks become visible, markup becomes text."""

import html
import re

# C0 and C1 controls but tab and newline, direction marks and invisible characters, surrogates and non-characters.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\ufffe\uffff\U000e0000-\U000e007f]"
)
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~$-])")
_BREAKS = re.compile(r"\s*[\r\n]+\s*")
_LINK = re.compile(r"(?i)\b(https?|ftp|mailto|www)(?=[:.])")
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
    escaped = _MARKDOWN.sub(r"\\\1", escaped).replace("@", "&#64;")
    # Bare addresses would turn into links by themselves; a zero-width joiner inside the scheme prevents it.
    return _LINK.sub(lambda m: f"{m[1][0]}&#8288;{m[1][1:]}", escaped)


def fence(lines: list[str], limit: int = 400) -> str:
    """A fenced block; its fence is longer than any run of backticks inside."""
    body = "\n".join(one_line(line, limit) for line in lines)
    longest = max((len(run) for run in _RUNS.findall(body)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}text\n{body}\n{ticks}"
