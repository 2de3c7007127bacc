"""An edit of a message's JSON changes what was edited and keeps the bytes of everything else."""

from typing import Any

import pytest
from google.protobuf.message import Message

from loom.codec import EncodeError, decode, encode
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


def entry(key: bytes, count: int) -> bytes:
    return b"\x0a" + bytes([len(key) + 4]) + b"\x0a" + bytes([len(key)]) + key + b"\x10" + bytes([count])


def patched(value: dict[str, Any], original: bytes, name: str = "older.Labels") -> bytes:
    return encode(value, descriptor(name), linked_protos().pool, original=original)


def test_a_map_with_keys_that_are_shown_alike_keeps_them() -> None:
    original = entry(b"\xff", 1) + entry(b"\xfe", 2) + entry(b"ok", 3)
    assert patched({"counts": {"�": 2, "ok": 4}}, original) == entry(b"\xff", 1) + entry(b"\xfe", 2) + entry(
        b"ok", 4
    )
    with pytest.raises(EncodeError, match="several keys are shown alike") as error:
        patched({"counts": {"�": 5, "ok": 3}}, original)
    assert error.value.path == "counts['�']"


def test_a_key_that_is_removed_takes_all_of_its_entries_along() -> None:
    original = entry(b"a", 1) + entry(b"b", 2) + entry(b"a", 3)
    assert patched({"counts": {"b": 2}}, original) == entry(b"b", 2)
    assert patched({"counts": {"a": 4, "b": 2}}, original) == entry(b"a", 1) + entry(b"b", 2) + entry(b"a", 4)


def lists(value: list[Any], original: bytes) -> bytes:
    return patched({"unpacked": value}, original, "older.Base")


def test_a_list_keeps_what_is_packed_and_what_is_not() -> None:
    original = b"\x40\x01" + b"\x42\x03\x82\x00\x03" + b"\x40\x04"  # 1; 2 (overlong), 3; 4
    assert lists([1, 2, 5, 4], original) == b"\x40\x01" + b"\x42\x03\x82\x00\x05" + b"\x40\x04"
    assert lists([1, 2, 4], original) == b"\x40\x01" + b"\x42\x02\x82\x00" + b"\x40\x04"
    assert lists([1, 2, 3, 9, 4], original) == b"\x40\x01" + b"\x42\x04\x82\x00\x03\x09" + b"\x40\x04"
    assert lists([1, 4], original) == b"\x40\x01" + b"\x40\x04"
    assert lists([4, 3, 2, 1], original) == b"\x40\x04" + b"\x42\x03\x03\x82\x00" + b"\x40\x01"


def test_elements_that_are_moved_keep_their_bytes() -> None:
    original = newer("top", list=[newer("a"), newer("b"), newer("c")])
    edited = json_of(as_old(original))
    edited["list"] = [edited["list"][2], {"kept": "new"}, edited["list"][0], {"kept": "B", "nested": {}}]
    back = message("New").FromString(patched(edited, original.SerializeToString(), "Old"))
    assert [(item.kept, item.added) for item in back.list] == [("c", 7), ("new", 0), ("a", 7), ("B", 7)]


def test_a_changed_element_of_a_shorter_list_is_the_one_that_it_shares_most_with() -> None:
    original = newer("top", list=[newer("a"), newer("b", nested={"kept": "n"}), newer("c")])
    edited = json_of(as_old(original))
    edited["list"] = [{"kept": "B", "nested": {"kept": "n"}}, edited["list"][2]]
    back = message("New").FromString(patched(edited, original.SerializeToString(), "Old"))
    assert [(item.kept, item.added) for item in back.list] == [("B", 7), ("c", 7)]


def test_another_field_of_a_oneof_takes_the_place_of_what_was_set_and_of_what_that_had_superseded() -> None:
    original = (
        message("Choice", text="old").SerializeToString() + message("Choice", number=5).SerializeToString()
    )
    assert message("Choice").FromString(patched({}, original, "Choice")) == message("Choice")
    assert patched({"text": "new"}, original, "Choice") == message("Choice", text="new").SerializeToString()
    assert patched({"number": 6}, original, "Choice") == (
        message("Choice", text="old").SerializeToString() + message("Choice", number=6).SerializeToString()
    )


def test_a_field_that_is_named_twice_is_refused() -> None:
    with pytest.raises(EncodeError, match="the same field as fInt32"):
        patched({"fInt32": 1, "f_int32": 1}, b"", "Scalars")
