"""The opening handshake of a WebSocket client: the request, and a strict check of the answer that accepts it.

Only the answer that takes the upgrade without any surprise is judged here. Every other one (a refusal, an extension, a
header twice) is left to `websockets`, which knows all the rules.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from e2e import __version__

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3

MAX_ANSWER_BYTES = 32 * 1024
MAX_LINE_BYTES = 8190
MAX_HEADERS = 100

_STATUS = re.compile(rb"HTTP/1\.1 101 [\t\x20-\x7e]{0,1000}")
# RFC 9110: a field name is a token, its value visible ASCII, spaces and tabs, here without those around it.
_TOKEN = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_HEADER = re.compile(rb"(" + _TOKEN.pattern + rb"):[ \t]*((?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?)[ \t]*")


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
    lines = answer.removesuffix(b"\r\n\r\n").split(b"\r\n")
    if len(lines) > MAX_HEADERS or not _STATUS.fullmatch(lines[0]):
        return False
    headers: dict[bytes, bytes] = {}
    for line in lines[1:]:
        header = _HEADER.fullmatch(line)
        if header is None or len(line) > MAX_LINE_BYTES or (name := header[1].lower()) in headers:
            return False
        headers[name] = header[2]
    connection = [word.strip(b" \t") for word in headers.get(b"connection", b"").lower().split(b",")]
    expected = base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest())
    return (
        headers.get(b"upgrade", b"").lower() == b"websocket"
        and b"upgrade" in connection
        and all(map(_TOKEN.fullmatch, connection))
        and headers.get(b"sec-websocket-accept") == expected
        and b"sec-websocket-extensions" not in headers
        and b"sec-websocket-protocol" not in headers
    )
