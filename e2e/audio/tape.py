"""`Tape`: audio ready to be sent, cut into equal chunks, with what is said in it and when."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count as count_from

import numpy as np

from e2e.audio.codec import SAMPLE_RATE, encode, require_codec
from e2e.errors import AudioError


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one speaker says without a pause. `onset` and `end` of the speech are seconds from the tape's start."""

    speaker: str
    text: str
    onset: float
    end: float


@dataclass(frozen=True, slots=True)
class Tape:
    """Immutable audio of one codec. Every chunk lasts `chunk_seconds` and has the same number of bytes.

    `utterances` are in order of time and do not overlap; empty where it is not known who says what when. `reference`
    is everything that is said, None where that is unknown; an empty reference states that nothing is said. `partial` is
    the stretch (seconds) of an utterance that the tape's end cuts off: it is heard, and in no reference. Raises
    AudioError when there are no chunks, or when they differ in size.
    """

    name: str
    codec: str
    sample_rate: int
    chunk_seconds: float
    chunks: tuple[bytes, ...]
    utterances: tuple[Utterance, ...] = ()
    reference: str | None = None
    description: str = ""
    partial: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not self.chunks:
            raise AudioError(f"Tape {self.name!r} holds no audio: give it at least one chunk.")
        if len({len(chunk) for chunk in self.chunks}) > 1:
            raise AudioError(f"Tape {self.name!r} has chunks of different sizes: pad the last one with silence.")

    @property
    def duration(self) -> float:
        """Seconds, padding of the last chunk included."""
        return len(self.chunks) * self.chunk_seconds

    @property
    def chunk_bytes(self) -> int:
        """Bytes of each chunk."""
        return len(self.chunks[0])

    def take(self, count: int) -> "Tape":
        """The first `count` chunks; a count beyond the end plays the tape again from its start.

        Utterances that the cut leaves incomplete are dropped, and the reference is made of those that are left.
        Without known utterances the reference survives only whole repetitions: of audio that was cut, nobody knows
        which words were sent. Raises AudioError for a count below 1.
        """
        if count < 1:
            raise AudioError(f"Cannot take {count} chunks of tape {self.name!r}: ask for at least 1.")
        whole, rest = divmod(count, len(self.chunks))
        if (whole, rest) == (1, 0):
            return self
        seconds = count * self.chunk_seconds
        utterances = tuple(self._spoken_before(seconds))
        return replace(
            self,
            chunks=self.chunks * whole + self.chunks[:rest],
            utterances=utterances,
            reference=self._reference_of(utterances, whole, rest),
            partial=self._cut_off_at(whole * self.duration, seconds),
        )

    def _cut_off_at(self, offset: float, seconds: float) -> tuple[float, float] | None:
        """What is left of an utterance that is not over when the repetition that began at `offset` is cut."""
        stretches = [(offset + u.onset, offset + u.end) for u in self.utterances]
        return next(((onset, seconds) for onset, end in stretches if onset < seconds < end), None)

    def _spoken_before(self, seconds: float) -> Iterator[Utterance]:
        """Utterances that end within the first `seconds` of the tape played over and over."""
        if not self.utterances:
            return
        for repetition in count_from():
            offset = repetition * self.duration
            for utterance in self.utterances:
                if offset + utterance.end > seconds:
                    return
                yield replace(utterance, onset=offset + utterance.onset, end=offset + utterance.end)

    def _reference_of(self, utterances: tuple[Utterance, ...], whole: int, rest: int) -> str | None:
        if self.utterances:
            return join_texts(utterances)
        if not self.reference:  # unknown stays unknown, and a part of nothing is nothing
            return self.reference
        return " ".join([self.reference] * whole) if rest == 0 else None


def join_texts(utterances: Iterable[Utterance]) -> str:
    """The reference text that utterances amount to."""
    return " ".join(utterance.text for utterance in utterances)


def cut(samples: np.ndarray, codec: str = "pcm16", chunk_ms: int = 100) -> tuple[bytes, ...]:
    """Encode 16 kHz mono samples, shape (n,), as chunks of `chunk_ms`; the last one is padded with silence.

    Raises AudioError for no samples, a codec that is not supported, or a chunk of no length.
    """
    require_codec(codec)
    if chunk_ms < 1:
        raise AudioError(f"A chunk of {chunk_ms} ms holds no audio: use at least 1 ms (devices send 100).")
    if len(samples) == 0:
        raise AudioError("There is no audio to cut into chunks: the source holds 0 samples.")
    size = SAMPLE_RATE * chunk_ms // 1000
    padded = np.pad(samples, (0, -len(samples) % size))
    return tuple(encode(padded[start : start + size], codec) for start in range(0, len(padded), size))
