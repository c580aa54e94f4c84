"""Photos that a device sends, and a picture for those who have none."""

import struct
import zlib
from dataclasses import dataclass


@dataclass(slots=True)
class Photo:
    """What the service has said of it so far: the id that it gave it, then the description."""

    photo_id: str | None = None
    description: str | None = None
    discarded: bool | None = None


def sample_image(width: int = 64, height: int = 48) -> bytes:
    """A PNG that fades from dark to light (https://www.w3.org/TR/png-3/)."""
    row = bytes(x * 255 // max(1, width - 1) for x in range(width))
    pixels = zlib.compress((b"\0" + row) * height)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_part(name, data) for name, data in parts)


def _part(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
