"""The recogniser that really listens: pocketsphinx, with speech end-points, partial results and a sense of doubt."""

import asyncio
import logging

from pocketsphinx import Endpointer

from e2e.errors import ServiceError
from e2e.standin.ears import EarProcess, Ears
from e2e.standin.recogniser import RATE, Heard

_BYTES_PER_SECOND = RATE * 2
_BATCH = int(0.3 * _BYTES_PER_SECOND)
_SILENCE_WITHOUT_AUDIO = 0.8  # s without any audio that end an utterance
_UNHEARD_MAX = 360 * _BYTES_PER_SECOND  # beyond this the session is no longer read, and the client feels it
_LONG, _TOO_LONG = 10.0, 20.0  # s: cut at the next pause; cut anywhere

# How sure one has to be. Clear speech scores -0.003 to -0.0047 a frame with a confidence of 0.3 to 0.9 a word; speech
# played backwards mostly below -0.0053, with 0.01 to 0.42. Both must be bad before a hypothesis is thrown away.
_DOUBTFUL_SCORE, _DOUBTFUL_CONFIDENCE = -0.0052, 0.42
_DOUBTFUL_PART = -0.0048  # score of a hypothesis in mid-utterance, for which there is no confidence yet
_FIRST_PART = 1.2  # s of speech before which any score is luck

logger = logging.getLogger("standin.recogniser")


class _Backlog:
    """Audio that waits to be heard, bounded in bytes."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._bytes = 0
        self._room = asyncio.Event()

    async def put(self, pcm: bytes) -> None:
        while self._bytes > _UNHEARD_MAX:
            self._room.clear()
            await self._room.wait()
        self._bytes += len(pcm)
        self._queue.put_nowait(pcm)

    async def get(self, timeout: float | None) -> bytes:
        """Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            pcm = await self._queue.get()
        self._bytes -= len(pcm)
        self._room.set()
        return pcm


class _Utterance:
    """Speech that is being decoded. `start` is in seconds of the session's audio."""

    def __init__(self, key: int, start: float, ear: EarProcess) -> None:
        self.key, self.start, self.ear = key, start, ear
        self.waiting = bytearray()
        self.decoded = 0
        self.shown = ""

    @property
    def seconds(self) -> float:
        return (self.decoded + len(self.waiting)) / _BYTES_PER_SECOND

    async def decode(self) -> dict:
        pcm = bytes(self.waiting)
        self.waiting.clear()
        self.decoded += len(pcm)
        return await self.ear.ask(b"A", pcm)

    def heard(self, words: list) -> Heard:
        if not words:
            return Heard(self.key, "", self.start, self.start)
        text = " ".join(word for word, _, _ in words)
        return Heard(self.key, text, self.start + words[0][1], self.start + words[-1][2])


class SphinxRecogniser:
    """One session's voice: finds where speech begins and ends, borrows a decoder for it, and says what it hears."""

    provider = "standin-sphinx"

    def __init__(self, ears: Ears) -> None:
        self._ears = ears
        self._backlog = _Backlog()
        self._endpointer = Endpointer(sample_rate=RATE)
        self._offset = 0.0  # s of audio before this endpointer's time 0
        self._frames = 0
        self._rest = b""
        self._utterance: _Utterance | None = None
        self._next_key = 0
        self._mean = ""
        self._changed: dict[int, Heard] = {}
        self._task = asyncio.create_task(self._work())

    async def feed(self, pcm: bytes) -> None:
        await self._backlog.put(pcm)

    def take(self) -> list[Heard]:
        heard, self._changed = [self._changed[key] for key in sorted(self._changed)], {}
        return heard

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._utterance is not None:
            self._ears.give_back(self._utterance.ear, in_utterance=True)
            self._utterance = None

    async def _work(self) -> None:
        while True:
            try:
                await self._listen(await self._backlog.get(_SILENCE_WITHOUT_AUDIO if self._utterance else None))
            except TimeoutError:
                await self._end_of_audio()
            except ServiceError as error:
                logger.error("An utterance is lost: %s", error)
                self._drop()

    async def _listen(self, pcm: bytes) -> None:
        data = self._rest + pcm
        size = self._endpointer.frame_bytes
        whole = len(data) - len(data) % size
        self._rest = data[whole:]
        for at in range(0, whole, size):
            self._frames += 1
            speech = self._endpointer.process(data[at : at + size])
            if speech is not None:
                await self._speech(speech, self._offset + self._endpointer.speech_start)
                if not self._endpointer.in_speech:
                    await self._end()

    async def _speech(self, speech: bytes, start: float) -> None:
        if self._utterance is None:
            await self._begin(start)
        utterance = self._utterance
        utterance.waiting += speech
        if len(utterance.waiting) < _BATCH:
            return
        answer = await utterance.decode()
        if answer["score"] > _DOUBTFUL_PART and utterance.seconds >= _FIRST_PART:
            # The last word of a hypothesis still changes with every sound, unless a pause has followed it.
            self._show(utterance, answer["words"] if answer["pause"] else answer["words"][:-1])
        if utterance.seconds > _TOO_LONG or (utterance.seconds > _LONG and answer["pause"]):
            end = utterance.start + utterance.seconds
            await self._end()
            await self._begin(end)

    async def _begin(self, start: float) -> None:
        ear = await self._ears.lend()
        self._utterance = _Utterance(self._next_key, start, ear)
        self._next_key += 1
        await ear.ask(b"S", self._mean.encode())

    async def _end(self) -> None:
        utterance = self._utterance
        if utterance.waiting:
            await utterance.decode()
        answer = await utterance.ear.ask(b"E")
        self._utterance = None
        self._ears.give_back(utterance.ear)
        self._mean = answer["mean"]
        doubtful = answer["score"] < _DOUBTFUL_SCORE and answer["confidence"] < _DOUBTFUL_CONFIDENCE
        words = [] if doubtful else answer["words"]
        if words or utterance.shown:
            self._changed[utterance.key] = utterance.heard(words)

    async def _end_of_audio(self) -> None:
        tail = self._endpointer.end_stream(self._rest)
        if tail is not None:
            self._utterance.waiting += tail
        self._offset += (self._frames * self._endpointer.frame_bytes + len(self._rest)) / _BYTES_PER_SECOND
        self._frames, self._rest = 0, b""
        self._endpointer = Endpointer(sample_rate=RATE)
        await self._end()

    def _show(self, utterance: _Utterance, words: list) -> None:
        heard = utterance.heard(words)
        if heard.text and heard.text != utterance.shown:
            utterance.shown = heard.text
            self._changed[utterance.key] = heard

    def _drop(self) -> None:
        if self._utterance is not None:
            self._ears.give_back(self._utterance.ear, in_utterance=True)
            self._utterance = None
