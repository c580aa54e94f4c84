"""Clips to one stretch of audio: the five-minute podcast, and the plain sequence of all utterances.

Both return mono float32 samples at 16 kHz and the utterances at their places, exact to the sample.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from e2e.audio.codec import SAMPLE_RATE
from e2e.audio.speech import Clip
from e2e.audio.tape import Utterance
from e2e.errors import AudioError

PODCAST_SECONDS = 300.0
PODCAST_SEED = 0

_LEAD_SECONDS = 0.4
_TAIL_SECONDS = 1.0
_SHORTEST_PAUSE = 0.3
_LONGEST_PAUSE = 1.2
_PLAIN_PAUSE = 0.6
_ROOM_NOISE_DBFS = -60.0


def podcast(clips: Sequence[Clip], seed: int = PODCAST_SEED) -> tuple[np.ndarray, tuple[Utterance, ...]]:
    """A conversation of exactly `PODCAST_SECONDS`: each clip once, in order, in a room with a little noise.

    The pauses are drawn from `seed`, shorter within a turn than between turns, and stretched to fill the time.
    Raises AudioError when the clips are too long or too short for natural pauses.
    """
    random = np.random.default_rng(seed)
    pauses = _pauses(clips, random)
    samples, utterances = _lay_out(clips, pauses, round(PODCAST_SECONDS * SAMPLE_RATE))
    noise = random.standard_normal(len(samples), dtype=np.float32) * np.float32(10 ** (_ROOM_NOISE_DBFS / 20))
    return samples + noise, utterances


def sequence(clips: Sequence[Clip]) -> tuple[np.ndarray, tuple[Utterance, ...]]:
    """All clips one after another, the same pause of digital silence between them."""
    spoken = sum(clip.speech_seconds for clip in clips)
    total = _LEAD_SECONDS + spoken + _PLAIN_PAUSE * (len(clips) - 1) + _TAIL_SECONDS
    return _lay_out(clips, [_PLAIN_PAUSE] * (len(clips) - 1), round(total * SAMPLE_RATE))


def _pauses(clips: Sequence[Clip], random: np.random.Generator) -> np.ndarray:
    """Seconds between the end of each clip's speech and the onset of the next one's, len(clips) - 1 of them."""
    spoken = sum(clip.speech_seconds for clip in clips)
    spare = PODCAST_SECONDS - _LEAD_SECONDS - _TAIL_SECONDS - spoken - _SHORTEST_PAUSE * (len(clips) - 1)
    turns = np.array([before.speaker != after.speaker for before, after in pairwise(clips)])
    share = random.uniform(0.3, 1.0, len(turns)) * np.where(turns, 1.0, 0.5)
    pauses = _SHORTEST_PAUSE + spare * share / share.sum()
    if spare < 0 or pauses.max() > _LONGEST_PAUSE:
        raise AudioError(
            f"{spoken:.0f} s of bundled speech do not make a conversation of {PODCAST_SECONDS:.0f} s: "
            f"pauses would leave {_SHORTEST_PAUSE} to {_LONGEST_PAUSE} s. Install e2e again."
        )
    return pauses


def _lay_out(clips: Sequence[Clip], pauses: Sequence[float], length: int) -> tuple[np.ndarray, tuple[Utterance, ...]]:
    """Place the clips so that the speech, not the margins around it, is as far apart as `pauses` says."""
    samples = np.zeros(length, np.float32)
    utterances = []
    onset = round(_LEAD_SECONDS * SAMPLE_RATE)
    for clip, pause in zip(clips, [*pauses, 0.0], strict=True):
        begin = onset - round(clip.onset * SAMPLE_RATE)
        samples[begin : begin + len(clip.samples)] += clip.samples
        end = begin + round(clip.end * SAMPLE_RATE)
        utterances.append(Utterance(clip.speaker, clip.text, onset / SAMPLE_RATE, end / SAMPLE_RATE))
        onset = end + round(pause * SAMPLE_RATE)
    return samples, tuple(utterances)
