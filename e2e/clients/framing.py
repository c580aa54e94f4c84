"""Audio as WebSocket frames: built once a tape, shared by every device that plays it.

RFC 6455 section 5.3 asks for a fresh mask key for each frame. Here each chunk of a tape gets a key from a secure random
source once, and all devices send those same bytes; `--mask per-send` builds each frame anew when it is sent.
`docs/performance.md` says what that means.
"""

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
    """A tape with the frame of each of its chunks; `frames` is None where each is to be masked when it is sent."""

    tape: Tape
    frames: tuple[bytes, ...] | None

    @classmethod
    def of(cls, tape: Tape, mask_per_send: bool = False) -> "FramedTape":
        return cls(tape, None if mask_per_send else tuple(map(binary_frame, tape.chunks)))
