"""An outline lists what a schema says: services, messages with every kind of field, enums."""

from pathlib import Path

from loom.api.schema import Outline
from loom.api.schema import OutlineField as Field
from loom.model import Kind
from loom.schema import DescriptorIndex, MemorySource, Schema, compile_protos, outline
from tests.support.mirror import PROTO

_PROTO2 = """
syntax = "proto2"; package old;
message M {
  required int32 must = 1;
  optional string named = 2 [default = "x", deprecated = true];
  repeated group Row = 3 { optional sint64 z = 1; }
  option deprecated = true;
}
service S { rpc Do(M) returns (M) { option deprecated = true; } }
service T { rpc Other(M) returns (Only); }
message Only { optional E e = 1; enum E { option allow_alias = true; A = 1; B = 1; C = -1; } }
"""


async def outlined(proto: Path, path: str, most: int = 1000) -> Outline:
    files = DescriptorIndex()
    files.add(compile_protos([proto]).file, str(proto))
    schema = Schema([MemorySource("files", [files])])
    try:
        return outline(await schema.method(path), most)
    finally:
        await schema.close()


async def test_fields_have_number_name_type_and_what_they_are() -> None:
    outline = await outlined(PROTO, "/mirror.v1.Mirror/Chat")
    thing = outline.messages[0]
    assert (thing.name, thing.file) == ("mirror.v1.Thing", "mirror.proto")
    fields = {one.name: one for one in thing.fields}
    part = "mirror.v1.Part"
    assert fields["text"] == Field(1, "text", "string")
    assert fields["mood"] == Field(8, "mood", "mirror.v1.Mood", refers="mirror.v1.Mood")
    assert fields["numbers"] == Field(9, "numbers", "int32", label="repeated")
    assert fields["parts"] == Field(10, "parts", part, label="repeated", refers=part)
    assert fields["named"] == Field(11, "named", f"map<string, {part}>", label="map", refers=part)
    assert fields["numbered"] == Field(12, "numbered", "map<int64, string>", label="map")
    assert fields["left"] == Field(13, "left", "string", oneof="choice")
    assert fields["right"] == Field(14, "right", part, refers=part, oneof="choice")
    assert fields["maybe"] == Field(21, "maybe", "int32", label="optional")
    assert fields["zigzag"].type == "sint32"


async def test_services_have_methods_with_their_stream_types() -> None:
    outline = await outlined(PROTO, "/mirror.v1.Mirror/Chat")
    (service,) = outline.services
    assert (service.name, service.file) == ("mirror.v1.Mirror", "mirror.proto")
    assert {one.name: one.kind for one in service.methods} == {
        "Say": Kind.UNARY, "Gather": Kind.CLIENT, "Spread": Kind.SERVER, "Chat": Kind.BIDI,
        "Wrap": Kind.UNARY, "Touch": Kind.UNARY,
    }  # fmt: skip
    wrap = next(one for one in service.methods if one.name == "Wrap")
    assert (wrap.request, wrap.response) == ("google.protobuf.StringValue", "google.protobuf.StringValue")


async def test_types_are_listed_once_and_entries_of_maps_not_at_all() -> None:
    outline = await outlined(PROTO, "/mirror.v1.Mirror/Say")
    names = [one.name for one in outline.messages]
    assert len(names) == len(set(names))
    assert {"mirror.v1.Thing", "mirror.v1.Part", "google.protobuf.Timestamp", "google.protobuf.Any"} <= set(
        names
    )
    assert not [name for name in names if name.endswith("Entry")]
    assert outline.enums[0].name == "mirror.v1.Mood"
    assert outline.enums[0].values == [(0, "MOOD_UNSPECIFIED"), (1, "MOOD_CALM"), (2, "MOOD_WILD")]
    assert outline.more == 0


async def test_proto2_features(tmp_path: Path) -> None:
    path = tmp_path / "old.proto"
    path.write_text(_PROTO2)
    outline = await outlined(path, "/old.T/Other")
    assert [service.name for service in outline.services] == ["old.T", "old.S"]
    assert outline.services[1].methods[0].deprecated
    messages = {one.name: one for one in outline.messages}
    assert messages["old.M"].deprecated
    assert messages["old.M"].fields == [
        Field(1, "must", "int32", label="required"),
        Field(2, "named", "string", label="optional", default="x", deprecated=True),
        Field(3, "row", "old.M.Row", label="repeated", refers="old.M.Row"),
    ]
    assert outline.enums[0].values == [(1, "A"), (1, "B"), (-1, "C")]


async def test_a_schema_of_too_many_types_says_how_many_are_left_out() -> None:
    everything = await outlined(PROTO, "/mirror.v1.Mirror/Say")
    outline = await outlined(PROTO, "/mirror.v1.Mirror/Say", most=3)
    assert outline.messages[0].name == "mirror.v1.Thing"
    assert len(outline.messages) + len(outline.enums) == 3
    assert outline.more == len(everything.messages) + len(everything.enums) - 3
