"""The rows by which an API is compared: no value that changes, and nothing that a hostile document can do."""

import pytest

from e2e.protocol.contract import MAX_BODY_ROWS, MAX_CHARS, answered, promised

DOCUMENT = {
    "openapi": "3.1.0",
    "paths": {
        "/v1/conversations": {
            "parameters": [{"$ref": "#/components/parameters/Uid"}],
            "get": {
                "parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer"}}],
                "responses": {
                    "200": {
                        "content": {
                            "application/json": {
                                "schema": {"type": "array", "items": {"$ref": "#/components/schemas/Conversation"}}
                            }
                        }
                    },
                    "204": {"description": "nothing"},
                },
            },
            "post": {
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Search"}}},
                },
                "responses": {},
            },
        }
    },
    "components": {
        "parameters": {"Uid": {"name": "uid", "in": "header", "required": True, "schema": {"type": "string"}}},
        "schemas": {
            "Conversation": {
                "properties": {
                    "id": {"type": "string"},
                    "status": {"enum": ["processing", "completed"]},
                    "created_at": {"type": "string", "format": "date-time"},
                    "place": {"anyOf": [{"$ref": "#/components/schemas/Place"}, {"type": "null"}]},
                },
                "required": ["id"],
            },
            "Place": {"properties": {"at": {"$ref": "#/components/schemas/Point"}}},
            "Point": {"properties": {"x": {"type": "number"}}},
            "Search": {"properties": {"within": {"$ref": "#/components/schemas/Place"}}, "required": ["within"]},
        },
    },
}


def test_a_document_as_rows():
    assert list(promised(DOCUMENT)) == [
        ("route", "GET /v1/conversations", "route"),
        ("parameter", "GET /v1/conversations header uid", "string, required"),
        ("parameter", "GET /v1/conversations query limit", "integer, optional"),
        ("response", "GET /v1/conversations 200 application/json", "array of Conversation"),
        ("response", "GET /v1/conversations 204", "no content"),
        ("route", "POST /v1/conversations", "route"),
        ("parameter", "POST /v1/conversations header uid", "string, required"),
        ("request", "POST /v1/conversations application/json", "Search, required"),
        ("field", "Conversation.id", "string, required"),
        ("field", "Conversation.status", "one of completed, processing, optional"),
        ("field", "Conversation.created_at", "string date-time, optional"),
        ("field", "Conversation.place", "Place or null, optional"),
        ("field", "Place.at", "Point, optional, of a request"),
        ("field", "Point.x", "number, optional, of a request"),
        ("field", "Search.within", "Place, required, of a request"),
    ]


@pytest.mark.parametrize(
    "document", [None, [], {"paths": {"/": 5}}, {"paths": {"/": {"get": {"parameters": [3, None]}}}}]
)
def test_what_is_no_document_does_no_harm(document):
    for kind, key, shape in promised(document):
        assert kind and key and shape


def test_schemas_that_refer_to_themselves_end():
    loop = {"$ref": "#/components/schemas/A"}
    schema: dict = {"type": "array"}
    schema["items"] = schema
    document = {"components": {"schemas": {"A": {"properties": {"a": loop, "deep": schema}}}}}
    rows = dict((key, shape) for _, key, shape in promised(document))
    assert rows["A.a"] == "A, optional" and rows["A.deep"].startswith("array of array of")


def test_an_answer_as_rows_has_no_value_in_it():
    body = [
        {
            "id": "6f1c9a2e-0000-4000-8000-1234567890ab",
            "n": 3,
            "tags": [],
            "place": None,
            "by": {"a1b2c3d4e5f60718": 1},
        },
        {"id": "another", "n": 0.5, "tags": ["x"], "place": {"at": 1}},
    ]
    assert dict((key, shape) for _, key, shape in answered(200, body)) == {
        ".": "array",
        "[]": "object",
        "[].id": "string",
        "[].n": "number",
        "[].tags": "array | empty array",
        "[].tags[]": "string",
        "[].place": "null | object",
        "[].place.at": "number, optional",
        "[].by": "object, optional",
        "[].by.{}": "number",
    }


def test_of_an_error_the_text_stays_without_what_changes():
    rows = dict((key, shape) for _, key, shape in answered(404, {"detail": "Conversation 6f1c9a2e | 12 not found"}))
    assert rows[".detail"] == "string = Conversation <n> / <n> not found"


def test_a_hostile_body_stays_within_bounds():
    deep: list = []
    for _ in range(500):
        deep = [deep]
    wide = {f"name_{chr(97 + k % 26) * (k // 26 + 1)}": {"x" * 60: "y" * 10_000} for k in range(5000)}
    assert len(answered(200, deep)) < 50
    rows = answered(400, wide)
    assert len(rows) <= MAX_BODY_ROWS and all(len(key) <= MAX_CHARS and len(s) <= MAX_CHARS for _, key, s in rows)
