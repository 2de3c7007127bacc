"""Which calls and messages a rule acts on."""

import pytest

from loom.interception.matching import CallMatch, CallView, message_matches, parse_body, parse_match
from loom.model.interception import CallFacts
from loom.recording.query import FilterError

from .conftest import ShopTypes

FACTS = CallFacts(
    "/acme.shop.Shop/Get",
    metadata=(("x-tenant", "42"), ("trace-bin", b"\x00\xff")),
    peer="ipv4:127.0.0.1:50412",
    authority="shop.example",
    target="localhost:50051",
)


def matches(text: str, facts: CallFacts = FACTS) -> bool:
    match: CallMatch = parse_match(text)
    return match.may_match(facts.method) and match.matches(CallView(facts))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "method:Get",
        "method:/acme.shop.Shop/Get",
        "service:acme.shop.*",
        "service:Shop -method:Watch",
        "Get",
        "meta:x-tenant=42",
        "meta:trace-bin=AP8=",
        "method:Get,Watch meta:x-tenant=4?",
        "peer:127.0.0.1 authority:shop target:50051 engine:relay",
        "-meta:x-tenant=43",
        "method:Watch,meta:x-tenant=42",
    ],
)
def test_matches(text: str) -> None:
    assert matches(text)


@pytest.mark.parametrize(
    "text",
    ["method:Watch", "-method:Get", "meta:x-tenant=43", "method:Get meta:x-other", "engine:wire", "peer:::1"],
)
def test_does_not_match(text: str) -> None:
    assert not matches(text)


def test_terms_of_the_method_are_decided_by_the_method_alone() -> None:
    assert parse_match("method:Get -service:Other").is_by_method
    assert not parse_match("method:Get meta:x").is_by_method
    assert not parse_match("method:Watch meta:x").may_match("/acme.shop.Shop/Get")


@pytest.mark.parametrize(
    "method", ["/grpc.health.v1.Health/Check", "/grpc.reflection.v1.ServerReflection/Info"]
)
def test_infrastructure_is_left_alone_unless_it_is_named(method: str) -> None:
    facts = CallFacts(method)
    assert not any(matches(text, facts) for text in ("", "method:*", "service:*", "-service:acme.*"))
    service = method.split("/")[1]
    assert matches(f"service:{service}", facts)
    assert matches(f"method:{method}", facts)
    assert matches(f"service:{service.rpartition('.')[2]}", facts)


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("method:Get status:OK", 11, "'status:' is not known when a call starts"),
        ("body:x", 0, "'body:' is not known when a call starts"),
        ("method:/Get.*/", 7, "a regular expression may take any time"),
        ('meta:x="a', 7, "the quote is not closed"),
    ],
)
def test_errors_name_the_column(text: str, column: int, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_match(text)
    assert message in str(caught.value)
    assert caught.value.column == column


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("parts.name=A-1", True),
        ("name=A-1", True),
        ("A-1", True),
        ("A-2", False),
        ("count=7", True),
        ("count=8", False),
    ],
)
def test_bodies(shop: ShopTypes, body: str, expected: bool) -> None:
    data = shop.item(count=7, parts=[{"name": "A-1"}])
    assert message_matches(parse_body(body), data, shop.request, shop.pool) is expected


def test_bodies_without_a_schema_name_fields_by_number(shop: ShopTypes) -> None:
    data = shop.item(count=7, parts=[{"name": "A-1"}])
    assert message_matches(parse_body("10.1=A-1"), data, None, shop.pool)
    assert message_matches(parse_body("2=7"), data, None, shop.pool)
    assert not message_matches(parse_body("2=8"), data, None, shop.pool)
    assert not message_matches(parse_body("2=8"), b"\xff", None, shop.pool)
    assert not message_matches(parse_body("x"), b"\xff", shop.request, shop.pool)


def test_a_body_is_a_value_of_body_alone() -> None:
    with pytest.raises(FilterError):
        parse_body("x status:OK")
