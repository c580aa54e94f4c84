"""Tapes: the command line wins, each is loaded once, and a name in the journal means one audio."""

import asyncio
import wave

import numpy as np
import pytest

from e2e.audio.envelope import envelope
from e2e.audio.library import load_tape
from e2e.engine import tapes as tapes_module
from e2e.engine.options import Options
from e2e.engine.tapes import Tapes
from e2e.errors import AudioError
from e2e.record.journal import Journal, read_journal
from e2e.verdict.transcript import Tape


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal.jsonl", lambda: 0.0) as journal:
        yield journal


@pytest.fixture
def beep(tmp_path):
    """Half a second of noise as a file, with its text beside it."""
    path = tmp_path / "beep.wav"
    samples = np.random.default_rng(1).normal(0, 3000, 8000).astype("<i2")
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 16000, 0, "NONE", ""))
        sound.writeframes(samples.tobytes())
    path.with_name("beep.wav.txt").write_text("beep beep")
    return str(path)


def described(journal):
    journal.flush()
    return [r for r in read_journal(journal.path) if r["type"] == "tape"]


async def test_a_tape_is_described_once_however_often_it_is_used(journal, beep):
    tapes = Tapes(journal, Options())
    loaded = await asyncio.gather(*(tapes.load(beep, "pcm16", None) for _ in range(5)))
    assert len({id(tape) for tape in loaded}) == 1
    (record,) = described(journal)
    assert (record["name"], record["chunks"], record["seconds"]) == ("beep.wav", 5, 0.5)
    assert (record["codec"], record["sample_rate"], record["chunk_ms"]) == ("pcm16", 16000, 100.0)
    assert record["reference"] == "beep beep"


async def test_the_audio_is_read_once_for_all_its_cuts(journal, beep, monkeypatch):
    read: list[str] = []
    load = tapes_module.load_tape
    monkeypatch.setattr(tapes_module, "load_tape", lambda name, codec: read.append(name) or load(name, codec=codec))
    tapes = Tapes(journal, Options())
    for chunks in (None, 3, 9, 3):
        await tapes.load(beep, "pcm16", chunks)
    assert read == [beep]


async def test_another_cut_gets_a_name_of_its_own(journal, beep):
    tapes = Tapes(journal, Options())
    whole, cut, again = [(await tapes.load(beep, "pcm16", chunks)).tape for chunks in (None, 3, 12)]
    assert [len(tape.chunks) for tape in (whole, cut, again)] == [5, 3, 12]
    names = [record["name"] for record in described(journal)]
    assert names == [whole.name, cut.name, again.name] == ["beep.wav", "beep.wav#2", "beep.wav#3"]


@pytest.mark.parametrize(
    ("options", "chunks"),
    (
        ({}, 4),
        ({"chunks": 2}, 2),
        ({"duration": 0.3}, 3),
        ({"duration": 0.01}, 1),
        ({"duration": 2.0}, 20),
    ),
)
async def test_the_command_line_says_how_much_is_played(journal, beep, options, chunks):
    tape = (await Tapes(journal, Options(**options)).load(beep, "pcm16", 4)).tape
    assert len(tape.chunks) == chunks


async def test_the_command_line_says_what_is_played(journal, beep):
    tapes = Tapes(journal, Options(audio=beep))
    assert (await tapes.load("podcast", "pcm16", 2)).tape.name == "beep.wav"
    assert [record["name"] for record in described(journal)] == ["beep.wav"]


async def test_utterances_are_described_with_their_times(journal):
    tape = (await Tapes(journal, Options()).load("podcast", "pcm16", 150)).tape
    (record,) = described(journal)
    assert record["utterances"] and len(record["utterances"]) == len(tape.utterances)
    assert all(0 <= u["onset"] < u["end"] <= 15.0 and u["text"] for u in record["utterances"])
    assert record["reference"] == " ".join(u["text"] for u in record["utterances"])


async def test_audio_that_is_not_there_is_an_error_and_nothing_is_described(journal):
    tapes = Tapes(journal, Options())
    with pytest.raises(AudioError, match="podcast"):
        await tapes.load("podcats", "pcm16", None)
    assert described(journal) == []


async def test_loading_does_not_stop_the_event_loop(journal):
    """Decoding five minutes of speech takes long enough to make every stream late."""
    loading = asyncio.create_task(Tapes(journal, Options()).load("podcast", "pcm16", None))
    turns = 0
    while not loading.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 10 and len((await loading).tape.chunks) == 3000


async def test_a_tape_of_the_script_is_played_as_it_is(journal, beep):
    tapes = Tapes(journal, Options(audio=beep, chunks=2))
    own = load_tape("tone", chunks=7)
    assert (await tapes.load(own, "pcm16", None)).tape == own
    assert len((await tapes.load(own, "pcm16", 3)).tape.chunks) == 3


@pytest.mark.parametrize("per_send", [False, True])
async def test_frames_are_shared_or_masked_anew_as_asked_for(journal, beep, per_send):
    framed = await Tapes(journal, Options(mask_per_send=per_send)).load(beep, "pcm16", None)
    first, again = framed.frame(0), framed.frame(0)
    assert (first is again) != per_send and (first[4:8] == again[4:8]) != per_send
    assert first[:4] == b"\x82\xfe" + (3200).to_bytes(2, "big") and first[4:8] != bytes(4)
    unmasked = bytes(b ^ first[4 + i % 4] for i, b in enumerate(first[8:]))
    assert unmasked == framed.tape.chunks[0]
    keys = {framed.frame(k)[4:8] for k in range(len(framed.tape.chunks))}
    assert len(keys) == len(framed.tape.chunks)


async def test_a_tape_that_is_repeated_is_framed_once(journal, beep):
    framed = await Tapes(journal, Options()).load(beep, "pcm16", 500)
    assert len({id(framed.frame(k)) for k in range(500)}) == 5 and framed.frame(499) is framed.frame(4)


async def test_the_reference_of_hours_is_whole_in_the_journal(journal):
    """Records are cut at 64 KiB; a reference that was cut would count as words that nobody heard."""
    tape = load_tape("podcast").take(3000 * 8 + 42)
    record = Tape.from_record(described_after(journal, tape))
    assert record.said(len(tape.chunks)) == tape.reference and len(record.utterances) == 88 * 8 + 1
    assert record.partial == pytest.approx(tape.partial, abs=0.001) and record.partial[1] == 2404.2


def described_after(journal, tape):
    Tapes(journal, Options())._describe(tape, envelope(tape))
    (record,) = described(journal)
    return record
