"""What the API promised and answered, written into the journal as rows without values (`e2e.protocol.contract`)."""

from itertools import islice
from typing import Any

import httpx

from e2e.protocol.contract import MAX_ROWS, answered, promised
from e2e.record.journal import Journal

_ROWS_PER_RECORD = 200


def journal_promise(journal: Journal, service: str, document: Any) -> None:
    """Write down an `openapi.json`."""
    promise = promised(document)
    rows = list(islice(promise, MAX_ROWS))
    left_out = sum(1 for _ in promise)
    for at in range(0, len(rows), _ROWS_PER_RECORD):
        part = rows[at : at + _ROWS_PER_RECORD]
        journal.write("contract", service=service, source="openapi", rows=part, left_out=left_out)


def journal_answer(journal: Journal, service: str, endpoint: str, response: httpx.Response) -> None:
    """Write down the shape of one answer; an `openapi.json` is compared by its routes and schemas."""
    try:
        body = response.json()
    except ValueError:
        rows = [("body", ".", "text, no JSON" if response.content else "nothing")]
    else:
        if isinstance(body, dict) and "openapi" in body and "paths" in body:
            return
        rows = answered(response.status_code, body)
    for at in range(0, len(rows), _ROWS_PER_RECORD):
        part = rows[at : at + _ROWS_PER_RECORD]
        where = {"service": service, "source": "body", "endpoint": endpoint, "status": response.status_code}
        journal.write("contract", **where, rows=part, left_out=0)
