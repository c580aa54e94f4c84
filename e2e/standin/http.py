"""The backend's HTTP routes that a smoke test asks for. All but health and the schema need credentials."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Query, Request
from pydantic import BaseModel, Field

from e2e.standin import broken
from e2e.standin.auth import HttpUid
from e2e.standin.faults import Faults
from e2e.standin.models import Document
from e2e.standin.store import Store

router = APIRouter()


class Search(BaseModel):
    query: str = ""
    page: int = Field(1, ge=1)
    per_page: int = Field(10, ge=1, le=100)
    include_discarded: bool = True


def _store(request: Request) -> Store:
    return request.app.state.services.store


@router.get("/v1/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/v1/conversations")
async def conversations(
    request: Request,
    uid: HttpUid,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0)] = 0,
    statuses: str = "",
) -> list[Document]:
    """Newest first; `statuses` is a comma-separated choice, all of them without it."""
    return _store(request).of_user(uid, limit, offset, tuple(filter(None, statuses.split(","))))


@router.get("/v1/conversations/{conversation_id}")
async def conversation(request: Request, uid: HttpUid, conversation_id: str) -> Document:
    found = _store(request).get(conversation_id, uid)
    if found is None:
        raise HTTPException(status_code=404, detail="Conversation not found")
    return found


@router.post("/v1/conversations/search")
async def search(request: Request, uid: HttpUid, body: Search) -> dict[str, Any]:
    items = _store(request).of_user(uid, body.per_page + 1, (body.page - 1) * body.per_page, query=body.query)
    more = len(items) > body.per_page
    renamed = Faults(request.app.state.settings.faults).get("contract") == "renamed"
    return {
        "items": items[: body.per_page],
        "total_pages": body.page + more,
        "page" if renamed else "current_page": body.page,
        "per_page": body.per_page,
    }


@router.get("/v1/integrations/conversations")
async def integration_conversations(request: Request, uid: HttpUid) -> dict[str, list[Document]]:
    return {"conversations": _store(request).of_user(uid, statuses=("completed",))}


@router.post("/v1/integrations/workflow/memories")
async def workflow_memories(uid: HttpUid, api_key: Annotated[str, Header()], body: dict[str, Any]) -> dict[str, str]:
    """Takes what a workflow has to say and keeps nothing of it: the stand-in has no memories."""
    return {"status": "ok"}


@router.get("/v1/users/store-recording-permission")
async def store_recording_permission(request: Request, uid: HttpUid) -> dict[str, bool]:
    if Faults(request.app.state.settings.faults).get("import") == "route":
        broken.in_a_route()
    return {"store_recording_permission": False}
