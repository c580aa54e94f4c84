"""Which addresses a run may connect to, and how it trusts them."""

import functools
import ipaddress
import ssl
from urllib.parse import urlsplit

from e2e.errors import ConfigError


def checked_address(url: str, allowed_hosts: frozenset[str] = frozenset()) -> tuple[str, int, bool]:
    """Host, port and whether TLS is used, of an http(s) or ws(s) URL that may be connected to.

    Loopback is always allowed, any other host only when `allowed_hosts` names it.

    Raises:
        ConfigError: not such a URL, credentials inside it, or a host that is not allowed.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"not a URL: {url!r} ({error})") from error
    if parts.username or parts.password:
        raise ConfigError("credentials inside a URL are refused: name environment variables under `auth` instead")
    if parts.scheme not in ("http", "https", "ws", "wss") or not parts.hostname:
        raise ConfigError(f"not a URL of a service: {url!r}; it looks like http://127.0.0.1:10220")
    host, secure = parts.hostname, parts.scheme in ("https", "wss")
    if not is_loopback(host) and host not in allowed_hosts:
        raise ConfigError(
            f"{host} is not loopback and the target does not allow it: "
            f'add hosts = ["{host}"] to the target when you may put load on it'
        )
    return host, port or (443 if secure else 80), secure


@functools.cache
def tls_context() -> ssl.SSLContext:
    """Made once: reading the certificates of the system takes longer than a handshake, and holds up all streams."""
    return ssl.create_default_context()


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
