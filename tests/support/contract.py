"""Checks answers of the inspector against its OpenAPI document, more strictly than that: no undeclared fields."""

import copy
import json
import re
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from loom.api.base import Answer
from loom.api.endpoints import EVENTS, JSON
from loom.api.openapi import openapi, structures


@cache
def _document() -> dict[str, Any]:
    document = copy.deepcopy(dict(openapi()))
    schemas = document["components"]["schemas"]
    for kind in structures():
        if issubclass(kind, Answer):
            schemas[kind.__name__]["additionalProperties"] = False
    return document


@cache
def _validator(schema: str) -> Draft202012Validator:
    """A validator of a schema in JSON, which may refer to components."""
    return Draft202012Validator(json.loads(schema) | {"components": _document()["components"]})


def validate(schema: dict[str, Any], value: Any) -> None:
    _validator(json.dumps(schema)).validate(value)


def operation(method: str, path: str) -> dict[str, Any]:
    """The operation that a request is for."""
    bare = path.partition("?")[0]
    for template, operations in _document()["paths"].items():
        pattern = re.sub(r"\\\{\w+\\\}", "[0-9]+", re.escape(template))
        if re.fullmatch(pattern, bare) and method.lower() in operations:
            found: dict[str, Any] = operations[method.lower()]
            return found
    raise AssertionError(f"{method} {bare} is not in the OpenAPI document")


def check_answer(method: str, path: str, status: int, content_type: str, body: bytes) -> None:
    """Fail unless the status, the media type and the JSON are what the document says of this request."""
    responses = operation(method, path)["responses"]
    assert str(status) in responses, (
        f"{method} {path} answers {status}, which is not documented: {body[:500]!r}"
    )
    content = responses[str(status)]["content"]
    assert content_type in content or not body, f"{method} {path} answers {content_type}"
    if content_type == JSON and "schema" in content[JSON]:
        validate(content[JSON]["schema"], json.loads(body))
    elif content_type == EVENTS:
        for name, data in events(body.decode()):
            validate(content[EVENTS]["x-events"][name], json.loads(data))


def events(text: str) -> list[tuple[str, str]]:
    """Name and data of server-sent events, each on one line."""
    found = re.findall(r"event: (\w+)\r?\ndata: (.*?)\r?\n", text)
    return [(name, data) for name, data in found]
