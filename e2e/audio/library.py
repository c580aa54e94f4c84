"""`load_tape`: the one door to tapes, by the name of a bundled one or by the path of an audio file."""

from collections.abc import Callable
from difflib import get_close_matches
from os import PathLike, fspath
from pathlib import Path

import numpy as np

from e2e.audio import compose, source
from e2e.audio.codec import SAMPLE_RATE, require_codec
from e2e.audio.speech import load_clips
from e2e.audio.tape import Tape, Utterance, cut, join_texts
from e2e.errors import AudioError

GENERATED_SECONDS = 300.0
"""Length of `silence` and `tone` before `chunks` cuts or repeats them: as long as the podcast."""

# What a recipe makes: samples at 16 kHz, utterances, reference (None: unknown), description.
_Recording = tuple[np.ndarray, tuple[Utterance, ...], str | None, str]


def load_tape(
    name_or_path: str | PathLike[str], *, codec: str = "pcm16", chunk_ms: int = 100, chunks: int | None = None
) -> Tape:
    """The tape of a bundled name (`tape_names()`) or of an audio file, cut or repeated to `chunks` if given.

    A bundled name wins over a file of the same name; `./podcast` or a `Path` means the file. Raises AudioError for a
    name that is neither, a file that cannot be read or is empty, an unsupported codec, or a senseless length.
    """
    require_codec(codec)
    recipe = _RECIPES.get(name_or_path) if isinstance(name_or_path, str) else None
    if recipe is not None:
        name, recording = str(name_or_path), recipe()
    else:
        path = Path(name_or_path)
        if isinstance(name_or_path, str) and not path.exists():
            raise AudioError(_not_found(name_or_path))
        name, recording = path.name, _file(path)
    samples, utterances, reference, description = recording
    tape = Tape(
        name=name,
        codec=codec,
        sample_rate=SAMPLE_RATE,
        chunk_seconds=chunk_ms / 1000,
        chunks=cut(samples, codec, chunk_ms),
        utterances=utterances,
        reference=reference,
        description=description,
    )
    return tape if chunks is None else tape.take(chunks)


def tape_names() -> tuple[str, ...]:
    """Names of the bundled tapes, the usual one first."""
    return tuple(_RECIPES)


def _podcast() -> _Recording:
    clips = load_clips()
    samples, utterances = compose.podcast(clips)
    voices = len({clip.speaker for clip in clips})
    description = f"podcast: five-minute dialogue, {voices} voices, seed {compose.PODCAST_SEED}"
    return samples, utterances, join_texts(utterances), description


def _speech() -> _Recording:
    samples, utterances = compose.sequence(load_clips())
    description = f"speech: {len(utterances)} utterances one after another"
    return samples, utterances, join_texts(utterances), description


def _silence() -> _Recording:
    return source.silence(GENERATED_SECONDS), (), "", "silence: digital zero"


def _tone() -> _Recording:
    return source.tone(GENERATED_SECONDS), (), "", "tone: 440 Hz, -12 dBFS"


_RECIPES: dict[str, Callable[[], _Recording]] = {
    "podcast": _podcast,
    "speech": _speech,
    "silence": _silence,
    "tone": _tone,
}


def _file(path: Path) -> _Recording:
    samples = source.read_audio(path)
    reference = source.read_reference(path)
    known = "with" if reference is not None else "without"
    return samples, (), reference, f"{path.name}: {len(samples) / SAMPLE_RATE:.1f} s, {known} reference text"


def _not_found(name: str | PathLike[str]) -> str:
    close = get_close_matches(fspath(name), _RECIPES, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return (
        f"{fspath(name)!r} is neither a bundled tape nor an audio file in {Path.cwd()}.{hint} "
        f"Use {', '.join(_RECIPES)}, or the path of a file ({source.READABLE})."
    )
