"""One pocketsphinx decoder in a process of its own: audio in on standard input, words out on standard output.

The decoder holds the interpreter's lock while it works, up to 0.2 s at the end of an utterance. Here it stops nobody's
event loop, and several of them use several cores. The process ends when its standard input does.

A request is an operation (one byte), the payload's length (uint32, little-endian) and the payload; each is answered by
one line of JSON. Operations: `S` begin an utterance (payload: cepstral mean of this voice, or nothing), `A` PCM16 at
16 kHz, `E` end of the utterance. A session that is closed while its `E` waits says it once more: an end without a
beginning is answered as one of an utterance in which nothing was said.
"""

import json
import math
import re
import signal
import struct
import sys
from typing import Any, BinaryIO

REQUEST = struct.Struct("<cI")

_FRAMES_PER_SECOND = 100
_PAUSE_FRAMES = 15
_VARIANT = re.compile(r"\(\d+\)$")
_FILLERS = frozenset("<[+")


class Ear:
    """The decoder and its answers."""

    def __init__(self) -> None:
        from pocketsphinx import Decoder

        self._decoder = Decoder(samprate=16_000, loglevel="FATAL")
        self._fresh = self._decoder.get_cmn(False)
        self._in_utterance = False

    def answer(self, operation: bytes, payload: bytes) -> dict[str, Any]:
        return {b"S": self._begin, b"A": self._hear, b"E": self._end}[operation](payload)

    def _begin(self, payload: bytes) -> dict[str, Any]:
        # Each voice gets its own cepstral mean back, so that what is heard never depends on who spoke here before.
        self._decoder.set_cmn(payload.decode() or self._fresh)
        self._decoder.start_utt()
        self._in_utterance = True
        return {}

    def _hear(self, pcm: bytes) -> dict[str, Any]:
        self._decoder.process_raw(pcm)
        return self._words()

    def _end(self, _: bytes) -> dict[str, Any]:
        if not self._in_utterance:
            return {"words": [], "pause": False, "score": 0.0, "confidence": 0.0, "mean": self._fresh}
        self._in_utterance = False
        self._decoder.end_utt()
        answer = self._words()
        hypothesis = self._decoder.hyp()
        count = max(1, len(answer["words"]))
        answer["confidence"] = hypothesis.prob ** (1 / count) if hypothesis else 0.0
        answer["mean"] = self._decoder.get_cmn(True)
        return answer

    def _words(self) -> dict[str, Any]:
        """Words as [text, start, end] in seconds of the utterance; `score`: log-likelihood a frame, 0 is best."""
        hypothesis = self._decoder.hyp()
        if hypothesis is None:
            return {"words": [], "pause": False, "score": 0.0}
        segments = list(self._decoder.seg())
        words = [
            [_VARIANT.sub("", s.word), s.start_frame / _FRAMES_PER_SECOND, (s.end_frame + 1) / _FRAMES_PER_SECOND]
            for s in segments
            if s.word[0] not in _FILLERS
        ]
        last = segments[-1] if segments else None
        pause = bool(last) and last.word[0] in _FILLERS and last.end_frame - last.start_frame >= _PAUSE_FRAMES
        score = math.log(max(hypothesis.best_score, 1e-300)) / max(1, self._decoder.n_frames())
        return {"words": words, "pause": pause, "score": score}


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    ear = Ear()
    answers.write(b"{}\n")
    answers.flush()
    while len(head := requests.read(REQUEST.size)) == REQUEST.size:
        operation, length = REQUEST.unpack(head)
        answers.write(json.dumps(ear.answer(operation, requests.read(length))).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    # Ctrl-C and the launcher's signals reach the whole process group; the end of the input is what counts here.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        serve(sys.stdin.buffer, sys.stdout.buffer)
    except BrokenPipeError:
        sys.stderr.close()
