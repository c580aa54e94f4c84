#!/usr/bin/env python3
"""Make the bundled speech from `tools/dialogue.txt`, or check how well a recogniser hears it.

    tools/make_speech.py            # needs flite (Debian: apt install flite) and the core dependencies
    tools/make_speech.py --check    # needs pocketsphinx: WER of each utterance, of the podcast, of its first 15 s

The samples are the same in each run of one flite and libvorbis version; the OGG files differ in a random serial number.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from e2e.audio.codec import SAMPLE_RATE  # noqa: E402

DIALOGUE = ROOT / "tools" / "dialogue.txt"
SPEECH = ROOT / "e2e" / "audio" / "speech"

VOICES = ("slt", "rms", "awb")
LOUDNESS_DBFS = -23.0  # RMS of the speech: the voices differ by several dB as flite makes them
SPEECH_FLOOR_DB = -35.0  # a frame this far below the loudest one is not speech
FRAME = SAMPLE_RATE // 100
MARGIN_SECONDS = 0.08  # kept around the speech, so that soft beginnings and ends are not cut off
VORBIS_COMPRESSION = 0.7  # libsndfile's 0 (best) .. 1 (smallest)


@dataclass(frozen=True)
class Line:
    """One line of the dialogue."""

    id: str
    speaker: str
    text: str


def read_dialogue(path: Path) -> list[Line]:
    """Lines "voice: text" in order, with ids `000-slt`, `001-rms`, ... Exits when a line cannot be understood."""
    lines = []
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not raw.strip() or raw.startswith("#"):
            continue
        speaker, _, text = raw.partition(": ")
        if speaker not in VOICES or not text or any(c.isdigit() for c in text):
            sys.exit(f"{path}:{number}: want 'voice: text' with a voice of {', '.join(VOICES)} and no digits")
        lines.append(Line(f"{len(lines):03d}-{speaker}", speaker, text.strip()))
    return lines


def synthesise(line: Line) -> np.ndarray:
    """The line in its voice: float32 at 16 kHz, at the common loudness, trimmed to the speech and its margins."""
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "line.wav"
        subprocess.run(["flite", "-voice", line.speaker, "-t", line.text, "-o", str(wav)], check=True)
        samples, rate = soundfile.read(wav, dtype="float32")
    if rate != SAMPLE_RATE:
        sys.exit(f"flite's voice {line.speaker} speaks at {rate} Hz; {SAMPLE_RATE} Hz is needed")
    begin, end = speech_bounds(samples)
    samples = samples * (10 ** (LOUDNESS_DBFS / 20) / np.sqrt(np.mean(samples[begin:end] ** 2)))
    margin = round(MARGIN_SECONDS * SAMPLE_RATE)
    return samples[max(0, begin - margin) : end + margin]


def speech_bounds(samples: np.ndarray) -> tuple[int, int]:
    """First and one past the last sample of the 10 ms frames whose energy is above the floor."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    level = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12)
    loud = np.flatnonzero(level > level.max() + SPEECH_FLOOR_DB)
    return int(loud[0]) * FRAME, int(loud[-1] + 1) * FRAME


def make() -> None:
    """Write all files and the manifest anew."""
    SPEECH.mkdir(exist_ok=True)
    for old in SPEECH.glob("*.ogg"):
        old.unlink()
    entries = []
    for line in read_dialogue(DIALOGUE):
        path = SPEECH / f"{line.id}.ogg"
        soundfile.write(
            path, synthesise(line), SAMPLE_RATE, format="OGG", subtype="VORBIS", compression_level=VORBIS_COMPRESSION
        )
        begin, end = speech_bounds(soundfile.read(path, dtype="float32")[0])  # as it will be heard
        entries.append(
            {
                "id": line.id,
                "speaker": line.speaker,
                "text": line.text,
                "file": path.name,
                "onset": begin / SAMPLE_RATE,
                "end": end / SAMPLE_RATE,
            }
        )
    rows = ",\n  ".join(json.dumps(entry) for entry in entries)
    (SPEECH / "speech.json").write_text(f'{{"sample_rate": {SAMPLE_RATE}, "utterances": [\n  {rows}\n]}}\n')
    seconds = Counter()
    for entry in entries:
        seconds[entry["speaker"]] += entry["end"] - entry["onset"]
    size = sum(path.stat().st_size for path in SPEECH.iterdir())
    voices = ", ".join(f"{voice} {seconds[voice]:.1f} s" for voice in VOICES)
    print(f"{len(entries)} utterances, {sum(seconds.values()):.1f} s of speech ({voices}), {size / 1e6:.2f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="recognise what is bundled, and print word error rates")
    if parser.parse_args().check:
        from check_speech import check  # here, because making the speech needs no recogniser

        sys.exit(0 if check() else 1)
    make()


if __name__ == "__main__":
    main()
