"""Word and character errors as jiwer counts them: sums that can be pooled, and where in the reference they lie."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from e2e.verdict.transcript import normalise

Places = tuple[tuple[int, int], ...]

MAX_WORDS = 50_000
"""Of one session; a longer one is not measured."""


@dataclass(slots=True)
class Errors:
    """Edits that turn a reference into what was heard, counted in words or in characters (spaces among them)."""

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    def add(self, other: "Errors") -> None:
        self.hits += other.hits
        self.substitutions += other.substitutions
        self.deletions += other.deletions
        self.insertions += other.insertions

    @property
    def reference(self) -> int:
        """Words, or characters, of the reference."""
        return self.hits + self.substitutions + self.deletions

    @property
    def wrong(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float | None:
        """(substitutions + deletions + insertions) / reference; None where there was none."""
        return self.wrong / self.reference if self.reference else None


@dataclass(slots=True)
class WordErrors(Errors):
    """Word errors pooled over sessions: rates divide sums, so that long sessions weigh more than short ones.

    `characters` are pooled the same way. `unmeasured` counts sessions of which no reference is known.
    """

    sessions: int = 0
    unmeasured: int = 0
    characters: Errors = field(default_factory=Errors)

    def measure(self, reference: str | None, heard: str) -> "Alignment | None":
        """Count one session. None: there is no reference, or it has no words."""
        words, heard_words = normalise(reference or ""), normalise(heard)
        if reference is None or max(words.count(" "), heard_words.count(" ")) >= MAX_WORDS:
            self.unmeasured += 1
            return None
        if not words:
            return None
        self.sessions += 1
        alignment = align(words, heard_words)
        self.add(alignment.words)
        self.characters.add(alignment.characters)
        return alignment

    def pool(self, other: "WordErrors") -> None:
        self.add(other)
        self.characters.add(other.characters)
        self.sessions += other.sessions
        self.unmeasured += other.unmeasured


@dataclass(frozen=True, slots=True)
class Alignment:
    """The alignment of two normalised texts with the fewest errors. `word_errors` and `character_errors` hold (index in
    the reference, number) in order; what was added is counted where it stands."""

    words: Errors
    characters: Errors
    word_errors: Places
    character_errors: Places


# Sessions of one load play the same tape, and mostly hear the same of it.
@lru_cache(maxsize=64)
def align(reference: str, heard: str) -> Alignment:
    """Both must be normalised, and the reference must not be empty."""
    words, word_errors = _aligned(reference.split(), heard.split())
    characters, character_errors = _aligned(reference, heard)
    return Alignment(words, characters, word_errors, character_errors)


def _aligned(reference: Sequence[str], heard: Sequence[str]) -> tuple[Errors, Places]:
    """By the engine of jiwer, without its lists of characters, which take twice as long as the alignment."""
    # Imported here: `e2e --help` need not pay for it.
    from rapidfuzz.distance import Levenshtein

    errors, places = Errors(len(reference)), []
    for operation, begin, end, heard_begin, heard_end in Levenshtein.opcodes(reference, heard):
        if operation == "insert":
            errors.insertions += heard_end - heard_begin
            places.append((begin, heard_end - heard_begin))
        elif operation != "equal":
            errors.hits -= end - begin
            places += [(index, 1) for index in range(begin, end)]
            if operation == "delete":
                errors.deletions += end - begin
            else:
                errors.substitutions += end - begin
    return errors, tuple(places)
