"""An edit of a message's JSON changes what was edited and keeps the bytes of everything else."""

from typing import Any

from google.protobuf.message import Message

from loom.codec import decode, encode
from tests.support.narrowing import descriptor_of
from tests.support.protos import an_any, descriptor, linked_protos, message


def json_of(value: Message) -> dict[str, Any]:
    fields: dict[str, Any] = decode(
        value.SerializeToString(), descriptor_of(value), linked_protos().pool
    ).json
    return fields


def newer(kept: str, **fields: Any) -> Any:
    return message("New", kept=kept, added=7, also_added=f"of {kept}", **fields)


def as_old(value: Message) -> Any:
    return message("Old").FromString(value.SerializeToString())


def test_unknown_fields_are_kept_at_every_place_when_another_field_is_edited() -> None:
    original = newer("top", nested=newer("nested"), list=[newer("a"), newer("b")], map={"k": newer("m")})
    old = as_old(original)
    edited = json_of(old)
    edited["nested"]["kept"] = "edited"
    back = message("New").FromString(
        encode(edited, descriptor("Old"), linked_protos().pool, original=original.SerializeToString())
    )
    original.nested.kept = "edited"
    assert back == original


def test_without_an_original_unknown_fields_are_lost() -> None:
    old = as_old(newer("top"))
    assert (
        encode(json_of(old), descriptor("Old"), linked_protos().pool)
        == message("Old", kept="top").SerializeToString()
    )


def test_what_an_edit_removes_takes_its_unknown_fields_along() -> None:
    original = newer("top", nested=newer("nested"), list=[newer("a"), newer("b"), newer("c")])
    edited = json_of(as_old(original))
    del edited["nested"]
    del edited["list"][1]
    edited["list"].append({"kept": "new"})
    edited["list"].insert(0, {"kept": "first"})
    back = message("New").FromString(
        encode(edited, descriptor("Old"), linked_protos().pool, original=original.SerializeToString())
    )
    assert not back.HasField("nested")
    assert [(item.kept, item.added) for item in back.list] == [("first", 0), ("a", 7), ("c", 7), ("new", 0)]


def test_unknown_fields_inside_an_any_are_kept() -> None:
    inside = an_any(newer("inside"))
    inside.type_url = "type.googleapis.com/loom.test.Old"
    original = message("Old", kept="top", any=inside)
    edited = json_of(original)
    edited["any"]["kept"] = "edited"
    back = message("Old").FromString(
        encode(edited, descriptor("Old"), linked_protos().pool, original=original.SerializeToString())
    )
    assert message("New").FromString(back.any.value) == message(
        "New", kept="edited", added=7, also_added="of inside"
    )


def test_an_any_of_unknown_type_survives_an_edit() -> None:
    strange = message("google.protobuf.Any", type_url="x.io/no.Such", value=b"\x08\x01\xff")
    original = message("WellKnown", any=strange, anys=[an_any(message("WellKnown", any=strange))])
    edited = json_of(original) | {"wInt32": 5}
    original.w_int32.value = 5
    assert (
        message("WellKnown").FromString(encode(edited, descriptor("WellKnown"), linked_protos().pool))
        == original
    )


def test_a_message_that_is_an_any_of_unknown_type() -> None:
    strange = message("google.protobuf.Any", type_url="x.io/no.Such", value=b"\x08\x01")
    assert encode(json_of(strange), strange.DESCRIPTOR, linked_protos().pool) == strange.SerializeToString()


def test_extensions_and_groups_come_back() -> None:
    base = message("older.Base", id="1", unpacked=[1], part=[{"size": 1}], detail={"text": "t"})
    base.Extensions[linked_protos().pool.FindExtensionByName("loom.test.older.Extra.inside")].on = True
    assert (
        message("older.Base").FromString(encode(json_of(base), base.DESCRIPTOR, linked_protos().pool)) == base
    )


def test_a_message_without_its_required_fields_is_shown_and_edited() -> None:
    decoded = decode(b"\x10\x05", descriptor("older.Base"), linked_protos().pool)
    assert decoded.json == {"count": 5}
    assert (
        encode({"count": 6}, descriptor("older.Base"), linked_protos().pool, original=b"\x10\x05")
        == b"\x10\x06"
    )
