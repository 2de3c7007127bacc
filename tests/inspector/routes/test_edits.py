"""Messages edited as JSON over HTTP, on a whole Loom: the target receives what was edited, and all else as recorded."""

from typing import Any

import pytest

from tests.support.loom_instance import LoomInstance
from tests.support.mirror import make, thing

FLOAT_MAX = float.fromhex("0x1.fffffep+127")


def free(**kinds: Any) -> bytes:
    """A Struct with a Value of each kind."""
    struct = make("google.protobuf.Struct")
    for name, kind in kinds.items():
        struct.fields[name].CopyFrom(make("google.protobuf.Value", **kind))
    return thing(free=struct)


def date(day: str = "2022-10-02") -> bytes:
    """What looks like an Any of unknown type, in a Struct."""
    inner = make("google.protobuf.Struct")
    inner.fields["@type"].string_value = "xsd:date"
    inner.fields["@value"].string_value = day
    return free(born={"struct_value": inner})


def any_of(url: str, value: bytes) -> bytes:
    return thing(any=make("google.protobuf.Any", type_url=url, value=value))


def spoiled(data: bytes) -> bytes:
    return data.replace(b"BAD", b"a\xff\x80")


ODD = {
    "a struct like an Any": date(),
    "a placeholder's text": any_of("opaque.invalid/0/google.protobuf.BytesValue", b"\x0a\x01x"),
    "NaN": free(number={"number_value": float("nan")}, text={"string_value": "NaN"}),
    "a value without kind": free(none={}, null={"null_value": 0}),
    "a path with a comma": thing(mask={"paths": ["a,b"]}),
    "a path with capitals": thing(mask={"paths": ["fooBar"]}),
    "an Any of unknown type": any_of("x.io/no.Such", b"\x08\x01\xff"),
    "milliseconds as seconds": thing(when={"seconds": 1_700_000_000_000, "nanos": -1}),
    "the largest float": thing(small=FLOAT_MAX, inner=make("Thing", small=-FLOAT_MAX)),
    "text that is not UTF-8": spoiled(thing(updated_at="BAD", named={"BAD": make("Part", name="BAD")})),
    "unknown fields": b"\xa2\x06\x03new" + b"\xb2\x01\x06\x0a\x01x\xf8\x06\x07",
    "overlong numbers": b"\x18\x81\x80\x00" + b"\x38\x81\x00" + b"\x4a\x03\x81\x00\x02\x48\x03",
    "a message twice": b"\xb2\x01\x03\x0a\x01x" + b"\x38\x00" + b"\xb2\x01\x02\x18\x05",
}


async def edited(api: LoomInstance, data: bytes, **fields: Any) -> bytes:
    """What the target receives when these fields of a recorded message are edited."""
    call = await api.call("Say", data)
    _, view = await api.get(f"/api/calls/{call}/messages/0")
    status, answer = await api.post(f"/api/calls/{call}/replay", {"messages": [view["json"] | fields]})
    assert status == 200, answer
    await api.ended.wait(answer["id"])
    (message,) = api.mirror.received[-1].messages
    return message


@pytest.mark.parametrize("part", ODD.values(), ids=ODD)
async def test_what_is_not_edited_keeps_its_bytes(api: LoomInstance, part: bytes) -> None:
    before, after = thing(text="before"), thing(text="after, and longer")
    assert await edited(api, before + part) == before + part
    assert await edited(api, before + part, text="after, and longer") == after + part
    assert await edited(api, part + before, text="after, and longer") == part + after


@pytest.mark.parametrize(
    ("data", "fields", "expected"),
    [
        (thing(small=1.0), {"small": 3.4028235e38}, thing(small=FLOAT_MAX)),
        (thing(small=FLOAT_MAX), {"small": -3.4028235e38}, thing(small=-FLOAT_MAX)),
        (
            thing(when={"seconds": 1_700_000_000_000}),
            {"when": {"seconds": "1700000000001"}},
            thing(when={"seconds": 1_700_000_000_001}),
        ),
        (
            thing(when={"seconds": 1_700_000_000_000}),
            {"when": "2023-11-14T22:13:20Z"},
            thing(when={"seconds": 1_700_000_000}),
        ),
        (
            thing(mask={"paths": ["fooBar", "b"]}),
            {"mask": {"paths": ["fooBaz", "b"]}},
            thing(mask={"paths": ["fooBaz", "b"]}),
        ),
        (thing(mask={"paths": ["a,b"]}), {"mask": "a,c"}, thing(mask={"paths": ["a", "c"]})),
        (
            any_of("x.io/no.Such", b"\x08\x01"),
            {"any": {"@type": "x.io/no.Such", "@value": "CAI="}},
            any_of("x.io/no.Such", b"\x08\x02"),
        ),
        (
            date(),
            {"free": {"born": {"@type": "xsd:date", "@value": "2023"}}},
            date("2023"),
        ),
    ],
    ids=["a float", "a float back", "seconds", "a time", "a path", "paths", "an Any", "a struct"],
)
async def test_what_is_shown_may_be_edited_in_place(
    api: LoomInstance, data: bytes, fields: dict[str, Any], expected: bytes
) -> None:
    received = await edited(api, data, **fields)
    parsed = type(make("Thing")).FromString
    assert parsed(received) == parsed(expected)


async def test_an_edit_that_does_not_fit_names_its_field_only(api: LoomInstance) -> None:
    call = await api.call("Say", spoiled(thing(updated_at="BAD", small=FLOAT_MAX)))
    _, view = await api.get(f"/api/calls/{call}/messages/0")
    body = {"messages": [view["json"] | {"when": {"seconds": "soon"}}]}
    status, answer = await api.post(f"/api/calls/{call}/replay", body)
    assert status == 422
    assert answer["error"]["field"] == "when.seconds"
