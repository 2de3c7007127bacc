"""The ships and containers that there are, as messages of the contract."""

import math
import random
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from .contract import Contract

_KNOTS_TO_DEGREES_PER_SECOND = 1 / 3600 / 60
_ENGLISH, _CODE = "en", "code"


class _Ship(NamedTuple):
    id: str
    name: str
    kind: str
    imo: int
    latitude: float
    longitude: float
    knots: float
    heading: int


_SHIPS = (
    _Ship("v-1", "Aurora Borealis", "VESSEL_KIND_CONTAINER", 9734185, 53.5336, 9.9319, 0.0, 92),
    _Ship("v-2", "Kleine Möwe", "VESSEL_KIND_FERRY", 8820123, 53.5412, 9.9665, 11.5, 274),
    _Ship("v-3", "Petrel", "VESSEL_KIND_TUG", 9401231, 53.5288, 9.9051, 6.2, 15),
    _Ship("v-4", "Ocean Harvest", "VESSEL_KIND_TANKER", 9605231, 53.5460, 9.8312, 8.9, 101),
    _Ship("v-5", "Ísafjörður Star", "VESSEL_KIND_CONTAINER", 9811000, 53.9871, 8.6822, 17.4, 131),
    _Ship("v-6", "Windsbraut", "VESSEL_KIND_SAILING", 1008932, 53.5571, 9.7514, 4.1, 288),
)
_GOODS = ("espresso machines", "bicycles", "violins", "printed books", "telescopes")
_COLD = ("blueberries", "vaccines", "cut flowers", "herring")
_DESTINATIONS = ("Gdańsk", "Göteborg", "Reykjavík", "Tallinn")


class Harbour:
    """Made of a contract and a source of chance: the same seed makes the same cargo."""

    def __init__(self, contract: Contract, chance: random.Random) -> None:
        self.contract = contract
        self._chance = chance
        self._opened = time.time()

    @property
    def vessel_ids(self) -> tuple[str, ...]:
        return tuple(ship.id for ship in _SHIPS)

    def vessel(self, vessel_id: str) -> Any:
        """A Vessel as it is now; None if there is no such ship."""
        for ship in _SHIPS:
            if ship.id == vessel_id:
                return self._vessel(ship)
        return None

    def position(self, vessel_id: str) -> Any:
        """Where it is now: a Position."""
        return self.vessel(vessel_id).position

    def containers(self, count: int) -> Iterator[Any]:
        """Containers with all kinds of contents."""
        for index in range(count):
            yield self._container(index)

    def chart(self, size: int) -> bytes:
        """A bitmap of islands in the sea, ``size`` bytes: it compresses badly, as charts do."""
        row = bytes(int(128 + 96 * math.sin(x / 37)) for x in range(1024))
        noise = self._chance.randbytes(4096)
        block = bytes((shade + noise[i % 4096] // 3) % 256 for i, shade in enumerate(row * 8))
        return (block * (size // len(block) + 1))[:size]

    def _vessel(self, ship: _Ship) -> Any:
        vessel = self.contract.make("Vessel", id=ship.id, name=ship.name, kind=ship.kind, imo_number=ship.imo)
        vessel.call_signs[_CODE] = f"DL{ship.imo % 9999:04d}"
        vessel.call_signs[_ENGLISH] = ship.name
        vessel.transponder_key = ship.imo.to_bytes(8, "big") + ship.id.encode()
        vessel.draught_metres = round(3 + ship.imo % 97 / 10, 1)
        self._place(vessel.position, ship)
        self._whereabouts(vessel, ship.knots)
        self._engines(vessel, ship.knots)
        self._records(vessel, ship.imo)
        return vessel

    def _place(self, position: Any, ship: _Ship) -> None:
        # There and back on a course of ten minutes, so that no ship ever leaves the map.
        elapsed = 600 - abs((time.time() - self._opened) % 1200 - 600)
        run = ship.knots * elapsed * _KNOTS_TO_DEGREES_PER_SECOND
        angle = math.radians(ship.heading)
        position.latitude = round(ship.latitude + run * math.cos(angle), 6)
        position.longitude = round(ship.longitude + run * math.sin(angle), 6)
        position.speed_knots = ship.knots
        position.heading_degrees = ship.heading
        position.at.GetCurrentTime()

    def _whereabouts(self, vessel: Any, knots: float) -> None:
        if not knots:
            vessel.moored.quay = "Burchardkai"
            vessel.moored.number = 7
            vessel.moored.until.FromSeconds(int(time.time()) + 7200)
        elif vessel.kind == 5:  # noqa: PLR2004 (VESSEL_KIND_SAILING)
            vessel.anchored_at = "Mühlenberger Loch"
        else:
            vessel.under_way.origin = "Rotterdam"
            vessel.under_way.destination = "Hamburg"
            vessel.under_way.remaining.FromSeconds(int(3600 * 12 / knots))
            vessel.pilot.value = "K. Petersen"

    def _engines(self, vessel: Any, knots: float) -> None:
        for number in (1, 2):
            engine = vessel.engines[number]
            engine.fuel = number
            engine.temperature_celsius = int(knots * 5) - 4 * number
            engine.cylinder_pressures_bar.extend(round(80 + knots + i / 7, 2) for i in range(6))

    def _records(self, vessel: Any, imo: int) -> None:
        inspection = self.contract.make("SafetyInspection", inspector="E. Lindqvist", passed=imo % 2 == 1)
        inspection.on.FromSeconds(int(self._opened) - 86_400 * 30)
        if not inspection.passed:
            inspection.findings.extend(["fire door held open with a wedge", "lifeboat drill overdue"])
        vessel.records.add().Pack(inspection)
        if vessel.kind == 2:  # noqa: PLR2004 (VESSEL_KIND_TANKER)
            notice = self.contract.make("QuarantineNotice", reason="fumigation")
            notice.duration.FromSeconds(86_400)
            vessel.records.add().Pack(notice)

    def _container(self, index: int) -> Any:
        chance = self._chance
        container = self.contract.make(
            "Container",
            number=f"HLXU {chance.randrange(10**6):06d}-{index % 10}",
            weight_kg=chance.randrange(2_000, 30_000),
            destination=chance.choice(_DESTINATIONS),
            seal=chance.getrandbits(64),
        )
        if index % 3 == 0:
            container.goods.description = chance.choice(_GOODS)
            container.goods.declared_values["EUR"] = round(chance.uniform(1e3, 1e6), 2)
            container.goods.declared_values["JPY"] = round(chance.uniform(1e5, 1e8))
        elif index % 3 == 1:
            container.reefer.description = chance.choice(_COLD)
            container.reefer.setpoint_celsius = -18
            container.reefer.log_celsius.extend(round(chance.gauss(-18, 0.4), 1) for _ in range(12))
        else:
            container.hazard.un_number = 3480
            container.hazard.precautions.extend(["keep dry", "away from heat", "no stacking"])
        return container
