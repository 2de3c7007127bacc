"""Make one call of each kind to the demo backend: ``python client.py [HOST:PORT]``."""

import sys
from pathlib import Path

import grpc

PROTOS = Path(__file__).parents[2] / "loom" / "demo" / "protos"
sys.path.insert(0, str(PROTOS))  # where grpcio-tools looks for .proto files
vessels, vessel_services = grpc.protos_and_services("harbour/v1/vessels.proto")
cargo, cargo_services = grpc.protos_and_services("harbour/v1/cargo.proto")
radio, radio_services = grpc.protos_and_services("harbour/v1/radio.proto")


def main(address: str) -> None:
    """Make the calls and print the responses."""
    with grpc.insecure_channel(address) as channel:
        ships = vessel_services.VesselsStub(channel)
        freight = cargo_services.CargoStub(channel)
        waves = radio_services.RadioStub(channel)

        vessel = ships.GetVessel(vessels.GetVesselRequest(id="v-4"), timeout=10)
        print("unary:", vessel.name, "carries", len(vessel.records), "records")

        updates = ships.WatchPositions(vessels.WatchPositionsRequest(vessel_ids=["v-2"]))
        print("server stream:", [next(updates).vessel_id for _ in range(2)])
        updates.cancel()

        containers = [
            cargo.Container(number=f"C-{n}", weight_kg=1000 * n, destination="Tallinn") for n in (1, 2, 3)
        ]
        receipt = freight.LoadManifest(iter(containers), timeout=10)
        print("client stream:", receipt.containers, "containers,", dict(receipt.weight_kg_by_destination))

        words = [
            radio.Transmission(sender="Petrel", channel=16, speech=text)
            for text in ("hello, over", "bye, out")
        ]
        print("both ways:", [answer.speech for answer in waves.Talk(iter(words), timeout=10)])

        try:
            ships.GetVessel(vessels.GetVesselRequest(id="nobody"), timeout=10)
        except grpc.RpcError as error:
            print("an error:", error.code().name, "-", error.details())


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "localhost:9999")
