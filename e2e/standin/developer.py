"""The routes by which a user sets developer webhooks."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel

from e2e.protocol import webhook
from e2e.standin.auth import HttpUid
from e2e.standin.store import Store


class Address(BaseModel):
    url: str


def _kind(kind: str) -> str:
    if kind not in webhook.KINDS:
        raise HTTPException(status_code=422, detail=f"no webhook type {kind!r}")
    return kind


def _store(request: Request) -> Store:
    return request.app.state.services.store


Kind = Annotated[str, Depends(_kind)]
Users = Annotated[Store, Depends(_store)]

router = APIRouter(prefix="/v1/users/developer/webhook")


@router.post("/{kind}")
async def set_webhook(store: Users, uid: HttpUid, kind: Kind, body: Address) -> dict[str, str]:
    store.set_webhook(uid, kind, url=body.url)
    return {"status": "ok"}


@router.get("/{kind}")
async def webhook_address(store: Users, uid: HttpUid, kind: Kind) -> dict[str, str]:
    return {"url": store.webhook(uid, kind)[0]}


@router.post("/{kind}/enable")
async def enable(store: Users, uid: HttpUid, kind: Kind) -> dict[str, str]:
    store.set_webhook(uid, kind, enabled=1)
    return {"status": "ok"}


@router.post("/{kind}/disable")
async def disable(store: Users, uid: HttpUid, kind: Kind) -> dict[str, str]:
    store.set_webhook(uid, kind, enabled=0)
    return {"status": "ok"}
