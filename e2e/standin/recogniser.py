"""What a recogniser is to a session, and the one that only finds speech by its energy."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Protocol

import numpy as np

RATE = 16_000
"""Hz of the PCM16 that recognisers hear."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What is known of one utterance now. The last one of a `key` wins; no text: nothing was said after all.

    `start` and `end` are seconds from the first audio that the recogniser was given.
    """

    key: int
    text: str
    start: float
    end: float


class Recogniser(Protocol):
    """Listens to one session. `provider` is what its segments name as their origin."""

    provider: str

    async def feed(self, pcm: bytes) -> None:
        """Hear PCM16 at `RATE`. Waits while too much audio is unheard; never loses any."""

    def take(self) -> list[Heard]:
        """The utterances that are new or have changed since the last call, in the order in which they began."""

    async def close(self) -> None:
        """Stop at once; what was not heard yet is dropped."""


_FRAME = 320  # samples: 20 ms
_FRAMES_PER_SECOND = RATE / _FRAME
_QUIETEST_SPEECH = 38.0  # dB above one bit
_ABOVE_FLOOR = 10.0  # dB
_FLOOR_RISE = 0.05  # dB a frame: a noise that stays becomes the floor
_SHORTEST = 15  # active frames that may be speech: 0.3 s
_LIVELY = 2.5  # dB of standard deviation: a tone or a hiss holds its level, a voice never does
_PAUSE = 25  # quiet frames that end an utterance: 0.5 s
_LONGEST = 1500  # frames after which a new utterance begins: 30 s


class EnergyRecogniser:
    """Finds speech by energy and its variation, at the cost of microseconds a chunk. It understands no word."""

    provider = "standin-vad"
    text = "(speech)"

    def __init__(self) -> None:
        self._rest = b""
        self._frame = 0
        self._floor = _QUIETEST_SPEECH
        self._levels: deque[float] = deque(maxlen=100)
        self._began: int | None = None
        self._last_active = 0
        self._key = 0
        self._changed: dict[int, Heard] = {}

    async def feed(self, pcm: bytes) -> None:
        data = self._rest + pcm
        whole = len(data) // (2 * _FRAME)
        self._rest = data[whole * 2 * _FRAME :]
        if not whole:
            return
        samples = np.frombuffer(data, dtype="<i2", count=whole * _FRAME).astype(np.float32).reshape(whole, _FRAME)
        samples -= samples.mean(axis=1, keepdims=True)
        levels = 10 * np.log10(np.einsum("ij,ij->i", samples, samples) / _FRAME + 1)
        for level in levels.tolist():
            self._hear(level)
        if self._is_speech():
            start, end = self._began / _FRAMES_PER_SECOND, (self._last_active + 1) / _FRAMES_PER_SECOND
            self._changed[self._key] = Heard(self._key, self.text, start, end)

    def _hear(self, level: float) -> None:
        active = level > max(_QUIETEST_SPEECH, self._floor + _ABOVE_FLOOR)
        self._floor = min(self._floor + _FLOOR_RISE, level)
        if active:
            if self._began is None:
                self._began = self._frame
            self._last_active = self._frame
            self._levels.append(level)
        elif self._began is not None and self._frame - self._last_active > _PAUSE:
            self._next()
        if self._began is not None and self._frame - self._began > _LONGEST:
            self._next()
        self._frame += 1

    def _next(self) -> None:
        self._key += 1
        self._began = None
        self._levels.clear()

    def _is_speech(self) -> bool:
        if self._began is None or len(self._levels) < _SHORTEST:
            return False
        mean = math.fsum(self._levels) / len(self._levels)
        return math.fsum((level - mean) ** 2 for level in self._levels) > _LIVELY**2 * len(self._levels)

    def take(self) -> list[Heard]:
        heard, self._changed = list(self._changed.values()), {}
        return heard

    async def close(self) -> None:
        self._changed.clear()
