"""The opening handshake of a WebSocket client: the request, and a strict check of the answer that accepts it.

Only the answer that takes the upgrade without any surprise is judged here. Every other one (a refusal, an extension, a
header twice) is left to `websockets`, which knows all the rules.
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from e2e import __version__

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3

MAX_ANSWER_BYTES = 32 * 1024


def new_key() -> str:
    """A fresh Sec-WebSocket-Key."""
    return base64.b64encode(secrets.token_bytes(16)).decode()


def request(url: str, key: str, headers: Mapping[str, str]) -> bytes:
    """The upgrade request. Nothing is offered: no extension, no subprotocol.

    Raises:
        ValueError: a header holds a line break or what is not Latin-1.
    """
    parts = urlsplit(url)
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    default = {"ws": 80, "wss": 443}.get(parts.scheme)
    lines = [
        f"GET {resource} HTTP/1.1",
        f"Host: {host}" if parts.port in (None, default) else f"Host: {host}:{parts.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        f"User-Agent: e2e/{__version__}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a header of the upgrade request holds a line break")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def accepts(answer: bytes, key: str) -> bool:
    """Whether a whole answer (up to and with its empty line) takes the upgrade, exactly as we asked for it."""
    try:
        status, *lines = answer.decode("ascii").removesuffix("\r\n\r\n").split("\r\n")
    except UnicodeDecodeError:
        return False
    if not status.startswith("HTTP/1.1 101 "):
        return False
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.lower()
        if not colon or not name.isprintable() or " " in name or name in headers or "\n" in line or "\r" in line:
            return False
        headers[name] = value.strip(" \t")
    expected = base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()
    return (
        headers.get("upgrade", "").lower() == "websocket"
        and "upgrade" in [word.strip().lower() for word in headers.get("connection", "").split(",")]
        and headers.get("sec-websocket-accept") == expected
        and "sec-websocket-extensions" not in headers
        and "sec-websocket-protocol" not in headers
    )
