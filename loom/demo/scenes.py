"""The scenes of the demo traffic: a sequence of calls each, and the status that its last call ends with."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc

from .backend import BEACON
from .contract import PACKAGE, Contract

_TOKEN = "Bearer harbour-office-7f3a"  # noqa: S105 (of the demo only)
_PING = b"\x08\x2a\x12\x05flash\x1d\x00\x00\x80?"


class Client:
    """A client of the harbour. ``channel`` leads to Loom; ``chance`` chooses the arguments."""

    def __init__(self, contract: Contract, channel: grpc.aio.Channel, chance: random.Random) -> None:
        self.contract = contract
        self.make = contract.make
        self.chance = chance
        self._channel = channel
        self._requests = itertools.count(1)
        self._calls: dict[str, Any] = {
            f"{service}/{name}": rpc.on(channel)
            for service in ("Vessels", "Cargo", "Radio")
            for name, rpc in contract.rpcs(service).items()
        }

    def call(self, method: str, argument: Any, *, token: bool = False, **options: Any) -> Any:
        """Start a call of ``Service/Method``; return grpc.aio's call object."""
        return self._calls[method](argument, metadata=self.metadata(token=token), **options)

    def raw(self, path: str, payload: bytes) -> Any:
        """Start a unary call of a method that is in no ``.proto`` file."""
        call: Any = self._channel.unary_unary(path)
        return call(payload, metadata=self.metadata())

    def metadata(self, *, token: bool = False) -> tuple[tuple[str, str | bytes], ...]:
        """Return metadata like a real client's: ids, a binary trace context, optionally a token."""
        trace = bytes([0, 0]) + self.chance.randbytes(16) + bytes([1]) + self.chance.randbytes(8)
        items: tuple[tuple[str, str | bytes], ...] = (
            ("x-request-id", f"req-{next(self._requests):05d}"),
            ("x-office", self.chance.choice(["pilots", "customs", "quay"])),
            ("grpc-trace-bin", trace),
        )
        return (*items, ("authorization", _TOKEN)) if token else items


@dataclass(frozen=True, slots=True)
class Scene:
    """``play`` makes calls, the last of which ends with the status ``ends``. Played ``often`` times a round."""

    play: Callable[[Client], Awaitable[object]]
    ends: grpc.StatusCode = grpc.StatusCode.OK
    often: int = 1

    @property
    def name(self) -> str:
        return self.play.__name__

    async def run(self, client: Client) -> grpc.StatusCode:
        """Play it, and answer the status that it really ended with."""
        try:
            await self.play(client)
        except grpc.aio.AioRpcError as error:
            code: grpc.StatusCode = error.code()
            return code
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise  # it is us who are to stop, not the call that was cancelled
            return grpc.StatusCode.CANCELLED
        return grpc.StatusCode.OK


async def look_up_a_vessel(client: Client) -> None:
    vessel_id = f"v-{client.chance.randint(1, 6)}"
    await client.call("Vessels/GetVessel", client.make("GetVesselRequest", id=vessel_id), token=True)


async def look_up_a_few_fields(client: Client) -> None:
    request = client.make("GetVesselRequest", id="v-4")
    request.fields.paths.extend(["name", "position", "records"])
    await client.call("Vessels/GetVessel", request)


async def look_up_a_ghost_ship(client: Client) -> None:
    await client.call("Vessels/GetVessel", client.make("GetVesselRequest", id="flying-dutchman"))


async def list_vessels(client: Client) -> None:
    request = client.make(
        "ListVesselsRequest", kinds=["VESSEL_KIND_CONTAINER", "VESSEL_KIND_TANKER"], page_size=2
    )
    first = await client.call("Vessels/ListVessels", request, compression=grpc.Compression.Gzip)
    request.page_token = first.next_page_token
    await client.call("Vessels/ListVessels", request)


def _assignment(client: Client, quay: str, number: int) -> Any:
    request = client.make("AssignBerthRequest", vessel_id="v-2", quay=quay, number=number)
    request.stay.FromSeconds(7200)
    return request


async def assign_a_berth(client: Client) -> None:
    request = _assignment(client, "Athabaskakai", client.chance.randint(1, 12))
    await client.call("Vessels/AssignBerth", request, token=True, timeout=10)


async def assign_without_saying_what(client: Client) -> None:
    await client.call("Vessels/AssignBerth", client.make("AssignBerthRequest", quay="Tollerort"))


async def assign_a_taken_berth(client: Client) -> None:
    await client.call("Vessels/AssignBerth", _assignment(client, "Burchardkai", 7))


async def watch_and_leave(client: Client) -> None:
    request = client.make("WatchPositionsRequest", vessel_ids=["v-2", "v-5"])
    request.every.FromMilliseconds(400)
    call = client.call("Vessels/WatchPositions", request)
    for _ in range(client.chance.randint(5, 14)):
        await call.read()
    call.cancel()
    await call.code()
    raise asyncio.CancelledError


async def load_a_manifest(client: Client) -> None:
    await client.call("Cargo/LoadManifest", _containers(client, heavy_at=None), token=True)


async def load_too_much(client: Client) -> None:
    await client.call("Cargo/LoadManifest", _containers(client, heavy_at=4))


async def _containers(client: Client, heavy_at: int | None) -> AsyncIterator[Any]:
    for index in range(client.chance.randint(6, 10)):
        weight = 44_000 if index == heavy_at else client.chance.randint(2_000, 30_000)
        container = client.make(
            "Container",
            number=f"MSKU {client.chance.randrange(10**6):06d}-{index}",
            weight_kg=weight,
            destination=client.chance.choice(["Gdańsk", "Göteborg", "Reykjavík"]),
            seal=client.chance.getrandbits(64),
        )
        container.goods.description = "bicycles"
        container.goods.declared_values["EUR"] = weight * 2.5
        yield container
        await asyncio.sleep(0.05)


async def list_containers(client: Client) -> None:
    async for _ in client.call("Cargo/ListContainers", client.make("ListContainersRequest", vessel_id="v-1")):
        pass


def _inspection(client: Client, milliseconds: int) -> Any:
    request = client.make("InspectContainerRequest", number="HLXU 398055-1")
    request.thoroughness.FromMilliseconds(milliseconds)
    return request


async def inspect_slowly(client: Client) -> None:
    await client.call("Cargo/InspectContainer", _inspection(client, 1300), timeout=5)


async def inspect_too_slowly(client: Client) -> None:
    await client.call("Cargo/InspectContainer", _inspection(client, 3000), timeout=0.4)


async def fetch_the_chart(client: Client) -> None:
    await client.call(
        "Cargo/GetChart", client.make("GetChartRequest", area="Elbe 4, Brunsbüttel to Glückstadt")
    )


async def ask_for_tariffs_with_a_token(client: Client) -> None:
    await client.call("Cargo/GetTariffs", _empty(client), token=True)


async def ask_for_tariffs_without(client: Client) -> None:
    await client.call("Cargo/GetTariffs", _empty(client))


def _empty(client: Client) -> Any:
    return client.contract.rpcs("Cargo")["GetTariffs"].request()


async def talk_on_the_radio(client: Client) -> None:
    async for _ in client.call("Radio/Talk", _transmissions(client)):
        pass


async def _transmissions(client: Client) -> AsyncIterator[Any]:
    def transmission(**content: Any) -> Any:
        message = client.make(
            "Transmission", sender="Petrel", channel=client.chance.choice([12, 16, 74]), **content
        )
        message.sent_at.GetCurrentTime()
        return message

    papers = transmission()
    papers.document.Pack(client.make("SafetyInspection", inspector="E. Lindqvist", passed=True))
    for message in (
        transmission(speech="Hamburg Port Control, this is tug Petrel, over"),
        transmission(
            bearing=client.make("Bearing", degrees=client.chance.randrange(360), nautical_miles=1.25)
        ),
        transmission(morse=b"... --- ..."),
        papers,
        transmission(speech="Standing by on one six, out"),
    ):
        yield message
        await asyncio.sleep(client.chance.uniform(0.1, 0.5))


async def flash_the_beacon(client: Client) -> None:
    await client.raw(f"/{BEACON}/Flash", _PING)


async def call_what_is_not_there(client: Client) -> None:
    await client.raw(f"/{PACKAGE}.Vessels/ScuttleVessel", b"")


SCENES = (
    Scene(look_up_a_vessel, often=4),
    Scene(talk_on_the_radio, often=2),
    Scene(load_a_manifest, often=2),
    Scene(list_containers),
    Scene(watch_and_leave, grpc.StatusCode.CANCELLED, often=2),
    Scene(look_up_a_ghost_ship, grpc.StatusCode.NOT_FOUND, often=2),
    Scene(list_vessels, often=2),
    Scene(inspect_slowly),
    Scene(assign_without_saying_what, grpc.StatusCode.INVALID_ARGUMENT),
    Scene(assign_a_berth, often=2),
    Scene(inspect_too_slowly, grpc.StatusCode.DEADLINE_EXCEEDED),
    Scene(fetch_the_chart),
    Scene(assign_a_taken_berth, grpc.StatusCode.FAILED_PRECONDITION),
    Scene(ask_for_tariffs_with_a_token),
    Scene(load_too_much, grpc.StatusCode.RESOURCE_EXHAUSTED),
    Scene(flash_the_beacon),
    Scene(look_up_a_few_fields),
    Scene(ask_for_tariffs_without, grpc.StatusCode.UNAUTHENTICATED),
    Scene(call_what_is_not_there, grpc.StatusCode.UNIMPLEMENTED),
)
