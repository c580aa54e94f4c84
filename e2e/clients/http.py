"""The backend's HTTP API as a client of it sees it: the endpoint table, the count of routes, a conversation."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

from e2e.clients.address import checked_address, tls_context
from e2e.clients.contract import journal_answer, journal_promise
from e2e.clients.timing import Clock
from e2e.record.journal import Journal

WHOLE_ANSWER_SECONDS = 30.0
MAX_SEGMENT_IDS = 500
MAX_STORED_SEGMENTS = 5_000
MAX_BODY_BYTES = 32 * 1024 * 1024
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Methods that may be sent again (RFC 9110, section 9.2.2)."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A row of the endpoint table: data of the target's configuration.

    `expected` are the statuses that count as healthy, `exercises` says in words what the request proves. `auth`:
    whether the credentials of the run are sent.
    """

    method: str
    path: str
    expected: tuple[int, ...] = (200,)
    exercises: str = ""
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    auth: bool = True


DEFAULT_ENDPOINTS = (
    Endpoint("GET", "/v1/conversations?limit=1", (200,), "conversation models, database client"),
    Endpoint("POST", "/v1/conversations/search", (200,), "search models, structured conversations", {"query": "test"}),
    Endpoint("GET", "/v1/integrations/conversations", (200,), "integration models"),
    Endpoint(
        "POST",
        "/v1/integrations/workflow/memories",
        (422,),
        "request models of integrations (a required header is left out on purpose)",
        {"text": "test"},
    ),
    Endpoint(
        "GET",
        "/v1/users/store-recording-permission",
        (200, 500),
        "user models (500 where database credentials are missing)",
    ),
    Endpoint("GET", "/openapi.json", (200,), "every route's models", auth=False),
)
"""The smoke table of the mission."""


class Api:
    """HTTP requests to one origin. No proxy, no redirect, so that credentials go nowhere else.

    Raises:
        ConfigError: the origin is no URL, or leads to a host that is not allowed.
    """

    def __init__(
        self,
        origin: str,
        journal: Journal,
        clock: Clock,
        headers: Mapping[str, str],
        *,
        service: str = "backend",
        allowed_hosts: frozenset[str] = frozenset(),
        timeout: float = 10.0,
    ) -> None:
        checked_address(origin, allowed_hosts)
        self._client = httpx.AsyncClient(
            base_url=origin, follow_redirects=False, trust_env=False, timeout=timeout, verify=tls_context()
        )
        self._headers = dict(headers)
        self._journal, self._clock, self._service = journal, clock, service

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def check_endpoint(self, endpoint: Endpoint) -> None:
        """Request one row of the table and journal what came."""
        began = self._clock()
        response, status, error = None, None, None
        try:
            response = await self._request(endpoint)
            status = response.status_code
        except httpx.HTTPError as problem:
            error = f"{type(problem).__name__}: {problem}"
        self._journal.write(
            "endpoint",
            service=self._service,
            method=endpoint.method,
            path=endpoint.path,
            status=status,
            expected=list(endpoint.expected),
            exercises=endpoint.exercises,
            ms=round((self._clock() - began) * 1000, 3),
            error=error,
        )
        if response is not None:
            journal_answer(self._journal, self._service, f"{endpoint.method} {endpoint.path}", response)

    async def count_routes(self) -> None:
        """Count the operations of `openapi.json` and journal them; a service without one is noted."""
        try:
            response = await self._request(Endpoint("GET", "/openapi.json", auth=False))
            document = response.json()
            paths: dict[str, Any] = document["paths"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            self._journal.write("note", text=f"{self._service}: routes not counted, no openapi.json ({error})")
            return
        methods = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
        count = sum(len(methods & set(operations)) for operations in paths.values() if isinstance(operations, dict))
        info = document.get("info") or {}
        self._journal.write(
            "routes", service=self._service, count=count, title=info.get("title"), version=info.get("version")
        )
        journal_promise(self._journal, self._service, document)

    async def conversation(self, conversation_id: str | None) -> dict[str, Any]:
        """The conversation of that id, or the newest one when it is None.

        Returns:
            `{"found", "status" (HTTP), "conversation", "state", "created_at", "language", "source", "discarded",
            "structured" (bool: it has a title or an overview), "photos" (how many), "segments" (how many),
            "segment_ids", "text", "transcript", "error"}`. `transcript` holds the first segments as
            `{"id", "text", "person_id"}`.
        """
        found: dict[str, Any] = {"conversation": conversation_id, "found": False, "status": None, "error": None}
        try:
            if conversation_id is None:
                newest = await self._request(
                    Endpoint("GET", "/v1/conversations?limit=1&statuses=in_progress,processing,completed")
                )
                found["status"] = newest.status_code
                listed = newest.json() if newest.status_code == 200 else []
                conversation_id = listed[0]["id"] if listed else None
            if conversation_id is None:
                return {**found, "error": "no conversation in the list"}
            response = await self._request(Endpoint("GET", f"/v1/conversations/{conversation_id}"))
            found |= {"conversation": conversation_id, "status": response.status_code}
            if response.status_code != 200:
                return {**found, "error": f"HTTP {response.status_code}"}
            body = response.json()
            segments = body.get("transcript_segments") or []
            text = " ".join(str(segment.get("text", "")).strip() for segment in segments)
            ids = [str(segment.get("id")) for segment in segments[:MAX_SEGMENT_IDS]]
            names = ("created_at", "language", "source", "discarded")
            found |= {"found": True, "state": body.get("status"), **{name: body.get(name) for name in names}}
            about = body.get("structured") or {}
            found |= {"structured": bool(about.get("title") or about.get("overview"))}
            found |= {"photos": len(body.get("photos") or ())}
            transcript = [
                {"id": str(s.get("id")), "text": str(s.get("text", "")), "person_id": s.get("person_id")}
                for s in segments[:MAX_STORED_SEGMENTS]
            ]
            return {**found, "segments": len(segments), "segment_ids": ids, "text": text, "transcript": transcript}
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            return {**found, "error": f"{type(error).__name__}: {error}"}

    async def post(self, path: str, body: Any = None) -> str | None:
        """Post JSON as this user. Returns what went wrong, or None."""
        try:
            response = await self._request(Endpoint("POST", path, body=body))
        except httpx.HTTPError as error:
            return f"{type(error).__name__}: {error}"
        return None if response.is_success else f"HTTP {response.status_code}"

    async def _request(self, endpoint: Endpoint) -> httpx.Response:
        """Raises httpx.HTTPError: no whole answer in time, or a body above the limit."""
        try:
            # The client's own time-out is for each read: an answer that drips would never end.
            async with asyncio.timeout(WHOLE_ANSWER_SECONDS):
                return await self._whole_answer(endpoint)
        except TimeoutError as error:
            raise httpx.ReadTimeout(f"the answer was not whole after {WHOLE_ANSWER_SECONDS:g} s") from error

    async def _whole_answer(self, endpoint: Endpoint) -> httpx.Response:
        headers = {**(self._headers if endpoint.auth else {}), **endpoint.headers}
        request = self._client.build_request(endpoint.method, endpoint.path, json=endpoint.body, headers=headers)
        response = await self._answer(request)
        try:
            body = bytearray()
            async for part in response.aiter_bytes():
                body += part
                if len(body) > MAX_BODY_BYTES:
                    raise httpx.HTTPError(f"the answer is longer than {MAX_BODY_BYTES} bytes")
        finally:
            await response.aclose()
        return httpx.Response(response.status_code, content=bytes(body), request=request)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        """The head of the answer. A server may close a kept connection just when it is used again: then, once, anew."""
        fresh = False

        async def trace(event: str, _: Any) -> None:
            nonlocal fresh
            fresh = fresh or event.startswith("connection.connect")

        request.extensions = {**request.extensions, "trace": trace}
        try:
            return await self._client.send(request, stream=True)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            if fresh or request.method not in IDEMPOTENT:
                raise
        return await self._client.send(request, stream=True)
