"""The bundled speech: short utterances in three voices, each with its exact text and the place of the speech in it.

The files and their manifest are made by `tools/make_speech.py` from `tools/dialogue.txt`: original texts, spoken by the
CMU ARCTIC voices of Flite, whose licence lets anyone use and distribute them.
"""

import io
import json
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import soundfile

from e2e.audio.codec import SAMPLE_RATE
from e2e.errors import AudioError

_MANIFEST = "speech.json"


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One utterance: `samples` is mono float32 at 16 kHz; the speech in it lasts from `onset` to `end`, in seconds."""

    id: str
    speaker: str
    text: str
    onset: float
    end: float
    samples: np.ndarray

    @property
    def speech_seconds(self) -> float:
        """Length of the speech, without the margins around it."""
        return self.end - self.onset


def load_clips() -> tuple[Clip, ...]:
    """Decode all bundled utterances, in the order of the conversation that they make up.

    Raises AudioError when the package was installed without them, or they are damaged.
    """
    folder = files("e2e.audio") / "speech"
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        return tuple(
            Clip(
                id=entry["id"],
                speaker=entry["speaker"],
                text=entry["text"],
                onset=entry["onset"],
                end=entry["end"],
                samples=_decode((folder / entry["file"]).read_bytes()),
            )
            for entry in manifest["utterances"]
        )
    except (OSError, KeyError, ValueError, soundfile.SoundFileError) as error:
        raise AudioError(f"The bundled speech in {folder} cannot be read ({error}): install e2e again.") from error


def _decode(data: bytes) -> np.ndarray:
    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32")
    if rate != SAMPLE_RATE or samples.ndim != 1:
        raise ValueError(f"expected mono at {SAMPLE_RATE} Hz, found shape {samples.shape} at {rate} Hz")
    return samples
