"""Where what was heard differs from what was said, word by word, in the words as they were written."""

from itertools import groupby

from e2e.verdict.transcript import normalise

Piece = tuple[str, str, str]
"""`=`, `-` (missed), `+` (added) or `~` (another word instead); what was said; what was heard."""

MAX_WORD = 100
"""Characters of a word that are shown."""


def difference(reference: str, heard: str) -> list[Piece]:
    """The alignment with the fewest word errors (as `e2e.verdict.words` counts them), neighbours of a kind together.

    Takes time in proportion to the product of the two lengths: give it no more than a few thousand words.
    """
    # Imported here: `e2e --help` need not pay for it.
    from rapidfuzz.distance import Levenshtein

    said, got = _words(reference), _words(heard)
    pieces: list[Piece] = []
    for operation, begin, end, from_, to in Levenshtein.opcodes([w for w, _ in said], [w for w, _ in got]):
        sign = {"equal": "=", "delete": "-", "insert": "+", "replace": "~"}[operation]
        pieces.append((sign, _text(said[begin:end]), _text(got[from_:to])))
    merged = []
    for sign, run in groupby(pieces, key=lambda piece: piece[0]):
        together = list(run)
        merged.append((sign, *(" ".join(piece[n] for piece in together if piece[n]) for n in (1, 2))))
    return merged


def _words(text: str) -> list[tuple[str, str]]:
    """Words as they are compared, and as they are written. What is only punctuation is no word."""
    words = []
    for written in text.split():
        compared = normalise(written).split()
        words += [(compared[0], written)] if len(compared) == 1 else [(word, word) for word in compared]
    return words


def _text(words: list[tuple[str, str]]) -> str:
    return " ".join(w if len(w) <= MAX_WORD else f"{w[: MAX_WORD - 1]}…" for _, w in words)
