"""The audio of a run: loaded once, shared by all devices, and described in the journal."""

import asyncio
from dataclasses import replace

from e2e.audio.envelope import Envelope, envelope
from e2e.audio.library import load_tape
from e2e.audio.tape import Tape
from e2e.clients.framing import FramedTape
from e2e.engine.options import Options
from e2e.record.journal import Journal


class Tapes:
    """Loads tapes for the sessions. What the command line says (`--audio`, `--chunks`, `--duration`) wins."""

    def __init__(self, journal: Journal, options: Options) -> None:
        self._journal = journal
        self._options = options
        self._whole: dict[tuple[str, str], Tape] = {}
        self._tapes: dict[tuple[str | Tape, str, int | None], FramedTape] = {}
        self._loading = asyncio.Lock()

    async def load(self, audio: str | Tape, codec: str, chunks: int | None) -> FramedTape:
        """A tape as it is, or the one of that name (or path) and codec, cut or repeated to `chunks`, ready to be sent.

        Raises:
            AudioError: there is no such audio.
        """
        key = (audio if isinstance(audio, Tape) else self._options.audio or audio, codec, chunks)
        async with self._loading:
            if key not in self._tapes:
                # Decoding takes long enough to make every stream late, so it does not happen on the event loop.
                # One name in the journal means one audio: another cut gets a name of its own.
                taken = sum(not isinstance(known, Tape) for known, _, _ in self._tapes)
                suffix = f"#{taken + 1}" if taken else ""
                self._tapes[key] = await asyncio.to_thread(self._prepare, *key, suffix)
                tape = self._tapes[key].tape
                self._describe(tape, await asyncio.to_thread(envelope, tape))
        return self._tapes[key]

    def _prepare(self, audio: str | Tape, codec: str, chunks: int | None, suffix: str) -> FramedTape:
        options, tape = self._options, self._read(audio, codec)
        if isinstance(audio, Tape):
            return FramedTape.of(tape if chunks is None else tape.take(chunks), options.mask_per_send)
        if options.duration is not None:
            chunks = max(1, round(options.duration / tape.chunk_seconds))
        chunks = options.chunks or chunks
        tape = tape if chunks is None else tape.take(chunks)
        return FramedTape.of(replace(tape, name=tape.name + suffix), options.mask_per_send)

    def _read(self, audio: str | Tape, codec: str) -> Tape:
        if isinstance(audio, Tape):
            return audio
        if (audio, codec) not in self._whole:
            self._whole[audio, codec] = load_tape(audio, codec=codec)
        return self._whole[audio, codec]

    def _describe(self, tape: Tape, looks: Envelope | None) -> None:
        self._journal.write(
            "tape",
            name=tape.name,
            description=tape.description,
            codec=tape.codec,
            sample_rate=tape.sample_rate,
            chunk_ms=round(tape.chunk_seconds * 1000, 3),
            chunks=len(tape.chunks),
            seconds=round(tape.duration, 3),
            reference=tape.reference,
            utterances=[
                {"speaker": u.speaker, "text": u.text, "onset": round(u.onset, 3), "end": round(u.end, 3)}
                for u in tape.utterances
            ],
            partial=None if tape.partial is None else [round(seconds, 3) for seconds in tape.partial],
            envelope=looks,
        )
