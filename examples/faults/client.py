"""Make two calls to the demo backend, one with a retry policy and one without: ``python client.py [HOST:PORT]``."""

import json
import sys
from pathlib import Path

import grpc

PROTOS = Path(__file__).parents[2] / "loom" / "demo" / "protos"
sys.path.insert(0, str(PROTOS))  # where grpcio-tools looks for .proto files
vessels, vessel_services = grpc.protos_and_services("harbour/v1/vessels.proto")
cargo, cargo_services = grpc.protos_and_services("harbour/v1/cargo.proto")

RETRIES = {
    "methodConfig": [
        {
            "name": [{"service": "harbour.v1.Vessels"}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.05s",
                "maxBackoff": "0.1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}


def main(address: str) -> None:
    """Make the calls and print what came of them."""
    options = [("grpc.service_config", json.dumps(RETRIES))]
    with grpc.insecure_channel(address, options=options) as channel:
        vessel = vessel_services.VesselsStub(channel).GetVessel(
            vessels.GetVesselRequest(id="v-4"), timeout=10
        )
        print("vessel:", vessel.name)
        try:
            manifest = iter([cargo.Container(number="C-1", weight_kg=1000)])
            cargo_services.CargoStub(channel).LoadManifest(manifest, timeout=10)
            print("manifest: loaded")
        except grpc.RpcError as error:
            print("manifest:", error.code().name)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "localhost:9999")
