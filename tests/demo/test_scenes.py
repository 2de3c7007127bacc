"""Every scene ends as it says, and together they show all that a demo should."""

import random
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from loom.demo.backend import DemoBackend
from loom.demo.contract import Contract
from loom.demo.scenes import SCENES, Client, Scene
from loom.model import Address


@pytest.fixture(scope="module")
def contract() -> Contract:
    return Contract()


@pytest.fixture
async def client(contract: Contract) -> AsyncIterator[Client]:
    backend = DemoBackend(Address("127.0.0.1", 0), contract)
    await backend.start()
    async with grpc.aio.insecure_channel(str(backend.address)) as channel:
        yield Client(contract, channel, random.Random(3))
    await backend.stop()


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
async def test_a_scene_ends_with_its_status(client: Client, scene: Scene) -> None:
    assert await scene.run(client) is scene.ends


def test_all_four_kinds_are_there(contract: Contract) -> None:
    kinds = {
        (rpc.client_streams, rpc.server_streams)
        for service in ("Vessels", "Cargo", "Radio")
        for rpc in contract.rpcs(service).values()
    }
    assert len(kinds) == 4


def test_many_ways_to_fail_are_there() -> None:
    assert len({scene.ends for scene in SCENES}) >= 8


async def test_failures_carry_details(client: Client) -> None:
    from google.rpc import error_details_pb2, status_pb2

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.call("Vessels/GetVessel", client.make("GetVesselRequest", id="nobody"))
    raw = dict(caught.value.trailing_metadata())["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(raw)
    assert status.code == 5
    resource = error_details_pb2.ResourceInfo()
    assert status.details[0].Unpack(resource)
    assert resource.resource_name == "nobody"


async def test_a_vessel_has_every_shape_of_field(client: Client) -> None:
    vessel = await client.call("Vessels/GetVessel", client.make("GetVesselRequest", id="v-4"))
    assert vessel.engines[1].cylinder_pressures_bar
    assert vessel.WhichOneof("whereabouts") == "under_way"
    assert vessel.HasField("draught_metres")
    assert vessel.pilot.value
    assert vessel.call_signs["en"] == "Ocean Harvest"
    assert [record.TypeName() for record in vessel.records] == [
        "harbour.v1.SafetyInspection",
        "harbour.v1.QuarantineNotice",
    ]


async def test_reflection_describes_all_services_but_the_beacon(client: Client) -> None:
    from google.protobuf.descriptor_pb2 import FileDescriptorProto
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

    channel: Any = client._channel
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="harbour.v1.Radio"),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="grpc.health.v1.Health"),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="harbour.internal.Beacon"),
    ]
    listed, radio, health, beacon = [answer async for answer in stub.ServerReflectionInfo(iter(requests))]
    assert {service.name for service in listed.list_services_response.service} == {
        "harbour.v1.Vessels",
        "harbour.v1.Cargo",
        "harbour.v1.Radio",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    names = [
        FileDescriptorProto.FromString(raw).name
        for raw in radio.file_descriptor_response.file_descriptor_proto
    ]
    assert "harbour/v1/radio.proto" in names
    assert health.HasField("file_descriptor_response")
    assert beacon.error_response.error_code == 5
