"""Which address and which schema a grpcurl command names, for each place that a schema may come from."""

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from loom.grpcurl.command_builder import CommandBuilder
from loom.model import Address, Call, EndedBy, Endpoint, Secrets, Status
from loom.schema import DescriptorSet, Provenance, Schema
from tests.support.mirror import file_set


class Known:
    """A source that knows the mirror, from wherever."""

    name = "known"
    problems = ()

    def __init__(self, source: str, origin: str) -> None:
        self._provenance = Provenance(source, origin)

    async def fetch(self, symbol: str) -> DescriptorSet:
        return DescriptorSet(tuple(file_set().file), self._provenance)

    def fill(self, files: object) -> list[FileDescriptorProto]:
        return []


async def command(
    source: str, origin: str, target: str = "", path: str = "/mirror.v1.Mirror/Say", authority: str = ""
) -> str:
    schema = Schema([Known(source, origin)])
    endpoint = Endpoint(Address("backend", 443), tls=True, ca_file="/ca.pem")
    builder = CommandBuilder(
        schema, Secrets(), endpoint, lambda: Endpoint(Address("localhost", 9999)), (("x-r", "1"),)
    )
    call = Call(
        7, path, 0, authority=authority, target=target, ended_ns=1, status=Status(0), ended_by=EndedBy.BACKEND
    )
    try:
        return (await builder.build(call)).command
    finally:
        await schema.close()


@pytest.mark.parametrize(
    ("source", "origin", "flags"),
    [
        ("reflection v1", "backend:443", "-reflect-header 'x-r: 1'"),
        ("reflection v1alpha, stored", "backend:443", "-reflect-header 'x-r: 1'"),
        ("descriptor sets", "/x/shop set.bin", "-protoset '/x/shop set.bin'"),
        ("proto files", "/x/api/shop.proto", "-import-path /x/api -proto shop.proto"),
        ("proto files", "/x/api", "-protoset mirror.v1.Mirror.protoset"),
    ],
)
async def test_the_schema_is_named_as_grpcurl_finds_it(source: str, origin: str, flags: str) -> None:
    text = (await command(source, origin)).replace(" \\\n  ", " ")
    assert flags in text
    assert ("-proto" in text) is not source.startswith("reflection")


async def test_a_prefix_of_the_path_is_not_in_the_name_of_the_schema() -> None:
    text = (await command("proto files", "/x/api", path="/api/v2/mirror.v1.Mirror/Say")).replace(
        " \\\n  ", " "
    )
    assert "-protoset mirror.v1.Mirror.protoset" in text


@pytest.mark.parametrize(
    ("target", "address"),
    [
        ("", "backend:443"),
        ("backend:443", "backend:443"),
        ("other:50051", "other:50051"),
        ("no address", "backend:443"),
    ],
)
async def test_the_address_is_the_calls_own_target(target: str, address: str) -> None:
    text = await command("reflection v1", "", target)
    assert f" {address} mirror.v1.Mirror/Say" in text
    assert "-cacert /ca.pem" in text


@pytest.mark.parametrize(
    ("authority", "flag"), [("shop.example", "-authority shop.example"), ("loom:9999", "")]
)
async def test_an_authority_that_the_client_has_set_is_sent_again(authority: str, flag: str) -> None:
    text = await command("reflection v1", "", authority=authority)
    assert flag in text
    assert ("-authority" in text) is bool(flag)
