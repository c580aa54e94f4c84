"""Images that a device sends in pieces: put together, looked at, and kept in the conversation.

The stand-in has no eyes: what it says of an image is what its header says, and what is no image is discarded.
"""

import base64
import binascii
import struct
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from e2e.standin.models import Document

MAX_PIECES = 1000
MAX_CHARS = 8 * 1024 * 1024  # of one image, in base64
MAX_OPEN = 8  # images of which some pieces have come; the oldest goes

Say = Callable[[Document], Awaitable[None]]


class Photos:
    """The images of one session. `say` sends a message to the device, `keep` stores a photo in the conversation."""

    def __init__(self, say: Say, keep: Callable[[Document], None]) -> None:
        self._say, self._keep = say, keep
        self._pieces: dict[str, dict[int, str]] = {}

    async def piece(self, message: dict[str, Any]) -> None:
        """Take an `image_chunk`; the last one that was missing makes a photo. What makes no sense is ignored."""
        image_id, index, total, data = (message.get(name) for name in ("id", "index", "total", "data"))
        sane = isinstance(image_id, str) and isinstance(data, str) and type(index) is int and type(total) is int
        if not sane or not 0 <= index < total <= MAX_PIECES:
            return
        pieces = self._pieces.setdefault(image_id, {})
        pieces[index] = data
        if sum(map(len, pieces.values())) > MAX_CHARS:
            del self._pieces[image_id]
            return
        if len(self._pieces) > MAX_OPEN:
            del self._pieces[next(iter(self._pieces))]
        if len(pieces) == total:
            del self._pieces[image_id]
            await self._whole(image_id, "".join(pieces[n] for n in sorted(pieces)))

    async def _whole(self, image_id: str, text: str) -> None:
        photo_id = str(uuid4())
        await self._say({"type": "photo_processing", "temp_id": image_id, "photo_id": photo_id})
        description = _described(text)
        told = {"description": description or "no image", "discarded": description is None}
        self._keep({"id": photo_id, "base64": text, **told})
        await self._say({"type": "photo_described", "photo_id": photo_id, **told})


def _described(text: str) -> str | None:
    """What the header of an image in base64 says; None: it is none that is known."""
    try:
        image = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    if image.startswith(b"\x89PNG\r\n\x1a\n") and len(image) >= 24:
        width, height = struct.unpack(">II", image[16:24])
        return f"a PNG image, {width} by {height} pixels"
    if image.startswith(b"\xff\xd8\xff"):
        return f"a JPEG image of {len(image)} bytes"
    return None
