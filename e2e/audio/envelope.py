"""How a tape looks: its least and greatest sample in each of a few hundred stretches."""

import numpy as np

from e2e.audio.codec import PCM_CODECS, SAMPLE_BYTES, decode
from e2e.audio.tape import Tape

POINTS = 600

_BLOCK = 500  # chunks that are decoded at once

Envelope = list[tuple[int, int]]
"""(least, greatest) sample in percent of full scale."""


def envelope(tape: Tape, points: int = POINTS) -> Envelope | None:
    """At most `points` pairs of equal stretches that cover the tape. None: its codec cannot be looked into here.

    A chunk that is there several times, as in a tape that plays over and over, is decoded once.
    """
    if tape.codec not in PCM_CODECS:
        return None
    distinct = {id(chunk): chunk for chunk in tape.chunks}
    parts = _parts(tape.chunk_bytes // SAMPLE_BYTES, points // len(tape.chunks))
    chunks, extremes = list(distinct.values()), []
    for first in range(0, len(chunks), _BLOCK):
        block = chunks[first : first + _BLOCK]
        samples = decode(b"".join(block), tape.codec).reshape(len(block), parts, -1)
        extremes.append(np.stack([samples.min(axis=2), samples.max(axis=2)], axis=2))
    known = np.concatenate(extremes)
    place = {key: n for n, key in enumerate(distinct)}
    pairs = known[[place[id(chunk)] for chunk in tape.chunks]].reshape(-1, 2)
    starts = np.unique(np.linspace(0, len(pairs), min(points, len(pairs)), endpoint=False).astype(int))
    low, high = np.minimum.reduceat(pairs[:, 0], starts), np.maximum.reduceat(pairs[:, 1], starts)
    return [(round(float(a) * 100), round(float(b) * 100)) for a, b in zip(low, high, strict=True)]


def _parts(samples: int, wanted: int) -> int:
    """Into how many equal parts to look at a chunk: at most `wanted`, and without a remainder."""
    return next((n for n in range(min(wanted, samples), 1, -1) if samples % n == 0), 1)
