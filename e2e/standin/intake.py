"""From the binary messages of a session to the PCM16 at 16 kHz that recognisers and the pusher get."""

from collections.abc import Callable

import numpy as np

from e2e.standin.recogniser import RATE

Intake = Callable[[bytes], bytes]

_UNDECODABLE = ("opus", "opus_fs320", "aac", "lc3_fs1030")


def intake(codec: str, sample_rate: int) -> Intake:
    """The decoder of one session. It raises ValueError for a chunk that it cannot decode.

    Raises:
        ValueError: this codec or rate breaks the session itself, as a decoder does that refuses its parameters.
    """
    if codec == "lc3" or not 4_000 <= sample_rate <= 192_000:
        raise ValueError(f"decoder refused codec={codec} sample_rate={sample_rate}")
    if codec in _UNDECODABLE:
        return _refuse(codec)
    return _Linear(sample_rate)


def _refuse(codec: str) -> Intake:
    def undecodable(chunk: bytes) -> bytes:
        raise ValueError(f"cannot decode {len(chunk)} bytes as {codec}")

    return undecodable


class _Linear:
    """PCM16 of any rate, interpolated to 16 kHz where it has another one. Half a sample waits for its other half."""

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._rest = b""

    def __call__(self, chunk: bytes) -> bytes:
        if self._rate == RATE and not self._rest and not len(chunk) % 2:
            return chunk
        data = self._rest + chunk
        whole = len(data) - len(data) % 2
        self._rest = data[whole:]
        if self._rate == RATE:
            return data[:whole]
        samples = np.frombuffer(data, dtype="<i2", count=whole // 2)
        if not len(samples):
            return b""
        wanted = round(len(samples) * RATE / self._rate)
        at = np.arange(wanted) * (self._rate / RATE)
        return np.interp(at, np.arange(len(samples)), samples).astype("<i2").tobytes()
