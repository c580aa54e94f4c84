"""Samples to bytes and back, for every codec name that is plain PCM on the wire.

In the service's vocabulary `pcm8`, `pcm16` and `linear16` are one format: linear, signed, 16-bit little-endian.
The 8 and the 16 name kilohertz, but it is the `sample_rate` parameter that decides; we always send 16 kHz.

Samples are mono float arrays, 1.0 being full scale. Needs numpy alone.
"""

import numpy as np

from e2e.errors import AudioError

SAMPLE_RATE = 16_000
"""Hz, of everything that is sent."""

SAMPLE_BYTES = 2
"""Bytes of one PCM16 sample."""

PCM_CODECS = ("pcm16", "linear16", "pcm8")
"""Names of linear 16-bit little-endian audio, the usual one first."""

# libsndfile's scale: a PCM16 file that is read, sent and decoded again keeps every bit.
_FULL_SCALE = 32_768.0


def encode_pcm16(samples: np.ndarray) -> bytes:
    """Quantise samples of shape (n,) to 2n bytes. Beyond full scale they are clipped, never wrapped; NaN is silence."""
    within = np.clip(np.nan_to_num(samples, nan=0.0), -1.0, 1.0)
    return np.minimum(np.rint(within * _FULL_SCALE), _FULL_SCALE - 1).astype("<i2").tobytes()


def decode_pcm16(data: bytes | bytearray | memoryview) -> np.ndarray:
    """Samples as float32 of shape (len(data) / 2,), within -1.0 .. 1.0.

    Raises AudioError for an odd number of bytes: half a sample means that the stream is not PCM16, or was cut.
    """
    if len(data) % SAMPLE_BYTES:
        raise AudioError(f"{len(data)} bytes are not whole 16-bit samples: send PCM16 in chunks of an even size.")
    return np.frombuffer(data, dtype="<i2").astype(np.float32) / np.float32(_FULL_SCALE)


def require_codec(codec: str) -> str:
    """The codec's name, if it can be encoded here. Raises AudioError, naming what is supported, if it cannot."""
    if codec not in PCM_CODECS:
        raise AudioError(f"Codec {codec!r} cannot be encoded yet: use one of {', '.join(PCM_CODECS)}.")
    return codec


def encode(samples: np.ndarray, codec: str) -> bytes:
    """Encode samples of shape (n,) as `codec`. Raises AudioError for a codec that is not supported."""
    require_codec(codec)
    return encode_pcm16(samples)


def decode(data: bytes | bytearray | memoryview, codec: str) -> np.ndarray:
    """Inverse of `encode`. Raises AudioError for a codec that is not supported, or for half a sample."""
    require_codec(codec)
    return decode_pcm16(data)
