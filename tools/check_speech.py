"""How well a small recogniser hears the bundled speech: the check mode of `tools/make_speech.py`.

Word error rates are pooled: errors of all utterances over words of all references (lower case, no punctuation).
Needs pocketsphinx. Each tape is heard the way a streaming service hears it: an endpointer cuts it at the pauses, and
each segment gets one hypothesis.
"""

import io
import re
import time
from dataclasses import dataclass

import jiwer
from pocketsphinx import Decoder, Segmenter, Vad

from e2e.audio.codec import SAMPLE_RATE, encode_pcm16
from e2e.audio.library import load_tape
from e2e.audio.speech import load_clips
from e2e.audio.tape import Tape

MAX_PER_VOICE = 0.12
MAX_SMOKE = 0.15
SMOKE_CHUNKS = 150

# The looser modes hear the short pauses of a conversation as speech, and join the utterances around them.
VAD_MODE = Vad.MEDIUM_STRICT


@dataclass
class Errors:
    """Pooled counts of words."""

    errors: int = 0
    words: int = 0

    def add(self, reference: str, hypothesis: str) -> int:
        """Count one pair; returns its errors."""
        words = normalise(reference)
        out = jiwer.process_words(words, normalise(hypothesis))
        errors = out.substitutions + out.deletions + out.insertions
        self.errors += errors
        self.words += len(words.split())
        return errors

    @property
    def rate(self) -> float:
        """Errors per word of the reference."""
        return self.errors / max(1, self.words)

    def __str__(self) -> str:
        return f"WER {self.rate:6.1%} ({self.errors} of {self.words} words)"


def normalise(text: str) -> str:
    """Lower case, without punctuation other than apostrophes."""
    return " ".join(re.sub(r"[^a-z' ]", " ", text.lower()).split())


def hear(decoder: Decoder, pcm: bytes) -> str:
    """One hypothesis for one segment of PCM16."""
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return hypothesis.hypstr if hypothesis else ""


def check_clips() -> bool:
    """Print what is misheard of each utterance, and the rate of each voice. True when all are good enough."""
    decoder = Decoder(samprate=SAMPLE_RATE, loglevel="FATAL")
    voices: dict[str, Errors] = {}
    for clip in load_clips():
        heard = hear(decoder, encode_pcm16(clip.samples))
        errors = voices.setdefault(clip.speaker, Errors()).add(clip.text, heard)
        words = len(clip.text.split())
        print(f"{clip.id}  {errors:2d}/{words:2d} {errors / words:4.0%}  {clip.text}")
        if errors:
            print(f"{'':20}{heard}")
        unknown = [word for word in normalise(clip.text).split() if decoder.lookup_word(word) is None]
        if unknown:
            print(f"{'':20}not in the dictionary: {', '.join(unknown)}")
    for voice, errors in voices.items():
        print(f"{voice:14} {errors}")
    return all(errors.rate <= MAX_PER_VOICE for errors in voices.values())


def check_tape(label: str, tape: Tape) -> Errors:
    """Print the rate of a whole tape heard in segments, and CPU seconds per second of audio."""
    decoder = Decoder(samprate=SAMPLE_RATE, loglevel="FATAL")
    started = time.process_time()
    segments = [
        (segment.start_time, segment.end_time, hear(decoder, segment.pcm))
        for segment in Segmenter(sample_rate=SAMPLE_RATE, vad_mode=VAD_MODE).segment(io.BytesIO(b"".join(tape.chunks)))
    ]
    cpu = time.process_time() - started
    errors = Errors()
    errors.add(tape.reference or "", " ".join(text for _, _, text in segments))
    print(f"{label:14} {errors}, {len(segments)} segments, {cpu / tape.duration:.2f} CPU seconds a second of audio")
    return errors


def check() -> bool:
    """Everything; True when the utterances of each voice and the first 15 s of the podcast are heard well enough."""
    clips_good = check_clips()
    podcast = load_tape("podcast")
    check_tape("podcast", podcast)
    smoke = check_tape("podcast 15 s", podcast.take(SMOKE_CHUNKS))
    check_tape("podcast 3 s", podcast.take(30))
    return clips_good and smoke.rate <= MAX_SMOKE
