"""Differences between two APIs: what is worse, what is only different, and what could not be seen."""

import pytest

from e2e.protocol.contract import answered, promised
from e2e.verdict.change import OTHER, WORSE
from e2e.verdict.contract import Contract, compare_contracts


def api(*, document=None, **answers):
    """A contract as it comes out of a journal; `answers` are (status, body) by endpoint."""
    contract = Contract()
    if document is not None:
        contract.take({"service": "backend", "source": "openapi", "rows": [list(r) for r in promised(document)]})
    for endpoint, (status, body) in answers.items():
        rows = [list(r) for r in answered(status, body)]
        contract.take({"service": "backend", "source": "body", "endpoint": endpoint, "status": status, "rows": rows})
    again = Contract()
    for record in contract.records():
        again.take(record)
    assert again == contract or not contract.rows
    return contract


def document(fields=("id", "title"), parameters=(("limit", False),), routes=("/a", "/b"), required=()):
    operation = {
        "parameters": [{"name": n, "in": "query", "required": r, "schema": {"type": "integer"}} for n, r in parameters],
        "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Ask"}}}},
        "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}}},
    }
    ask = {"properties": {n: {"type": "string"} for n in ("query", *required)}, "required": list(required)}
    thing = {"properties": {n: {"type": "string"} for n in fields}}
    return {
        "paths": {path: {"post": operation} for path in routes},
        "components": {"schemas": {"Ask": ask, "Thing": thing}},
    }


def changes(before, after):
    return [(c.effect, c.what) for c in compare_contracts(before, after).changes]


def test_what_is_the_same_is_counted():
    side = api(document=document(), a=(200, {"id": "x", "n": 1}), b=(422, {"detail": "no"}))
    area = compare_contracts(side, api(document=document(), a=(200, {"id": "y", "n": 2}), b=(422, {"detail": "no"})))
    assert area.changes == [] and area.unknown == []
    assert area.compared == (
        "2 routes, 2 parameters, 2 request bodies, 2 responses, 3 fields of schemas, "
        "5 fields of the answers of 2 endpoints"
    )


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"fields": ("id",)}, [(WORSE, "field removed: Thing.title")]),
        ({"fields": ("id", "title", "new")}, [(OTHER, "field added: Thing.new")]),
        ({"routes": ("/a",)}, [(WORSE, "route removed: POST /b")]),
        ({"routes": ("/a", "/b", "/c")}, [(OTHER, "route added: POST /c")]),
        ({"parameters": (("limit", False), ("page", False))}, [(OTHER, "parameter added: POST /a query page")] * 1),
        ({"parameters": (("limit", True),)}, [(WORSE, "parameter changed: POST /a query limit")]),
        ({"parameters": (("limit", False), ("key", True))}, [(WORSE, "parameter added: POST /a query key")]),
        ({"required": ("must",)}, [(WORSE, "field added: Ask.must")]),
    ],
)
def test_differences_of_what_is_promised(changed, expected):
    found = [c for c in changes(api(document=document()), api(document=document(**changed))) if "/b query" not in c[1]]
    assert found == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"id": "x", "pages": 1}, []),
        ({"id": "x"}, [(WORSE, "field removed: a .pages")]),
        ({"id": "x", "pages": "1"}, [(WORSE, "field changed: a .pages")]),
        ({"id": "x", "pages": 7, "more": True}, [(OTHER, "field added: a .more")]),
        ({"id": "x", "page": 1}, [(OTHER, "field added: a .page"), (WORSE, "field removed: a .pages")]),
        ({"id": None, "pages": 1}, []),
    ],
)
def test_differences_of_what_was_answered(body, expected):
    assert changes(api(a=(200, {"id": "x", "pages": 1})), api(a=(200, body))) == expected


def test_what_could_not_be_seen_is_no_difference():
    empty, full = api(a=(200, {"items": []})), api(a=(200, {"items": [{"id": "x", "tags": ["y"]}]}))
    for before, after in ((empty, full), (full, empty)):
        area = compare_contracts(before, after)
        assert area.changes == [] and len(area.unknown) == 1 and "5 fields of a" in area.unknown[0]


def test_a_difference_is_told_once_where_it_begins():
    before = api(a=(200, {"old": {"x": {"y": 1}}, "z": 1}))
    assert changes(before, api(a=(200, {"z": 1}))) == [(WORSE, "field removed: a .old")]


def test_a_field_that_only_some_elements_had_may_be_missing():
    before, after = api(a=(200, [{"id": "x"}, {"id": "y", "n": 1}])), api(a=(200, [{"id": "x"}]))
    area = compare_contracts(before, after)
    assert area.changes == [] and "1 field of a" in area.unknown[0]


def test_another_status_and_another_text():
    before = api(a=(200, {"x": 1}), b=(422, {"detail": "Field required"}))
    after = api(a=(500, {"x": 1}), b=(422, {"detail": "Field needed"}))
    assert changes(before, after) == [(WORSE, "answer of a"), (OTHER, "text changed: b .detail")]
    assert changes(after, before)[0] == (OTHER, "answer of a")


def test_a_run_that_asked_for_nothing_is_not_compared():
    area = compare_contracts(api(), api(document=document(), a=(200, 1)))
    assert (area.changes, area.compared) == ([], "")
    assert area.unknown == ["the run before wrote down no answer of the endpoint table"]


def test_a_run_without_a_document_removes_no_route():
    area = compare_contracts(api(document=document()), api(a=(200, 1)))
    assert area.changes == [] and "this run read no openapi.json" in area.unknown[0]
