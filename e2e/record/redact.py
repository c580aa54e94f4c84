"""The one place where secrets are taken out of text, before anything is written or shown."""

import json
import re
from collections.abc import Iterable
from typing import Any

MASK = "[redacted]"

# What looks like a credential wherever it stands. Each pattern keeps group 1 (the label) and drops the rest. None
# begins with a repetition, and none without bound may fail late: time must not grow with the square of the text.
_PATTERNS = tuple(
    re.compile(pattern, flags)
    for pattern, flags in (
        # Authorization headers and bearer values.
        (r"(\bauthorization\b[\"']?\s*[:=]\s*+[\"']?+(?:bearer|basic|token)?+\s*+)(?!\[redacted)[^\s\"',;}]+", re.I),
        (r"(\bbearer\s+)(?!\[redacted)[A-Za-z0-9._~+/=-]{6,}", re.I),
        # key=value and "key": "value" of names that hold secrets.
        (
            r"((?:token|secret|password|passwd|api[_-]?key|admin[_-]?key|private[_-]?key)\b[\"']?\s*[:=]\s*[\"']?)"
            r"(?!\[redacted|none\b|null\b|true\b|false\b)[^\s\"',;&}]{4,}",
            re.I,
        ),
        # JSON web tokens, and key forms that well-known services use.
        (r"()\beyJ[A-Za-z0-9_-]{8,1024}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*", 0),
        (r"()\b(?:sk|pk|rk)[-_](?:live|test|proj|ant)?[-_]?[A-Za-z0-9_-]{16,}", 0),
        (r"()\bAIza[0-9A-Za-z_-]{30,}", 0),
        (r"()\bgh[pousr]_[A-Za-z0-9]{20,}", 0),
        (r"()-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)", re.S),
        # Credentials inside URLs.
        (r"([a-z0-9+.-]://)[^\s/@:]+:[^\s/@]+(?=@)", re.I),
    )
)

# One quick look at the text in lower case decides whether the patterns need to run at all: most text holds none of
# these. It is a part of each pattern's label (`uth` of Authorization, `k_` of sk_..., `//` of an URL) that begins with
# a rare letter, which is what makes the look quick. The lookbehind is there for `backend`, which is in most records.
_HINT = r"uth|bear|cret|pass|k(?:(?<=ok)en|ey|[-_])|yj|za|gh[pousr]_|//"
_HINT_TEXT, _HINT_BYTES = re.compile(_HINT), re.compile(_HINT.encode())

# A mapping's key that says by its name that its value is a secret.
_SECRET_KEY = re.compile(r"(?i)(?:.*[_-])?(?:authorization|token|secret|passw(?:or)?d|(?:api|admin|private)[_-]?key)")

# Shorter values would blank ordinary words ("1", "dev") all over the evidence.
_SHORTEST_SECRET = 4


class Redactor:
    """Replaces known secret values, and whatever looks like a credential, with `[redacted]`.

    `secrets` are the values that this run itself sends (tokens, admin keys). Values shorter than four characters
    are ignored.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({s for s in secrets if len(s) >= _SHORTEST_SECRET}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None
        # A secret that holds quotes, backslashes or non-ASCII looks different inside JSON.
        encoded = {s.encode() for s in known} | {json.dumps(s, ensure_ascii=False)[1:-1].encode() for s in known}
        self._encoded = tuple(encoded)

    def suspects(self, encoded: bytes) -> bool:
        """Whether JSON text may hold a secret: one quick look that spares most records the walk by `value`."""
        if _HINT_BYTES.search(encoded.lower()) is not None:
            return True
        for secret in self._encoded:  # noqa: SIM110 - a generator costs more than the look
            if secret in encoded:
                return True
        return False

    def text(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(MASK, text)
        if _HINT_TEXT.search(text.lower()) is not None:
            for pattern in _PATTERNS:
                text = pattern.sub(lambda m: m.group(1) + MASK, text)
        return text

    def value(self, value: Any) -> Any:
        """The same value with every string in it (keys of mappings included) redacted."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(k) if isinstance(k, str) else k: self._item(k, v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(v) for v in value]
        return value

    def _item(self, key: Any, value: Any) -> Any:
        if isinstance(value, str) and isinstance(key, str) and len(value) >= _SHORTEST_SECRET:
            return MASK if _SECRET_KEY.fullmatch(key) else self.text(value)
        return self.value(value)
