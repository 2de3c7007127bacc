"""The demo's rule and fault: off, until they are switched on; then they act on its calls."""

import grpc
import grpc.aio

from loom.demo.acting import TABLES, add_rules
from loom.demo.backend import DemoBackend
from loom.model import Address
from loom.runtime.loom import Loom
from loom.runtime.settings import Settings
from tests.support.raw_calls import unary_unary

_ANYWHERE = Address("127.0.0.1", 0)


async def test_what_the_demo_has_acts_once_it_is_switched_on() -> None:
    backend = DemoBackend(_ANYWHERE)
    await backend.start()
    loom = Loom(
        Settings(target=backend.address, listen=_ANYWHERE, ui=None, session=None, fault_seed=1), tune=False
    )
    await loom.start()
    try:
        assert loom.interceptor is not None
        add_rules(loom.rule_sources, loom.interceptor)
        rule, fault = (active.state for active in loom.interceptor.rules.active)
        request = backend.contract.make("GetVesselRequest", id="v-1").SerializeToString()
        async with grpc.aio.insecure_channel(str(loom.listen_address)) as channel:
            get = unary_unary(channel, "/harbour.v1.Vessels/GetVessel")
            metadata = (("authorization", "Bearer x"),)
            original = await get(request, metadata=metadata)
            assert (rule.matched, fault.matched) == (0, 0)
            rule.enabled = True
            altered = await get(request, metadata=metadata)
            assert altered != original
            assert b"Flying Dutchman" in altered
            fault.enabled = True
            codes = {await get(request, metadata=metadata).code() for _ in range(5)}
        assert codes == {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
        assert (rule.failures, fault.failures) == (0, 0)
    finally:
        await loom.stop(0)
        await backend.stop()
    assert [table["name"] for _, table in TABLES] == ["the ghost ship is in port", "fog"]
