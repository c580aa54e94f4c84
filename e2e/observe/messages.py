"""The exact shapes of Python's import errors, and when a line that holds one really reports one.

The handlers of the services turn a failed import into one log line, under any prefix and at any level. The same
words may also be *quoted*: somebody's speech about programming is logged too. `find` tells them apart.
"""

import re
from dataclasses import dataclass

_Q = r"\\*'"  # Python's quote, perhaps escaped by a repr around it
_NAME = r"[^'\\\s]+"
_CIRCULAR = r"(?: \(most likely due to a circular import\))?"


@dataclass(frozen=True, slots=True)
class Broken:
    """What could not be imported. `file` and `line`: where the import stands when a traceback says so, else the
    file of the module that lacks the name; None where nothing was said."""

    kind: str
    module: str | None = None
    name: str | None = None
    file: str | None = None
    line: int | None = None

    @property
    def what(self) -> tuple[str | None, str | None]:
        return self.module, self.name

    def __str__(self) -> str:
        text = {
            (True, True): f"cannot import name '{self.name}' from '{self.module}'",
            (False, True): f"No module named '{self.module}'",
            (True, False): f"cannot import '{self.name}'",
            (False, False): "an import failed",
        }[bool(self.name), bool(self.module)]
        place = f"{self.file} line {self.line}" if self.line else self.file
        return f"{text} ({place})" if place else text


# (kind, shape). A shape is tried at any place of a line; the first that fits wins.
_SHAPES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(shape))
    for kind, shape in (
        (
            "ImportError",
            rf"cannot import name {_Q}(?P<name>{_NAME}){_Q}"
            rf"(?: from (?:partially initialized module )?{_Q}(?P<module>{_NAME}){_Q}{_CIRCULAR}"
            rf"(?: \((?!consider )(?P<file>[^()]+)\))?{_CIRCULAR})?",
        ),
        ("ModuleNotFoundError", rf"No module named {_Q}(?P<module>{_NAME}){_Q}"),
        ("ModuleNotFoundError", r"^\S*python[\d.]*(?:\.exe)?: No module named (?P<module>[\w.]+)"),
        ("ModuleNotFoundError", r"import of (?P<module>[\w.]+) halted; None in sys\.modules"),
        (
            "AttributeError",
            rf"\bmodule {_Q}(?P<module>{_NAME}){_Q} has no attribute {_Q}(?P<name>\w+)",
        ),
        ("AttributeError", rf"cannot access submodule {_Q}(?P<name>\w+){_Q} of module {_Q}(?P<module>{_NAME}){_Q}"),
        ("ImportError", r'Error loading ASGI app\. Could not import module "(?P<module>[^"]+)"'),
        (
            "ImportError",
            r"(?<![\w.+-])(?P<name>[\w.+-]{1,200}\.so[\d.]*): (?:cannot open shared object file|undefined symbol)",
        ),
        ("ImportError", r"DLL load failed while importing (?P<module>[\w.]+)"),
        ("ImportError", r"attempted relative import (?:with no known parent package|beyond top-level package)"),
        ("ImportError", r"\(most likely due to a circular import\)"),
    )
)
_HINT = re.compile(
    r"cannot import name|No module named|odule \S+ has no attribute|circular import|ould not import module|"
    r"cannot access submodule|cannot open shared object|undefined symbol|halted; None in sys|attempted relative import|"
    r"DLL load failed"
)

# A value that holds what somebody said, at any level: the phrase is speech while its quote is open.
_SAID = r"(?:\w{0,20}_)?(?:text|transcript|transcription|content|utterance|prompt|question|query|answer|reply|caption)"
_TEXT_FIELD = re.compile(
    rf"""(?:["'](?!\w*err){_SAID}\\?["']\s{{0,4}}[:=]|\b(?!\w*err){_SAID}=)\s{{0,4}}\[?(?P<quote>\\{{0,3}}["'])"""
)
# Lines below WARNING also carry speech as plain text. `he said ...` is speech whatever stands before it, a label
# such as `transcript: ...` or `SPEAKER_00: ...` is not in `Error processing transcript: ...`.
_SPEECH_VERB = re.compile(
    r"\b(?:said|says|heard|(?:I|we|you|they|he|she|it) (?:just |always |keeps? |kept )?"
    r"(?:got|gets?|getting|see|sees|saw|tells|told|printed|prints))\b"
)
_SPEECH_LABEL = re.compile(
    r"\b(?:transcript(?:ion)?s?|text|segments?|utterances?|SPEAKER_\d+|[Ss]peaker \d+|captions?|"
    r"(?:[Uu]ser|[Cc]hat|[Aa]ssistant|[Hh]uman)(?: (?:message|input|prompt|question|text|reply|answer|content))?|"
    r"prompt|question|answer|reply)\s*[:=]"
    # These name parts of the services as well, which fail.
    r"|\b(?:query|memory|memories|summary|title|overview)\s*[:=]"
    r"(?!\s*(?:[Ee]rror|[Ff]ail|[Cc]ould not|[Cc]annot|No module))"
)
_SPEECH_LOGGER = re.compile(
    r"(?:^|[._])(?:stt|transcripts?|segments?|chat|llm|memories|deepgram|soniox|speechmatics)(?:[._]|$)", re.I
)
# Who reports an error ends there; who talks about one goes on.
_TALKS_ON = re.compile(
    r"""[^\w]{0,4} ?(?:means?|again|when I|in my|on my|what |how |why |can you|could you|do you|any idea|thanks?)\b"""
    r"""|[^?]*(?<!Did you mean: )\b(?:what|how|why|who|can|could|should|do|does)\b[^?:]*\?\s*["']?$""",
    re.I,
)
_BACKTICKS = re.compile(r"`+")
_CLASS = re.compile(r"\b\w+Error: ?$")
_FAILURE_WORD = re.compile(r"error|exception|fail|unable|could not|can ?not|can't|crash|broken|unhandled", re.I)
_ERROR_FIELD = re.compile(r"""["'](?:error|err|exception|exc|detail|reason)["']\s*:\s*["'][^"]*$|Error\(\\*"$""")
# An exception that is put into a line follows a colon, a bracket or the word `error`; speech flows into it.
_PUT_IN = re.compile(r"""(?:^|[:(\[=-]|\berror|\bexception)[\s"'\\]*$""", re.I)


def hints(message: str) -> bool:
    """The quick look that tells most lines to hold no import error: a part of each shape."""
    return "import" in message or "odule" in message or "shared ob" in message or "undefined sy" in message


def find(message: str, level: str | None = None, logger: str | None = None) -> Broken | None:
    """The import error that the message reports, or None when it holds none or only quotes one."""
    if not hints(message) or not _HINT.search(message):
        return None
    fits = ((kind, match) for kind, shape in _SHAPES if (match := shape.search(message)))
    kind, match = next(fits, (None, None))
    if kind is None or match is None:
        return None
    if _quoted(message[: match.start()], message[match.end() :], level, logger):
        return None
    found = match.groupdict()
    file = found.get("file")
    return Broken(kind, found.get("module"), found.get("name"), None if file == "unknown location" else file)


def after(message: str) -> str | None:
    """What stands behind the import error in the message that `find` found."""
    return next((message[match.end() :] for _, shape in _SHAPES if (match := shape.search(message))), None)


def speaks(message: str, level: str | None, logger: str | None) -> bool:
    """Whether what comes after the end of the message is somebody's words, going by the message alone."""
    if _in_text_field(message):
        return True
    if level in ("WARNING", "ERROR", "CRITICAL"):
        return False
    label = _SPEECH_LABEL.search(message)
    if _SPEECH_VERB.search(message) or (label and not _FAILURE_WORD.search(message[: label.start()])):
        return True
    return bool(logger and _SPEECH_LOGGER.search(logger)) and not _FAILURE_WORD.search(message)


def leaves_open(message: str) -> bool:
    """Whether the message ends inside the quotes of a field that holds what somebody said."""
    return '"' in message and _in_text_field(message)


def _quoted(before: str, rest: str, level: str | None, logger: str | None) -> bool:
    """Whether what stands `before` the phrase, or behind it, says that it is somebody's words."""
    if _in_text_field(before):
        return True
    if level in ("WARNING", "ERROR", "CRITICAL"):
        return False
    if _SPEECH_VERB.search(before) or len(_BACKTICKS.findall(before)) % 2 or _TALKS_ON.match(rest):
        return True
    in_error_field = _ERROR_FIELD.search(before)
    label = None if in_error_field else _SPEECH_LABEL.search(before)
    if label and not _FAILURE_WORD.search(before[: label.start()]):
        return True
    if before.count('"') % 2 and not in_error_field:
        return True
    if not _PUT_IN.search(before):
        return True
    # The bare phrase is what `logger.info(e)` prints, unless the logger's business is speech.
    bare = _CLASS.sub("", before)
    return bool(logger and _SPEECH_LOGGER.search(logger)) and not _FAILURE_WORD.search(bare)


def _in_text_field(before: str) -> bool:
    """Whether a text field begins and is not closed: its quote, not escaped, before the next item or the end."""
    at = 0
    while field := _TEXT_FIELD.search(before, at):
        end = re.compile(rf"(?<!\\){re.escape(field['quote'])}\s{{0,4}}[,}}\])]").search(before, field.end())
        if end is None:
            return True
        at = end.end()
    return False
