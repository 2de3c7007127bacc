"""A race as a test: an answer that comes late, behind what was asked after it. ``pytest test_race.py``

The demo's backend (``loom demo``) is the server; set TARGET for its address.
"""

import os
import sys
from pathlib import Path

import grpc

from loom.testing import LoomProxy

TARGET = os.environ.get("TARGET", "localhost:50051")
PROTOS = Path(__file__).parents[2] / "loom" / "demo" / "protos"
sys.path.insert(0, str(PROTOS))  # where grpcio-tools looks for .proto files
vessels, vessel_services = grpc.protos_and_services("harbour/v1/vessels.proto")
radio, radio_services = grpc.protos_and_services("harbour/v1/radio.proto")


def test_a_vessel_is_shown_although_its_position_came_first() -> None:
    """The first position comes while the vessel itself is still being asked for."""
    with LoomProxy(TARGET) as proxy, grpc.insecure_channel(proxy.address) as channel:
        ships = vessel_services.VesselsStub(channel)
        with proxy.hold("method:GetVessel", point="response-message") as held:
            vessel = ships.GetVessel.future(vessels.GetVesselRequest(id="v-4"), timeout=30)
            answer = held.next()
            positions = ships.WatchPositions(vessels.WatchPositionsRequest(vessel_ids=["v-4"]))
            position = next(positions)  # it has overtaken the vessel
            assert not vessel.done()
            answer.send()
            assert vessel.result().id == position.vessel_id
            positions.cancel()


def test_the_second_message_of_a_conversation_is_edited() -> None:
    """What a stream says is changed in its middle, and the rest of it passes."""
    with LoomProxy(TARGET) as proxy, grpc.insecure_channel(proxy.address) as channel:
        with proxy.hold("method:Talk", point="request-message") as held:
            words = [
                radio.Transmission(sender="Petrel", channel=16, speech=text)
                for text in ("hello, over", "what?", "bye, out")
            ]
            answers = radio_services.RadioStub(channel).Talk(iter(words), timeout=30)
            held.next().send()
            second = held.next()
            assert second.json["speech"] == "what?"
            second.edit(speech="wait, over").run()
            assert list(answers)
        sent = [message.json["speech"] for message in proxy.wait_for_call("method:Talk").requests]
        assert sent == ["hello, over", "wait, over", "bye, out"]
