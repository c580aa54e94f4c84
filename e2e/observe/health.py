"""Whether a service answers, and who holds its port."""

import asyncio
import errno
import functools
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import psutil

from e2e.observe.spec import ServiceSpec

# For one step (to connect, the next bytes), and for a whole probe: an answer may drip for ever.
_TIMEOUT_SECONDS = 2.0
_PROBE_SECONDS = 5.0
_MAX_BODY = 2048


@dataclass(frozen=True, slots=True)
class Answer:
    """One probe. `error` says why it does not count as healthy; None when it does."""

    url: str
    status: int | None = None
    body: str | None = None
    error: str | None = None

    @property
    def healthy(self) -> bool:
        return self.error is None


def address(spec: ServiceSpec) -> tuple[str, int]:
    """Host and port of the service."""
    url = urlsplit(spec.url)
    return url.hostname or "127.0.0.1", url.port or (443 if url.scheme in ("https", "wss") else 80)


def client() -> httpx.AsyncClient:
    """A client that follows no redirect and no proxy: only the service itself can be healthy.

    Each probe connects anew: a kept connection that the service closes meanwhile would look like a failure.
    """
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.AsyncClient(
        timeout=_TIMEOUT_SECONDS, limits=limits, follow_redirects=False, trust_env=False, verify=_tls()
    )


@functools.cache
def _tls() -> ssl.SSLContext:
    """Made once: reading the certificates of the system would hold up every stream of a load."""
    return ssl.create_default_context()


async def probe(spec: ServiceSpec, http: httpx.AsyncClient) -> Answer:
    """Ask the service once, for 5 s at most: its health path must answer 200; without one its port must accept."""
    if spec.health is None:
        return await _probe_port(spec)
    url = spec.url.rstrip("/") + "/" + spec.health.lstrip("/")
    try:
        async with asyncio.timeout(_PROBE_SECONDS), http.stream("GET", url) as response:
            body = b""
            async for part in response.aiter_bytes():
                body += part
                if len(body) >= _MAX_BODY:
                    break
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return Answer(url, error=_reason(error))
    text = body[:_MAX_BODY].decode(errors="replace")
    status = response.status_code
    return Answer(url, status, text, None if status == 200 else f"it answered HTTP {status}")


async def _probe_port(spec: ServiceSpec) -> Answer:
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            _, writer = await asyncio.open_connection(*address(spec))
    except (OSError, TimeoutError) as error:
        return Answer(spec.url, error=_reason(error))
    writer.close()
    return Answer(spec.url)


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.ConnectError | ConnectionRefusedError):
        return "the connection was refused" if "attempts failed" in str(error) else str(error) or "no connection"
    if isinstance(error, TimeoutError):
        return f"no complete answer within {_PROBE_SECONDS:g} s"
    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {_TIMEOUT_SECONDS:g} s"
    return str(error) or type(error).__name__


def port_taken(host: str, port: int) -> str | None:
    """Who listens on an address of this machine: `PID/NAME`, or "another process"; None when it is free."""
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return None
    for family, kind, protocol, _, where in infos:
        with socket.socket(family, kind, protocol) as probe_socket:
            # Old connections in TIME_WAIT do not count, a listener does.
            probe_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe_socket.bind(where)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return _holder(port)
    return None


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f"{connection.pid}/{psutil.Process(connection.pid).name()}"
    except psutil.Error:
        pass
    return "another process"
