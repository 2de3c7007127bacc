"""Clients that play the scenes: a few callers with pauses between scenes, and one stream that stays open."""

import asyncio
import logging
import random

import grpc

from loom.model import Address

from .contract import Contract
from .scenes import SCENES, Client, Scene

_log = logging.getLogger(__name__)
_CALLERS = 3
_FIRST_PAUSE = 0.15  # the first round is quick, so that there are calls to see at once
_PAUSE = (0.4, 2.2)
_AFTER_FAILURE = 1.0
_LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (compared, not bound)


class Traffic:
    """Demo traffic to ``address`` (cleartext). ``seed`` determines the arguments of the calls, not their times."""

    def __init__(self, address: Address, contract: Contract | None = None, seed: int = 7) -> None:
        self._address = str(Address(_LOOPBACK_OF.get(address.host, address.host), address.port))
        self._chance = random.Random(seed)  # noqa: S311 (which scene is next, not keys)
        self._contract = contract or Contract()
        self._channel: grpc.aio.Channel | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start the clients, as tasks."""
        options = [("grpc.primary_user_agent", "harbour-office/1.0")]
        self._channel = grpc.aio.insecure_channel(self._address, options=options)
        client = Client(self._contract, self._channel, self._chance)
        self._tasks = [asyncio.create_task(self._keep_watch(client), name="demo-watch")]
        self._tasks += [
            asyncio.create_task(self._caller(client, number), name=f"demo-caller-{number}")
            for number in range(_CALLERS)
        ]

    async def stop(self) -> None:
        """Cancel the clients and their calls."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._channel is not None:
            await self._channel.close()

    async def _caller(self, client: Client, number: int) -> None:
        for scene in SCENES[number::_CALLERS]:
            await asyncio.sleep(_FIRST_PAUSE * (number + 1))
            await self._play(scene, client)
        while True:
            deck = [scene for scene in SCENES for _ in range(scene.often)]
            self._chance.shuffle(deck)
            for scene in deck:
                await asyncio.sleep(self._chance.uniform(*_PAUSE))
                await self._play(scene, client)

    async def _play(self, scene: Scene, client: Client) -> None:
        ended = await scene.run(client)
        if ended is not scene.ends:
            _log.info("%s ended with %s, not %s", scene.name, ended.name, scene.ends.name)
            await asyncio.sleep(_AFTER_FAILURE)

    async def _keep_watch(self, client: Client) -> None:
        """Keep one stream open; restart it when it breaks."""
        while True:
            request = client.make("KeepWatchRequest", channels=[12, 16, 74])
            try:
                async for _ in client.call("Radio/KeepWatch", request):
                    pass
            except grpc.aio.AioRpcError as error:
                _log.info("the radio watch broke: %s", error.code().name)
            await asyncio.sleep(_AFTER_FAILURE)
