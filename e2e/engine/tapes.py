"""The audio of a run: loaded once, shared by all devices, and described in the journal."""

import asyncio
from dataclasses import replace

from e2e.audio.library import load_tape
from e2e.audio.tape import Tape
from e2e.engine.options import Options
from e2e.record.journal import Journal


class Tapes:
    """Loads tapes for the sessions. What the command line says (`--audio`, `--chunks`, `--duration`) wins."""

    def __init__(self, journal: Journal, options: Options) -> None:
        self._journal = journal
        self._options = options
        self._whole: dict[tuple[str, str], Tape] = {}
        self._tapes: dict[tuple[str, str, int | None], Tape] = {}
        self._loading = asyncio.Lock()

    async def load(self, name: str, codec: str, chunks: int | None) -> Tape:
        """The tape of that name (or path), codec and number of chunks.

        Raises:
            AudioError: there is no such audio.
        """
        key = (self._options.audio or name, codec, chunks)
        async with self._loading:
            if key not in self._tapes:
                # Decoding takes long enough to make every stream late, so it does not happen on the event loop.
                tape = await asyncio.to_thread(self._read, *key)
                if self._tapes:  # one name in the journal means one audio: another cut gets a name of its own
                    tape = replace(tape, name=f"{tape.name}#{len(self._tapes) + 1}")
                self._tapes[key] = tape
                self._describe(tape)
        return self._tapes[key]

    def _read(self, name: str, codec: str, chunks: int | None) -> Tape:
        options = self._options
        if (name, codec) not in self._whole:
            self._whole[name, codec] = load_tape(name, codec=codec)
        tape = self._whole[name, codec]
        if options.duration is not None:
            chunks = max(1, round(options.duration / tape.chunk_seconds))
        chunks = options.chunks or chunks
        return tape if chunks is None else tape.take(chunks)

    def _describe(self, tape: Tape) -> None:
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
        )
