"""The OpenAPI 3.1 document of the API, generated from its structures and endpoints."""

import enum
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct, UnsetType

from .base import Answer, Parameters, Question
from .descriptions import describe_fields, describe_type
from .endpoints import ENDPOINTS, EVENTS, JSON, Endpoint
from .errors import ErrorAnswer

Schema = dict[str, Any]

_REFERENCE = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"\{(\w+)\}")
_MAX_ID = 10**15 - 1
_OPEN_ERRORS = {403: "The Host header, the origin or the method is not allowed."}
_ERRORS = {401: "The token is missing or wrong."} | _OPEN_ERRORS
_NO_SECURITY: list[dict[str, list[str]]] = [{}]
_SECURITY: list[dict[str, list[str]]] = [{}, {"token": []}, {"cookie": []}]


@cache
def structures() -> tuple[type[Struct], ...]:
    """All structures that requests and answers are made of, parameters excepted."""
    kinds: list[Any] = [ErrorAnswer]
    for endpoint in ENDPOINTS:
        kinds += [endpoint.answer, endpoint.body, *(endpoint.events or {}).values()]
    kinds = [kind for kind in kinds if kind not in {None, dict}]
    by_name: dict[str, type[Struct]] = {}
    for info in msgspec.inspect.multi_type_info(kinds):
        _collect(info, by_name)
    return tuple(by_name.values())


def _collect(info: Any, by_name: dict[str, type[Struct]]) -> None:
    if isinstance(info, msgspec.inspect.StructType):
        if info.cls.__name__ in by_name:
            return
        by_name[info.cls.__name__] = info.cls
        base = info.cls.__bases__[0]
        if base not in {Answer, Question}:
            _collect(msgspec.inspect.type_info(base), by_name)
        for field in info.fields:
            _collect(field.type, by_name)
    for name in ("types", "item_types"):
        for item in getattr(info, name, ()):
            _collect(item, by_name)
    for name in ("item_type", "value_type"):
        if hasattr(info, name):
            _collect(getattr(info, name), by_name)


@cache
def openapi() -> Schema:
    """The document."""
    paths: dict[str, Schema] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Loom inspector",
            "version": "1",
            "summary": "Recorded gRPC calls of a running Loom.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {
            "schemas": component_schemas(),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "The token of this launch."},
                "cookie": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "loom-9998",
                    "description": "Set by the page; named after its port.",
                },
            },
        },
    }


@cache
def component_schemas() -> Mapping[str, Schema]:
    """The JSON Schema of every structure by name."""
    _, components = msgspec.json.schema_components(structures(), ref_template=_REFERENCE)
    kinds = {kind.__name__: kind for kind in structures()}
    for name, schema in components.items():
        _clean(schema)
        if name in kinds:
            _complete(schema, kinds[name])
    return dict(sorted(components.items()))


def _clean(schema: Any) -> None:
    """Remove titles, and alternatives that allow anything because a value may be JSON already."""
    if isinstance(schema, list):
        for item in schema:
            _clean(item)
    if not isinstance(schema, dict):
        return
    if isinstance(schema.get("title"), str):
        del schema["title"]
    if "anyOf" in schema:
        schema["anyOf"] = [item for item in schema["anyOf"] if item]
    for item in schema.values():
        _clean(item)


def _complete(schema: Schema, kind: type[Struct]) -> None:
    """Add descriptions. Of an answer, every field is required that is never left out, and none has a default."""
    descriptions = describe_fields(kind)
    schema["description"] = describe_type(kind)
    required = []
    for field in msgspec.structs.fields(kind):
        property_schema = schema["properties"][field.encode_name]
        if text := descriptions.get(field.name):
            property_schema["description"] = text
        if issubclass(kind, Answer):
            property_schema.pop("default", None)
            if not may_be_absent(field.type):
                required.append(field.encode_name)
    if issubclass(kind, Answer):
        schema["required"] = required


def may_be_absent(kind: Any) -> bool:
    """Whether a field of this type may be left out."""
    return UnsetType in getattr(kind, "__args__", ())


def _operation(endpoint: Endpoint) -> Schema:
    operation: Schema = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "parameters": [*_path_parameters(endpoint), *_query_parameters(endpoint.parameters)],
        "responses": _responses(endpoint),
        "security": _NO_SECURITY if endpoint.open else _SECURITY,
    }
    if endpoint.body is not None:
        reference = {"schema": {"$ref": _REFERENCE.format(name=endpoint.body.__name__)}}
        operation["requestBody"] = {"content": {JSON: reference}, "required": True}
    elif endpoint.body_type != JSON:
        operation["requestBody"] = {"content": {endpoint.body_type: {}}, "required": True}
    return operation


def _path_parameters(endpoint: Endpoint) -> list[Schema]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer", "minimum": 0, "maximum": _MAX_ID},
        }
        for name in _PARAMETER.findall(endpoint.path)
    ]


def _query_parameters(kind: type[Parameters] | None) -> list[Schema]:
    if kind is None:
        return []
    _, components = msgspec.json.schema_components([kind], ref_template=_REFERENCE)
    properties = components[kind.__name__]["properties"]
    descriptions = describe_fields(kind)
    return [
        {
            "name": field.encode_name,
            "in": "query",
            "description": descriptions.get(field.name, ""),
            "schema": _without_null(properties[field.encode_name]),
        }
        for field in msgspec.structs.fields(kind)
    ]


def _without_null(schema: Schema) -> Schema:
    """The schema of a parameter: it may be left out, but cannot be null."""
    if "anyOf" not in schema:
        return schema
    [other] = [item for item in schema["anyOf"] if item != {"type": "null"}]
    default = schema.get("default")
    return dict(other) if default is None else other | {"default": default}


def _responses(endpoint: Endpoint) -> Schema:
    content: Schema = {}
    if endpoint.answer is dict:
        content[JSON] = {"schema": {"type": "object"}}
    elif endpoint.answer is not None:
        content[JSON] = {"schema": {"$ref": _REFERENCE.format(name=endpoint.answer.__name__)}}
    for media_type in endpoint.media_types:
        content.setdefault(media_type, {})
    if endpoint.events is not None:
        content[EVENTS] = {"schema": {"type": "string"}, "x-events": _events(endpoint.events)}
    responses: Schema = {"200": {"description": "The answer.", "content": content}}
    for status in endpoint.also:
        responses[str(status)] = {"description": "The answer.", "content": content}
    problem = {JSON: {"schema": {"$ref": _REFERENCE.format(name="ErrorAnswer")}}}
    for status, text in ((_OPEN_ERRORS if endpoint.open else _ERRORS) | dict(endpoint.errors)).items():
        responses[str(status)] = {"description": text, "content": problem}
    return dict(sorted(responses.items()))


def _events(events: Mapping[str, type]) -> Schema:
    schemas, _ = msgspec.json.schema_components(events.values(), ref_template=_REFERENCE)
    return dict(zip(events, schemas, strict=True))


def enumerations() -> list[type[enum.Enum]]:
    """All enumerations that occur in the structures."""
    by_name: dict[str, type[enum.Enum]] = {}
    for kind in structures():
        for field in msgspec.structs.fields(kind):
            _collect_enums(msgspec.inspect.type_info(field.type), by_name)
    return [by_name[name] for name in sorted(by_name)]


def _collect_enums(info: Any, by_name: dict[str, type[enum.Enum]]) -> None:
    if isinstance(info, msgspec.inspect.EnumType):
        by_name[info.cls.__name__] = info.cls
    for item in (*getattr(info, "types", ()), getattr(info, "item_type", None)):
        if item is not None:
            _collect_enums(item, by_name)
