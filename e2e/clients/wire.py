"""Opening a connection: to allowed addresses only, without compression, proxy or redirect; every failure has a name."""

import asyncio
import ssl
from collections.abc import Callable, Mapping

from websockets.exceptions import InvalidHandshake, InvalidStatus

from e2e.clients.address import checked_address, tls_context
from e2e.clients.connection import Connection
from e2e.clients.receiver import Receiver
from e2e.errors import AuthRefused, SessionError

_AUTH_STATUSES = frozenset({401, 403, 500})


async def connect(
    uri: str,
    headers: Mapping[str, str],
    receiver: Receiver,
    *,
    clock: Callable[[], float],
    timeout: float = 15.0,
    allowed_hosts: frozenset[str] = frozenset(),
) -> Connection:
    """Open a connection: no compression, no proxy, and no redirect is followed.

    Raises:
        ConfigError: the URI is wrong, holds credentials, or leads to a host that is not allowed.
        AuthRefused: the upgrade was answered with HTTP 401, 403 or 500.
        SessionError: nothing listens (`unreachable`), no answer in `timeout` seconds (`timeout`), or the answer is
            not a WebSocket upgrade (`protocol`).
    """
    host, port, secure = checked_address(uri, allowed_hosts)
    where = f"{host}:{port}"
    loop = asyncio.get_running_loop()
    context = tls_context() if secure else None
    connection: Connection | None = None
    try:
        async with asyncio.timeout(timeout):
            _, connection = await loop.create_connection(
                lambda: Connection(uri, headers, receiver, clock), host, port, ssl=context
            )
            await connection.upgraded()
    except TimeoutError as error:
        _drop(connection)
        raise SessionError(f"{where} did not answer the upgrade within {timeout:g} s", "timeout") from error
    except InvalidStatus as error:
        _drop(connection)
        status, body = error.response.status_code, _excerpt(bytes(error.response.body or b""))
        said = f"{where} answered the upgrade with HTTP {status}" + (f" ({body})" if body else "")
        if status in _AUTH_STATUSES:
            raise AuthRefused(f"{said}: check the credentials, the path and the parameters", status) from error
        raise SessionError(said, "protocol") from error
    except (InvalidHandshake, EOFError) as error:
        _drop(connection)
        raise SessionError(f"{where} does not speak WebSocket: {error}", "protocol") from error
    except ssl.SSLError as error:
        raise SessionError(f"TLS with {where} failed: {error.reason or error}", "unreachable") from error
    except OSError as error:
        _drop(connection)
        said = error.strerror or str(error)
        raise SessionError(
            f"cannot connect to {where}: {said}; is the service running there?", "unreachable"
        ) from error
    except asyncio.CancelledError:
        _drop(connection)
        raise
    return connection


def _excerpt(body: bytes, limit: int = 200) -> str:
    """The beginning of a body, cut between two words: half a secret could not be recognised as one."""
    text = body[: limit + 1].decode(errors="replace")
    return text.strip() if len(text) <= limit else text[:limit].rpartition(" ")[0].strip()


def _drop(connection: Connection | None) -> None:
    """Let go of a connection that nobody waits for any more: politely when it is open by now."""
    if connection is None:
        return
    if connection.open:
        connection.leave()
    else:
        connection.abort()
