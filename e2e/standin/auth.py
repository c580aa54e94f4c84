"""Who may come in: the same three ways as in the real backend, for HTTP requests and WebSocket upgrades."""

from typing import Annotated

from fastapi import Depends, Header, HTTPException, WebSocketException
from fastapi.requests import HTTPConnection

from e2e.protocol.auth import DEV_UID
from e2e.standin.settings import Settings


class InvalidToken(Exception):
    """The credentials say nothing that is known here. The message never holds them."""


def uid_of(authorization: str | None, settings: Settings) -> str:
    """The uid behind an Authorization header. It is empty after a bare admin key.

    Raises:
        InvalidToken: no header, not a bearer token, or a token of nobody.
    """
    if not authorization:
        raise InvalidToken("Authorization header not found")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise InvalidToken("Invalid authorization token")
    return uid_of_token(token.strip(), settings)


def uid_of_token(token: str, settings: Settings) -> str:
    """As `uid_of`, for the token alone."""
    if settings.admin_key and token.startswith(settings.admin_key):
        return token[len(settings.admin_key) :]
    if settings.token and token == settings.token:
        return settings.token_uid
    if settings.local_development:
        return DEV_UID
    raise InvalidToken("Invalid authorization token")


def http_uid(connection: HTTPConnection, authorization: Annotated[str | None, Header()] = None) -> str:
    try:
        return uid_of(authorization, connection.app.state.settings)
    except InvalidToken as error:
        raise HTTPException(status_code=401, detail=str(error)) from error


def websocket_uid(connection: HTTPConnection, authorization: Annotated[str | None, Header()] = None) -> str:
    """Refuses before the upgrade is accepted, which uvicorn answers with 403."""
    try:
        return uid_of(authorization, connection.app.state.settings)
    except InvalidToken as error:
        raise WebSocketException(code=1008, reason=str(error)) from error


HttpUid = Annotated[str, Depends(http_uid)]
WebSocketUid = Annotated[str, Depends(websocket_uid)]
