"""Reading real files of several kinds, rates and channel counts."""

import numpy as np
import pytest
import soundfile

from e2e.audio import source
from e2e.audio.codec import SAMPLE_RATE
from e2e.errors import AudioError

KINDS = {
    "a.wav": {"format": "WAV", "subtype": "PCM_16"},
    "a.float.wav": {"format": "WAV", "subtype": "FLOAT"},
    "a.flac": {"format": "FLAC", "subtype": "PCM_24"},
    "a.ogg": {"format": "OGG", "subtype": "VORBIS"},
    "a.opus": {"format": "OGG", "subtype": "OPUS"},
    "a.mp3": {"format": "MP3", "subtype": "MPEG_LAYER_III"},
}


def sine(seconds, rate, frequency=440.0, level=0.5):
    return level * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def peak_frequency(samples):
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return np.argmax(spectrum) * SAMPLE_RATE / len(samples)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_file_becomes_mono_16_khz(tmp_path, kind, rate, channels):
    if kind == "a.opus" and rate == 44_100:
        pytest.skip("Opus has no 44.1 kHz")
    path = tmp_path / kind
    soundfile.write(path, np.stack([sine(1.5, rate)] * channels, axis=1), rate, **KINDS[kind])
    samples = source.read_audio(path)
    assert samples.dtype == np.float32 and samples.ndim == 1
    slack = 0.15 if kind == "a.mp3" else 0.005  # an MP3 encoder pads whole frames at both ends
    assert len(samples) / SAMPLE_RATE == pytest.approx(1.5, abs=slack)
    assert peak_frequency(samples) == pytest.approx(440, abs=1.5)
    middle = samples[SAMPLE_RATE // 2 : SAMPLE_RATE]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


def test_channels_are_mixed_equally(tmp_path):
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.array([[0.5, -0.25]] * 400 + [[0.5, -0.5]] * 400), SAMPLE_RATE, subtype="FLOAT")
    np.testing.assert_allclose(source.read_audio(path), [0.125] * 400 + [0.0] * 400, atol=1e-7)


def test_nothing_above_8_khz_folds_back(tmp_path):
    path = tmp_path / "high.wav"
    soundfile.write(path, sine(1.0, 48_000, frequency=11_000), 48_000)
    assert np.abs(source.read_audio(path)[1000:-1000]).max() < 1e-3


def test_a_long_file_is_read_in_blocks_without_seams(tmp_path):
    path = tmp_path / "long.wav"
    soundfile.write(path, sine(20.0, 44_100), 44_100, subtype="FLOAT")
    samples = source.read_audio(path)
    assert len(samples) == 20 * SAMPLE_RATE
    np.testing.assert_allclose(samples[1000:-1000], sine(20.0, SAMPLE_RATE)[1000:-1000], atol=1e-4)


def test_values_that_are_not_finite_do_not_spread(tmp_path):
    path = tmp_path / "nan.wav"
    wave = sine(1.0, 48_000)
    wave[1000] = np.nan
    soundfile.write(path, wave, 48_000, subtype="FLOAT")
    assert np.isfinite(source.read_audio(path)).all()


def test_a_missing_file_is_named_with_the_folder(tmp_path):
    with pytest.raises(AudioError, match=r"No audio file at .*gone\.wav: check the path"):
        source.read_audio(tmp_path / "gone.wav")


@pytest.mark.parametrize("name", ["noise.wav", "noise.mp3", "noise.ogg", "noise.raw", "noise"])
def test_what_is_not_audio_is_refused_in_one_sentence(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(bytes(range(256)) * 8)
    with pytest.raises(
        AudioError, match=r"Cannot read .*noise.* as audio \(.+\): .* convert it to WAV; WAV, FLAC"
    ) as caught:
        source.read_audio(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["a.wav", "a.ogg"])
def test_an_empty_recording_is_refused(tmp_path, kind):
    soundfile.write(tmp_path / kind, np.empty(0), 16_000, **KINDS[kind])
    with pytest.raises(AudioError, match="holds no audio"):
        source.read_audio(tmp_path / kind)


def test_an_empty_file_and_a_folder_are_refused(tmp_path):
    (tmp_path / "zero.wav").touch()
    for path in (tmp_path / "zero.wav", tmp_path):
        with pytest.raises(AudioError):
            source.read_audio(path)


def test_the_reference_text_stands_beside_the_file(tmp_path):
    path = tmp_path / "talk.wav"
    assert source.read_reference(path) is None
    (tmp_path / "talk.txt").write_text("by stem\n")
    assert source.read_reference(path) == "by stem"
    (tmp_path / "talk.wav.txt").write_text("\ufeffby  full\nname ", encoding="utf-8")
    assert source.read_reference(path) == "by full name"


def test_a_reference_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "talk.wav.txt").write_bytes("naïve".encode("latin-1"))
    with pytest.raises(AudioError, match="save it as UTF-8"):
        source.read_reference(tmp_path / "talk.wav")


def test_generators():
    assert len(source.silence(1.25)) == 20_000 and not source.silence(1.25).any()
    tone = source.tone(2.0)
    assert peak_frequency(tone) == pytest.approx(440, abs=0.6)
    assert 20 * np.log10(np.abs(tone).max()) == pytest.approx(-12, abs=0.01)
