"""The stand-in's backend process: `uvicorn e2e.standin.backend:create_app --factory`."""

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from e2e.protocol import listen as listen_protocol
from e2e.standin import broken, developer, http
from e2e.standin.auth import InvalidToken, WebSocketUid, uid_of_token
from e2e.standin.faults import Faults
from e2e.standin.params import Listen, ListenQuery
from e2e.standin.services import Services
from e2e.standin.session import Session
from e2e.standin.settings import Settings

logger = logging.getLogger("routers.transcribe")


class AbortableSockets:
    """Gives WebSocket scopes `standin.abort`, which cuts the TCP connection as a lost network does.

    `standin.protocol` is what owns the connection.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            # ASGI has no word for it; uvicorn's `send` is a method of the protocol that owns the transport.
            scope["standin.abort"] = lambda: send.__self__.transport.abort()
            scope["standin.protocol"] = send.__self__
        await self._app(scope, receive, send)


def create_app() -> FastAPI:
    """Raises UsageError when the environment does not describe a stand-in."""
    logging.basicConfig(level=logging.INFO)
    # The chatter of the pusher link's library is nothing that the real service writes.
    logging.getLogger("websockets").setLevel(logging.WARNING)
    settings = Settings.from_env(os.environ)
    match Faults(settings.faults).get("import"):
        case "boot":
            broken.at_boot()
        case "circular":
            broken.in_a_circle()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.services = Services(settings)
        await app.state.services.start()
        yield
        await app.state.services.stop()

    app = FastAPI(title="Omi stand-in: backend", lifespan=lifespan)
    app.state.settings = settings
    app.add_middleware(AbortableSockets)
    app.include_router(http.router)
    app.include_router(developer.router)
    app.add_api_websocket_route(listen_protocol.PATH, listen)
    app.add_api_websocket_route(listen_protocol.WEB_PATH, web_listen)
    return app


async def listen(websocket: WebSocket, uid: WebSocketUid, query: Listen) -> None:
    logger.info("_listen %s", uid)
    await websocket.accept()
    await _serve(websocket, uid, query)


async def web_listen(websocket: WebSocket, query: Listen) -> None:
    """Browsers cannot set headers: accepted first, then the first message has to hold the token."""
    await websocket.accept()
    try:
        async with asyncio.timeout(listen_protocol.AUTH_SECONDS):
            message = json.loads(await websocket.receive_text())
        if message["type"] != "auth":
            raise InvalidToken("the first message is no auth message")
        uid = uid_of_token(str(message["token"]), websocket.app.state.settings)
    except WebSocketDisconnect:
        return
    except TimeoutError:
        await websocket.close(1008, "Auth timeout")
        return
    except InvalidToken:
        await websocket.send_json({"type": "auth_response", "success": False})
        await websocket.close(1008, "Invalid token")
        return
    except (ValueError, KeyError, TypeError):
        await websocket.close(1008, "Auth error")
        return
    await websocket.send_json({"type": "auth_response", "success": True})
    logger.info("_listen %s", uid)
    await _serve(websocket, uid, query)


async def _serve(websocket: WebSocket, uid: str, query: ListenQuery) -> None:
    if not uid:
        await websocket.close(1008, "Bad uid")
        return
    await Session(websocket, uid, query, websocket.app.state.services).run()
