"""The grpcurl command of a call and the schema for it, over HTTP."""

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from loom.model import MASK
from tests.support.loom_instance import LoomInstance, running_instance
from tests.support.mirror import PROTO, running_mirror, thing


async def test_the_command_goes_to_the_target_or_through_loom(api: LoomInstance) -> None:
    call = await api.call("Say", thing(text="a"), metadata=[("authorization", "s3cret")])
    status, answer = await api.get(f"/api/calls/{call}/grpcurl")
    assert status == 200
    assert api.mirror.address in answer["command"]
    assert MASK in answer["command"]
    assert len(answer["notes"]) == 1
    _, answer = await api.get(f"/api/calls/{call}/grpcurl?reveal=1&via=loom&protoset=my.bin")
    assert "s3cret" in answer["command"]
    assert f"localhost:{api.loom.listen_address.port}" in answer["command"]
    assert "-protoset my.bin" in answer["command"]


async def test_the_schema_comes_as_a_file(api: LoomInstance) -> None:
    call = await api.call("Say", thing(text="a"))
    async with api.http.get(f"/api/calls/{call}/protoset") as answer:
        files = FileDescriptorSet.FromString(await answer.read())
        assert 'filename="mirror.v1.Mirror.protoset"' in answer.headers["Content-Disposition"]
    names = [file.name for file in files.file]
    assert "mirror.proto" in names
    assert names.index("google/protobuf/any.proto") < names.index("mirror.proto")


async def test_local_files_are_named_where_there_is_no_reflection() -> None:
    async with running_mirror(described=False) as mirror, running_instance(mirror, proto=(PROTO,)) as api:
        call = await api.call("Say", thing(text="a"))
        _, answer = await api.get(f"/api/calls/{call}/grpcurl")
        assert f"-import-path {PROTO.parent}" in answer["command"]
        assert "-proto mirror.proto" in answer["command"]
    async with (
        running_mirror(described=False) as mirror,
        running_instance(mirror, proto=(PROTO.parent,)) as api,
    ):
        call = await api.call("Say", thing(text="a"))
        _, answer = await api.get(f"/api/calls/{call}/grpcurl")
        assert "-protoset mirror.v1.Mirror.protoset" in answer["command"]
        assert answer["notes"] == [
            f"save the schema first: loom grpcurl {call} --protoset mirror.v1.Mirror.protoset"
        ]
