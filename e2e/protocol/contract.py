"""What an HTTP API promises and what it answered, as rows that two runs can be compared by.

A row is `(kind, key, shape)`. `kind` is `route`, `parameter`, `request` or `response` (of an `openapi.json`), `field`
(of one of its schemas), or `body` (seen in an answer). Values are left out, so that ids, times and numbers do not
differ; of an error (status 400 and above) the texts stay, with everything masked that holds a digit.
"""

import re
from collections.abc import Iterator
from typing import Any

Row = tuple[str, str, str]

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")

MAX_ROWS = 20_000
MAX_BODY_ROWS = 1_000
MAX_CHARS = 200
_MAX_DEPTH = 8
_MAX_ITEMS = 50
_MAX_NAMES = 200

_MAX_NAME = 64
_ID = re.compile(r"[0-9a-fA-F-]{12,}|\d+|")
_ODD = re.compile(r"[^\w@:/ -]")
_WITH_DIGIT = re.compile(r"\S*\d\S*")


# -- what is promised --------------------------------------------------------------------------------------------


def promised(document: Any) -> Iterator[Row]:
    """The rows of an `openapi.json`. What is no such document has none."""
    document = _dict(document)
    schemas = _dict(_dict(document.get("components")).get("schemas"))
    asked: set[str] = set()
    for path, operations in _dict(document.get("paths")).items():
        operations = _dict(operations)
        for method in METHODS:
            if isinstance(operation := operations.get(method), dict):
                route = f"{method.upper()} {path}"
                yield "route", _cut(route), "deprecated" if operation.get("deprecated") is True else "route"
                yield from _parameters(document, route, (operations.get("parameters"), operation.get("parameters")))
                yield from _request(document, route, operation.get("requestBody"), asked)
                yield from _responses(document, route, operation.get("responses"))
    _close(asked, schemas)
    for name, schema in schemas.items():
        yield from _fields(str(name), _dict(schema), "of a request" if name in asked else "")


def _parameters(document: dict[str, Any], route: str, lists: tuple[Any, ...]) -> Iterator[Row]:
    for parameters in lists:
        for parameter in parameters if isinstance(parameters, list) else ():
            parameter = _resolved(document, parameter)
            need = "required" if parameter.get("required") is True else "optional"
            key = f"{route} {parameter.get('in')} {parameter.get('name')}"
            yield "parameter", _cut(key), _cut(f"{_short(parameter.get('schema'))}, {need}")


def _request(document: dict[str, Any], route: str, body: Any, asked: set[str]) -> Iterator[Row]:
    for media, content in _dict(_resolved(document, body).get("content")).items():
        schema = _dict(content).get("schema")
        _names(schema, asked)
        need = "required" if _resolved(document, body).get("required") is True else "optional"
        yield "request", _cut(f"{route} {media}"), _cut(f"{_short(schema)}, {need}")


def _responses(document: dict[str, Any], route: str, responses: Any) -> Iterator[Row]:
    for status, response in _dict(responses).items():
        contents = _dict(_resolved(document, response).get("content"))
        for media, content in contents.items():
            yield "response", _cut(f"{route} {status} {media}"), _short(_dict(content).get("schema"))
        if not contents:
            yield "response", _cut(f"{route} {status}"), "no content"


def _fields(name: str, schema: dict[str, Any], role: str) -> Iterator[Row]:
    properties = _dict(schema.get("properties"))
    required = schema.get("required") if isinstance(schema.get("required"), list) else []
    if not properties:
        yield "field", _cut(name), _short(schema)
    for field, inner in properties.items():
        words = (_short(inner), "required" if field in required else "optional", role)
        yield "field", _cut(f"{name}.{field}"), _cut(", ".join(word for word in words if word))


def _short(schema: Any, depth: int = _MAX_DEPTH) -> str:
    """A schema in a few words: `array of Conversation`, `string date-time or null`."""
    schema = _dict(schema)
    if not depth or not schema:
        return "anything"
    if isinstance(reference := schema.get("$ref"), str):
        return _cut(reference.rpartition("/")[2])
    for several, joint in (("anyOf", " or "), ("oneOf", " or "), ("allOf", " and ")):
        if isinstance(parts := schema.get(several), list):
            return _cut(joint.join(sorted(_short(part, depth - 1) for part in parts[:_MAX_ITEMS])))
    if isinstance(values := schema.get("enum"), list):
        return _cut("one of " + ", ".join(sorted(map(str, values[:_MAX_ITEMS]))))
    if "const" in schema:
        return _cut(f"always {schema['const']}")
    kind = schema.get("type")
    kind = " or ".join(sorted(map(str, kind))) if isinstance(kind, list) else str(kind or "anything")
    if kind == "array":
        return _cut(f"array of {_short(schema.get('items'), depth - 1)}")
    if isinstance(schema.get("properties"), dict):
        inner = (f"{name}: {_short(part, depth - 1)}" for name, part in sorted(schema["properties"].items()))
        return _cut("object {" + ", ".join(inner) + "}")
    if isinstance(schema.get("additionalProperties"), dict):
        return _cut(f"map to {_short(schema['additionalProperties'], depth - 1)}")
    return _cut(f"{kind} {schema['format']}" if isinstance(schema.get("format"), str) else kind)


def _resolved(document: dict[str, Any], value: Any) -> dict[str, Any]:
    """What a reference to another place in the document (`#/components/...`) stands for."""
    value = _dict(value)
    if isinstance(reference := value.get("$ref"), str) and reference.startswith("#/"):
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            place = _dict(place).get(step)
        return _dict(place)
    return value


def _names(schema: Any, into: set[str], depth: int = _MAX_DEPTH) -> None:
    """The named schemas that one refers to."""
    if isinstance(schema, dict) and isinstance(reference := schema.get("$ref"), str):
        into.add(reference.rpartition("/")[2])
    if depth:
        for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
            _names(inner, into, depth - 1)


def _close(names: set[str], schemas: dict[str, Any]) -> None:
    """Add the schemas that those named are made of."""
    open_ = list(names)
    while open_:
        found: set[str] = set()
        _names(schemas.get(open_.pop()), found)
        open_ += found - names
        names |= found


# -- what was answered -------------------------------------------------------------------------------------------


def answered(status: int, body: Any) -> list[Row]:
    """The rows of one JSON body. Those of a list stand for all of its elements: `[].id`, kinds as `null | string`; a
    field that not all of them have is `optional`."""
    seen: dict[str, set[str]] = {}
    counts: dict[str, int] = {}
    _look(body, "", seen, counts, _MAX_DEPTH, texts=status >= 400)
    rows = []
    for path, kinds in seen.items():
        owner = path.rpartition(".")[0]
        partly = not path.endswith("]") and counts[path] < counts.get(owner, counts[path])
        rows.append(("body", _cut(path or "."), _cut(" | ".join(sorted(kinds)) + ", optional" * partly)))
    return rows


def _look(value: Any, path: str, seen: dict[str, set[str]], counts: dict[str, int], depth: int, texts: bool) -> None:
    if path not in seen and len(seen) >= MAX_BODY_ROWS:
        return
    seen.setdefault(path, set()).add(_kind(value, texts))
    counts[path] = counts.get(path, 0) + 1
    if not depth:
        return
    if isinstance(value, dict):
        for key, inner in list(value.items())[:_MAX_NAMES]:
            _look(inner, f"{path}.{_name(key)}", seen, counts, depth - 1, texts)
    elif isinstance(value, list):
        for inner in value[:_MAX_ITEMS]:
            _look(inner, f"{path}[]", seen, counts, depth - 1, texts)


def _name(key: str) -> str:
    """`{}` stands for keys that are no names of fields: ids, numbers, texts."""
    return "{}" if len(key) > _MAX_NAME or _ID.fullmatch(key) or _ODD.search(key) else key


def _kind(value: Any, texts: bool) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        # Cut first: the pattern takes the square of the time.
        return f"string = {_WITH_DIGIT.sub('<n>', value[:120].replace('|', '/'))[:80]}" if texts else "string"
    if isinstance(value, list):
        return "array" if value else "empty array"
    return "object" if value else "empty object"


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _cut(text: str) -> str:
    return text if len(text) <= MAX_CHARS else f"{text[: MAX_CHARS - 1]}…"
