"""Where samples come from: files of any kind that libsndfile reads, and the generators of silence and tone.

Samples are mono float32 of shape (n,) at 16 kHz, 1.0 being full scale.
"""

from collections.abc import Iterator
from os import PathLike
from pathlib import Path

import numpy as np
import soundfile
import soxr

from e2e.audio.codec import SAMPLE_RATE
from e2e.errors import AudioError

READABLE = "WAV, FLAC, OGG (Vorbis or Opus), MP3, AIFF, CAF"

# Frames decoded at a time: hours of 48 kHz stereo must not be in memory at once before they are mono and 16 kHz.
_BLOCK_FRAMES = 1 << 18


def read_audio(path: str | PathLike[str]) -> np.ndarray:
    """Decode a file of any rate and channel count, mix its channels equally, resample to 16 kHz.

    Raises AudioError when the file is missing, not readable as audio, or holds no frames.
    """
    path = Path(path)
    if not path.is_file():
        raise AudioError(f"No audio file at {path}: check the path, relative to {Path.cwd()}.")
    try:
        with soundfile.SoundFile(path) as file:
            blocks = list(_resampled(_mono_blocks(file), file.samplerate))
    except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError, OSError) as error:
        # TypeError: soundfile wants to be told the format of headerless .raw files.
        reason = (getattr(error, "error_string", None) or str(error)).removeprefix("Error : ").rstrip(".")
        raise AudioError(
            f"Cannot read {path} as audio ({reason}): if it is damaged copy it again, otherwise convert it to WAV; "
            f"{READABLE} are read."
        ) from error
    samples = np.concatenate(blocks) if blocks else np.empty(0, np.float32)
    if not len(samples):
        raise AudioError(f"{path} holds no audio (0 frames): record it again or choose another file.")
    return samples


def read_reference(path: str | PathLike[str]) -> str | None:
    """The text that is said in an audio file: from `FILE.wav.txt`, else from `FILE.txt`; None if there is neither.

    White space is folded. An empty file states that nothing is said. Raises AudioError if it is not UTF-8 text.
    """
    path = Path(path)
    for candidate in (path.with_name(path.name + ".txt"), path.with_suffix(".txt")):
        if candidate != path and candidate.is_file():
            try:
                return " ".join(candidate.read_text(encoding="utf-8-sig").split())
            except (UnicodeDecodeError, OSError) as error:
                raise AudioError(f"Cannot read the reference text {candidate} ({error}): save it as UTF-8.") from error
    return None


def silence(seconds: float) -> np.ndarray:
    """Digital silence."""
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def tone(seconds: float, frequency: float = 440.0, level_dbfs: float = -12.0) -> np.ndarray:
    """A sine of `frequency` Hz whose peak is `level_dbfs` below full scale."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (10 ** (level_dbfs / 20) * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def _mono_blocks(file: soundfile.SoundFile) -> Iterator[np.ndarray]:
    while len(block := file.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)):
        # Float files may hold NaN or infinity, which a resampler would smear over their neighbours.
        yield np.nan_to_num(block, nan=0.0, posinf=1.0, neginf=-1.0).mean(axis=1)


def _resampled(blocks: Iterator[np.ndarray], rate: int) -> Iterator[np.ndarray]:
    if rate == SAMPLE_RATE:
        yield from blocks
        return
    stream = soxr.ResampleStream(rate, SAMPLE_RATE, num_channels=1, dtype="float32")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.empty(0, np.float32), last=True)
