"""Audio as WebSocket frames: built once a tape, shared by every device that plays it.

RFC 6455 section 5.3 asks for a fresh mask key for each frame. Here each chunk of a tape gets a key from a secure random
source once, and all devices send those same bytes; `--mask per-send` builds each frame anew when it is sent.
`docs/performance.md` says what that means.
"""

from collections.abc import Callable
from dataclasses import dataclass

from websockets.frames import Frame, Opcode

from e2e.audio.tape import Tape


def binary_frame(payload: bytes) -> bytes:
    """A whole binary message as a client sends it: one frame, masked with a fresh key."""
    return Frame(Opcode.BINARY, payload).serialize(mask=True)


def text_frame(text: str) -> bytes:
    """A whole text message as a client sends it: one frame, masked with a fresh key."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=True)


@dataclass(frozen=True, slots=True)
class FramedTape:
    """A tape and `frame(k)`, the WebSocket frame of its chunk k."""

    tape: Tape
    frame: Callable[[int], bytes]

    @classmethod
    def of(cls, tape: Tape, mask_per_send: bool = False) -> "FramedTape":
        if mask_per_send:
            return cls(tape, lambda k: binary_frame(tape.chunks[k]))
        # A tape that is played again and again holds the same chunks: each of them is framed once.
        frames = {id(chunk): binary_frame(chunk) for chunk in {id(chunk): chunk for chunk in tape.chunks}.values()}
        return cls(tape, tuple(frames[id(chunk)] for chunk in tape.chunks).__getitem__)
