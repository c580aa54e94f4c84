"""Audio as WebSocket frames: built once a tape, shared by every device that plays it.

RFC 6455 section 5.3 asks for a fresh mask key for each frame. Here each chunk of a tape gets a key from a secure random
source once, and all devices send those same bytes; `--mask per-send` builds each frame anew when it is sent.
`docs/performance.md` says what that means.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from websockets.frames import Frame, Opcode

from e2e.audio.tape import Tape


def binary_frame(payload: bytes) -> bytes:
    """A whole binary message as a client sends it: one frame, masked with a fresh key."""
    return Frame(Opcode.BINARY, payload).serialize(mask=True)


def text_frame(text: str) -> bytes:
    """A whole text message as a client sends it: one frame, masked with a fresh key."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=True)


class Frames:
    """Frames that are built already: `whole[k]` is the one of piece k, `sizes[k]` bytes at `addresses[k]` in memory."""

    __slots__ = ("addresses", "sizes", "whole")

    def __init__(self, payloads: Sequence[bytes]) -> None:
        # A tape that is played again and again holds the same chunks: each of them is framed once.
        built = {id(payload): payload for payload in payloads}
        frames = {key: binary_frame(payload) for key, payload in built.items()}
        places = {key: ctypes.cast(ctypes.c_char_p(frame), ctypes.c_void_p).value for key, frame in frames.items()}
        self.whole = tuple(frames[id(payload)] for payload in payloads)
        self.sizes = np.array([len(frame) for frame in self.whole], np.uint32)
        self.addresses = np.array([places[id(payload)] for payload in payloads], np.uint64)


@dataclass(frozen=True, slots=True)
class FramedTape:
    """A tape and its frames; None where each frame is masked when it is sent."""

    tape: Tape
    frames: Frames | None

    @classmethod
    def of(cls, tape: Tape, mask_per_send: bool = False) -> "FramedTape":
        return cls(tape, None if mask_per_send else Frames(tape.chunks))

    def frame(self, k: int) -> bytes:
        """The frame of chunk k."""
        return self.frames.whole[k] if self.frames is not None else binary_frame(self.tape.chunks[k])
