"""PCM16 on the wire, and what importing the codec drags in."""

import subprocess
import sys

import numpy as np
import pytest

from e2e.audio import codec
from e2e.errors import AudioError


def test_little_endian_and_clipped():
    samples = np.array([0.0, 0.5, -0.5, 1.0, -1.0, 7.0, -7.0, np.nan, np.inf])
    assert (
        codec.encode_pcm16(samples)
        == np.array([0, 16384, -16384, 32767, -32768, 32767, -32768, 0, 32767], dtype="<i2").tobytes()
    )
    assert codec.encode_pcm16(np.array([1 / 32768])) == b"\x01\x00"


def test_every_16_bit_value_survives_the_way_there_and_back():
    data = np.arange(-32768, 32768).astype("<i2").tobytes()
    samples = codec.decode_pcm16(data)
    assert samples.dtype == np.float32 and samples.min() == -1.0 and samples.max() < 1.0
    assert codec.encode_pcm16(samples) == data


def test_decode_takes_any_buffer_and_leaves_it_alone():
    for data in (b"\x00\x40", bytearray(b"\x00\x40"), memoryview(b"\x00\x40")):
        assert codec.decode_pcm16(data).tolist() == [0.5]
    assert codec.decode_pcm16(b"").shape == (0,)


def test_half_a_sample_is_refused():
    with pytest.raises(AudioError, match="3 bytes are not whole 16-bit samples"):
        codec.decode_pcm16(b"abc")


@pytest.mark.parametrize("name", ["pcm8", "pcm16", "linear16"])
def test_all_pcm_names_are_one_format(name):
    samples = np.linspace(-1, 1, 50)
    assert codec.encode(samples, name) == codec.encode_pcm16(samples)
    np.testing.assert_array_equal(
        codec.decode(codec.encode(samples, name), name), codec.decode_pcm16(codec.encode_pcm16(samples))
    )


@pytest.mark.parametrize("name", ["opus", "aac", "lc3_fs1030", "PCM16", ""])
def test_other_codecs_are_refused_with_the_list(name):
    for call in (codec.require_codec, lambda c: codec.encode(np.zeros(1), c), lambda c: codec.decode(b"", c)):
        with pytest.raises(AudioError, match="use one of pcm16, linear16, pcm8"):
            call(name)


def test_the_codec_needs_numpy_alone():
    """Whoever is tested with the bundled speech imports this module, and must not get at the reference texts."""
    script = (
        "import sys, e2e.audio.codec;"
        "seen = [m for m in sys.modules if m.split('.')[0] in ('soundfile', 'soxr') or m.startswith('e2e.audio.')];"
        "print(seen)"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "['e2e.audio.codec']"
