"""The bundled tapes as they are sent, and tapes of files."""

import hashlib
from importlib.resources import files

import numpy as np
import pytest
import soundfile

from e2e.audio.codec import SAMPLE_RATE, decode_pcm16
from e2e.audio.library import load_tape, tape_names
from e2e.audio.speech import load_clips
from e2e.audio.tape import join_texts
from e2e.errors import AudioError


@pytest.fixture(scope="module")
def podcast():
    return load_tape("podcast")


def level(samples):
    """RMS, dBFS."""
    return 10 * np.log10(np.mean(samples.astype(np.float64) ** 2) + 1e-12)


def audio(tape):
    return decode_pcm16(b"".join(tape.chunks))


def between(samples, begin, end):
    return samples[round(begin * SAMPLE_RATE) : round(end * SAMPLE_RATE)]


def test_the_bundle_is_small_and_holds_three_voices():
    size = sum(len(entry.read_bytes()) for entry in (files("e2e.audio") / "speech").iterdir())
    assert size < 3_000_000
    clips = load_clips()
    assert {clip.speaker for clip in clips} == {"slt", "rms", "awb"}
    assert sum(clip.speech_seconds for clip in clips) > 240
    assert len({clip.text for clip in clips}) == len({clip.id for clip in clips}) == len(clips)
    assert all(0 <= clip.onset < clip.end <= len(clip.samples) / SAMPLE_RATE for clip in clips)


def test_the_podcast_is_the_five_minute_run(podcast):
    assert len(podcast.chunks) == 3000
    assert {len(chunk) for chunk in podcast.chunks} == {3200}
    assert (podcast.duration, podcast.sample_rate, podcast.codec) == (pytest.approx(300), 16_000, "pcm16")
    assert "five-minute" in podcast.description and "3 voices" in podcast.description


def test_the_podcast_is_the_same_each_time(podcast):
    again = load_tape("podcast")
    digest = [hashlib.sha256(b"".join(tape.chunks)).hexdigest() for tape in (podcast, again)]
    assert digest[0] == digest[1]
    assert again.utterances == podcast.utterances


def test_the_podcast_says_every_utterance_once_in_turns(podcast):
    assert [(u.speaker, u.text) for u in podcast.utterances] == [(c.speaker, c.text) for c in load_clips()]
    assert podcast.reference == join_texts(podcast.utterances)
    pauses = [b.onset - a.end for a, b in zip(podcast.utterances, podcast.utterances[1:], strict=False)]
    assert min(pauses) >= 0.29 and max(pauses) <= 1.2
    assert podcast.utterances[0].onset < 1.0 and podcast.utterances[-1].end < 300


@pytest.mark.parametrize("name", ["podcast", "speech"])
def test_onset_and_end_lie_where_the_energy_is(name):
    tape = load_tape(name)
    samples = audio(tape)
    for utterance in tape.utterances:
        assert level(between(samples, utterance.onset, utterance.end)) > -26
        # Speech may begin and end softly, but it does so at once.
        assert level(between(samples, utterance.onset, utterance.onset + 0.06)) > -58
        assert level(between(samples, utterance.end - 0.06, utterance.end)) > -58
        assert level(between(samples, utterance.onset - 0.15, utterance.onset - 0.05)) < -55
        assert level(between(samples, utterance.end + 0.05, utterance.end + 0.15)) < -55


def test_the_room_of_the_podcast_is_not_digitally_silent(podcast):
    pause = between(audio(podcast), 0.1, 0.3)
    assert level(pause) == pytest.approx(-60, abs=1)


def test_the_start_of_the_podcast_serves_short_runs(podcast):
    """30 chunks hold a whole sentence; 150 hold several, and do not stop in the middle of a word."""
    assert len(podcast.take(30).reference.split()) >= 4
    smoke = podcast.take(150)
    assert len(smoke.utterances) >= 4
    following = podcast.utterances[len(smoke.utterances)]
    assert following.onset > 14.9


def test_speech_is_one_utterance_after_another():
    tape = load_tape("speech")
    pauses = [b.onset - a.end for a, b in zip(tape.utterances, tape.utterances[1:], strict=False)]
    assert pauses == pytest.approx([0.6] * len(pauses), abs=0.001)
    assert tape.reference == join_texts(tape.utterances)


def test_silence_and_tone_last_as_long_as_the_podcast():
    silence, tone = load_tape("silence"), load_tape("tone")
    assert len(silence.chunks) == len(tone.chunks) == 3000
    assert not any(map(any, silence.chunks[:10])) and silence.reference == ""
    spectrum = np.abs(np.fft.rfft(audio(tone)[:SAMPLE_RATE]))
    assert np.argmax(spectrum) == 440
    assert len(load_tape("tone", chunks=4000).chunks) == 4000


def test_chunks_and_codec_are_chosen_by_the_caller():
    tape = load_tape("tone", codec="linear16", chunk_ms=128, chunks=7)
    assert (tape.codec, tape.chunk_bytes, len(tape.chunks)) == ("linear16", 4096, 7)
    assert tape.duration == pytest.approx(0.896)


@pytest.mark.parametrize("as_text", [True, False])
def test_a_file_and_its_reference(tmp_path, as_text):
    path = tmp_path / "talk.flac"
    soundfile.write(path, np.zeros((22_050, 2)), 44_100)
    (tmp_path / "talk.flac.txt").write_text("what is said")
    tape = load_tape(str(path) if as_text else path)
    assert (tape.name, len(tape.chunks), tape.reference) == ("talk.flac", 5, "what is said")
    assert tape.utterances == () and "0.5 s, with reference" in tape.description
    assert load_tape(path, chunks=4).reference is None
    assert load_tape(path, chunks=10).reference == "what is said what is said"


def test_a_bundled_name_wins_over_a_file_unless_it_is_written_as_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    soundfile.write("tone", np.zeros(1600), 16_000, format="WAV")
    assert len(load_tape("tone").chunks) == 3000
    assert len(load_tape("./tone").chunks) == 1


def test_an_unknown_name_gets_the_nearest_one_and_the_list():
    with pytest.raises(AudioError, match="Did you mean 'podcast'") as caught:
        load_tape("podcst")
    assert ", ".join(tape_names()) in str(caught.value)
    with pytest.raises(AudioError) as caught:
        load_tape("recordings/x.wav")
    assert "Did you mean" not in str(caught.value)


def test_a_codec_that_is_not_there_is_refused_before_anything_is_read():
    with pytest.raises(AudioError, match="'opus' cannot be encoded yet"):
        load_tape("/nowhere.wav", codec="opus")
