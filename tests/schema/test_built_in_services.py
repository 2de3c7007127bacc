"""gRPC's own services are known without a source that describes them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Never

import pytest
from google.protobuf import descriptor_pb2

from loom.model import Kind
from loom.schema import DescriptorIndex, MemorySource, Schema, SchemaError
from loom.schema.source import Source
from tests.support.schemas import compiled

SERVICES = {
    "/grpc.health.v1.Health/Check": (Kind.UNARY, "grpc.health.v1.HealthCheckRequest"),
    "/grpc.health.v1.Health/Watch": (Kind.SERVER, "grpc.health.v1.HealthCheckRequest"),
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": (
        Kind.BIDI,
        "grpc.reflection.v1.ServerReflectionRequest",
    ),
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": (
        Kind.BIDI,
        "grpc.reflection.v1alpha.ServerReflectionRequest",
    ),
    "/grpc.channelz.v1.Channelz/GetServers": (Kind.UNARY, "grpc.channelz.v1.GetServersRequest"),
}


class Unavailable:
    """A target that is down."""

    name = "reflection"
    problems: Sequence[str] = ()

    async def fetch(self, symbol: str) -> Never:
        raise SchemaError("the target is down", temporary=True)

    def fill(
        self, files: Mapping[str, descriptor_pb2.FileDescriptorProto]
    ) -> list[descriptor_pb2.FileDescriptorProto]:
        return []


@pytest.mark.parametrize("sources", [[], [Unavailable()]], ids=["no source", "target down"])
@pytest.mark.parametrize("path", SERVICES)
async def test_they_are_known_whatever_the_sources_know(path: str, sources: list[Source]) -> None:
    schema = Schema(sources)
    method = await schema.method(path)
    assert (method.kind, method.request.full_name) == SERVICES[path]
    assert (method.provenance.source, method.problems) == ("built-in services", ())
    assert schema.kind(path) is method.kind
    await schema.close()


async def test_a_source_that_describes_one_comes_first(tmp_path: Path) -> None:
    text = """syntax = "proto3"; package grpc.health.v1; message M { string own = 1; }
    service Health { rpc Check(M) returns (M); }"""
    index = DescriptorIndex()
    index.add(compiled(tmp_path, health=text).file, "disk")
    schema = Schema([MemorySource("proto files", [index])])
    method = await schema.method("/grpc.health.v1.Health/Check")
    assert (method.provenance.source, method.request.full_name) == ("proto files", "grpc.health.v1.M")
    await schema.close()


async def test_other_services_are_still_unknown() -> None:
    schema = Schema([Unavailable()])
    with pytest.raises(SchemaError, match=r"^the target is down$") as caught:
        await schema.method("/grpc.health.v2.Health/Check")
    assert caught.value.temporary
    await schema.close()
