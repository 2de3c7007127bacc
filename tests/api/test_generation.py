"""What is generated from the structures is current, and says what it should."""

from pathlib import Path

import msgspec
import pytest
from jsonschema import Draft202012Validator

from loom.api.base import Answer, Question
from loom.api.descriptions import describe_fields, describe_type
from loom.api.endpoints import ENDPOINTS, EXPORT_CALLS, Endpoint
from loom.api.generation import generated_files
from loom.api.openapi import component_schemas, openapi, structures
from loom.formats import FORMATS
from loom.inspector.app import API_ROUTES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", generated_files(ROOT))
def test_generated_files_are_current(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == generated_files(ROOT)[name], "run 'make api'"


def test_every_endpoint_is_served_and_no_other() -> None:
    served = {
        (method, route.path) for route in API_ROUTES for method in route.methods or () if method != "HEAD"
    }
    declared = {(item.method, item.path.replace("}", ":number}")) for item in ENDPOINTS}
    assert served == declared


@pytest.mark.parametrize("kind", structures(), ids=lambda kind: kind.__name__)
def test_every_structure_and_field_is_described(kind: type[msgspec.Struct]) -> None:
    assert issubclass(kind, Answer | Question)
    assert describe_type(kind)
    assert describe_fields(kind).keys() == set(kind.__struct_fields__)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_every_parameter_is_described(endpoint: Endpoint) -> None:
    if endpoint.parameters is not None:
        assert describe_fields(endpoint.parameters).keys() == set(endpoint.parameters.__struct_fields__)


@pytest.mark.parametrize("name", component_schemas())
def test_schemas_are_valid(name: str) -> None:
    schema = component_schemas()[name]
    assert list(Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema)) == []


def test_references_lead_somewhere() -> None:
    text = msgspec.json.encode(openapi()).decode()
    used = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert used <= component_schemas().keys()
    assert {kind.__name__ for kind in structures()} <= component_schemas().keys()


def test_every_format_of_an_export_has_its_media_type() -> None:
    assert {item.media_type for item in FORMATS.values()} == set(EXPORT_CALLS.media_types)
