"""The pool of decoders: what a session leaves behind, and decoders that die, cost nobody else a word."""

import asyncio
import logging

import psutil

from e2e.cli.standin import too_many_to_hear
from e2e.errors import ServiceError
from e2e.standin.ears import MAX_EARS, Ears

SILENCE = bytes(9600)


async def test_a_decoder_outlives_what_sessions_leave_behind_and_one_that_died_is_replaced(caplog):
    ears = Ears()
    try:
        await ears.warm()
        first = await ears.lend()
        # A session is closed while its end of an utterance waits to be answered: the pool ends it once more.
        await first.ask(b"S")
        await first.ask(b"A", SILENCE)
        await asyncio.gather(first.ask(b"E"), first.ask(b"E"))
        ears.give_back(first, in_utterance=True)
        again = await ears.lend()
        assert again is first and first.alive
        await again.ask(b"S")  # nothing was said
        assert (await again.ask(b"E"))["words"] == []
        ears.give_back(again)
        assert not [r for r in caplog.records if r.name == "standin.recogniser"]

        caplog.set_level(logging.WARNING)
        psutil.Process(first.pid).kill()
        second = await asyncio.wait_for(_answering(ears), 20)
        assert second is not first and second.alive
        said = [r.levelname for r in caplog.records if r.name == "standin.recogniser"]
        assert said == ["WARNING"]
        assert "another one takes its place" in caplog.text
    finally:
        await ears.close()


async def _answering(ears: Ears):
    """Lend until one answers: that the other is dead may only be seen when it is asked."""
    while True:
        ear = await ears.lend()
        try:
            await ear.ask(b"S")
        except ServiceError:
            ears.give_back(ear, in_utterance=True)
        else:
            return ear


def test_more_devices_than_decoders_are_told_of_and_no_fewer():
    assert too_many_to_hear(MAX_EARS, "sphinx") is None and too_many_to_hear(1000, "vad") is None
    assert "--recogniser vad" in (too_many_to_hear(MAX_EARS + 1, "sphinx") or "")
